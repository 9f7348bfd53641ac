package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/journal"
)

// openJournal opens a journal whose lock the test gives up at its end.
func openJournal(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func journaled(j pipeline.Journal, run string) pipeline.Options {
	o := options(8, 2)
	o.Journal, o.Run, o.MaxAttempts = j, run, 2
	return o
}

// A worker whose output was lost does not compute again; another run does.
func TestResultsAreComputedOnce(t *testing.T) {
	const n = 20
	j := openJournal(t, t.TempDir())
	lost := errors.New("the broker is gone")
	broken := &fakeSink{Sink: memory.NewSink(), fail: func([]connectors.Record) error { return lost }}
	// The write fails when all that fits the window has been computed.
	first := &fakeJob{gather: 8}
	if _, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", records(n)), first, broken, memory.NewSink(), journaled(j, "run 1")); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	second, sink := &fakeJob{}, memory.NewSink()
	counts, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", records(n)), second, sink, memory.NewSink(), journaled(j, "run 1"))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Records(), outputs(n)...)
	if want := (pipeline.Counts{Read: n, Written: n, Tokens: 2 * n, ModelCalls: n, Recalled: counts.Recalled}); counts != want || counts.Recalled == 0 {
		t.Errorf("counts %+v, want %+v", counts, want)
	}
	if second.prepared != n-counts.Recalled {
		t.Errorf("%d records were prepared, %d recalled of %d", second.prepared, counts.Recalled, n)
	}
	other := &fakeJob{}
	counts, err = pipeline.Run(bounded(t), nil, memory.FromSlice("s", records(n)), other, memory.NewSink(), memory.NewSink(), journaled(j, "run 2"))
	if err != nil || counts.Recalled != 0 || other.prepared != n {
		t.Errorf("another run: counts %+v, %d prepared, %v", counts, other.prepared, err)
	}
}

// deadly is a journal that dies with its process: nothing ends in it any more.
type deadly struct {
	*journal.Journal
	dead func() bool
}

func (d deadly) Done(key journal.Key, r journal.Result) error {
	if d.dead() {
		return errors.New("the process is dead")
	}
	return d.Journal.Done(key, r)
}

// killedJob dies, as its process would, when it meets "kill"; it computes in company
// until then, and tells in which company each record was.
type killedJob struct {
	fakeJob
	mu      sync.Mutex
	at      map[string]bool // mu: in work
	company map[string]int  // mu: most that were at work beside it
	died    bool            // mu
}

func (k *killedJob) dead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.died
}

func (k *killedJob) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	k.at, k.company = map[string]bool{}, map[string]int{}
	work := make(chan *pipeline.Item, 4)
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		defer close(work)
		for {
			var item *pipeline.Item
			var ok bool
			select {
			case item, ok = <-in:
			case <-ctx.Done():
			}
			if !ok {
				return
			}
			k.mu.Lock()
			value := string(item.Delivery.Value)
			k.at[value] = true
			for other := range k.at {
				k.company[other] = max(k.company[other], len(k.at)-1)
			}
			k.died = k.died || value == "kill"
			k.mu.Unlock()
			select {
			case work <- item:
			case <-ctx.Done():
			}
		}
	})
	defer group.Wait()
	defer stop()
	return k.fakeJob.Compute(ctx, work, func(item *pipeline.Item) error {
		if k.dead() {
			return errors.New("the process is dead")
		}
		k.mu.Lock()
		delete(k.at, string(item.Delivery.Value))
		k.mu.Unlock()
		return done(item)
	})
}

// A record that ends its process twice becomes a dead letter; its neighbours do not, and
// the second time it is alone.
func TestRecordThatKillsTwice(t *testing.T) {
	dir := t.TempDir()
	recs := texts("0", "1", "kill", "3", "4")
	var out, dead *memory.Sink
	var jobs []*killedJob
	for life := 1; ; life++ {
		j, err := journal.Open(dir, journal.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		job := &killedJob{}
		jobs = append(jobs, job)
		out, dead = memory.NewSink(), memory.NewSink()
		_, err = pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), job, out, dead, journaled(deadly{j, job.dead}, "run"))
		if err == nil {
			if life != 3 {
				t.Fatalf("it took %d lives", life)
			}
			j.Close()
			break
		}
		if life > 3 {
			t.Fatal(err)
		}
		// A process that is killed does not close its journal: the files of the next life
		// are those that it left.
		crashed := t.TempDir()
		copyFiles(t, dir, crashed)
		j.Close()
		dir = crashed
	}
	wantValues(t, out.Records(), "<0>", "<1>", "<3>", "<4>")
	wantValues(t, dead.Records(), "kill")
	headers := dead.Records()[0].Headers
	if stage := headers[len(headers)-2]; string(stage.Value) != "attempts" {
		t.Errorf("stage %s", stage.Value)
	}
	if reason := string(headers[len(headers)-1].Value); !strings.Contains(reason, "2 workers died") {
		t.Errorf("reason %q", reason)
	}
	if n := jobs[1].company["kill"]; n != 0 {
		t.Errorf("the second time it was at work beside %d others", n)
	}
}

// taken marks the deliveries of some values as taken by another worker.
type taken struct {
	connectors.Source
	values []string
}

func (s taken) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	batch, err := s.Source.Read(ctx, max)
	for i := range batch {
		gone := slices.Contains(s.values, string(batch[i].Value))
		batch[i].Current = func() bool { return !gone }
	}
	return batch, err
}

// What belongs to another worker by now is neither written nor settled.
func TestTakenRecordsAreLeftToTheirOwner(t *testing.T) {
	src := memory.FromSlice("s", texts("0", "1", "bad", "3"))
	sink, dead := memory.NewSink(), memory.NewSink()
	counts, err := pipeline.Run(bounded(t), nil, taken{src, []string{"1", "bad"}}, &fakeJob{}, sink, dead, options(8, 8))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, sink.Records(), "<0>", "<3>")
	wantValues(t, dead.Records())
	if counts.Taken != 2 || counts.Written != 2 || counts.Failed != 0 || acknowledged(src) != 1 {
		t.Errorf("counts %+v, %d acknowledged", counts, acknowledged(src))
	}
}

func TestTombstones(t *testing.T) {
	recs := texts("0", "1", "2")
	recs[0].Value, recs[0].Key = nil, []byte("key")
	recs[2].Value = nil
	for pass, want := range map[bool]pipeline.Counts{
		false: {Read: 3, Written: 1, Dropped: 2, Tokens: 2, ModelCalls: 1},
		true:  {Read: 3, Written: 2, Unchanged: 1, Dropped: 1, Tokens: 2, ModelCalls: 1},
	} {
		sink := memory.NewSink()
		o := options(8, 8)
		o.PassTombstones = pass
		counts, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), &fakeJob{}, sink, memory.NewSink(), o)
		if err != nil || counts != want {
			t.Errorf("pass %v: counts %+v, %v, want %+v", pass, counts, err, want)
		}
		if first := sink.Records()[0]; pass && (first.Value != nil || string(first.Key) != "key") {
			t.Errorf("tombstone %+v", first)
		}
	}
}

func TestFailureLimit(t *testing.T) {
	values := make([]string, 40)
	for i := range values {
		values[i] = "0"
		if i >= 20 && i%4 == 0 { // a quarter of the second half
			values[i] = "bad"
		}
	}
	run := func(l pipeline.FailureLimit) (*memory.Source, error) {
		src := memory.FromSlice("s", texts(values...))
		o := options(8, 1)
		o.Failures = l
		_, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, memory.NewSink(), memory.NewSink(), o)
		return src, err
	}
	if _, err := run(pipeline.FailureLimit{Most: 3, Of: 10}); err != nil {
		t.Errorf("a quarter is below the limit: %v", err)
	}
	src, err := run(pipeline.FailureLimit{Most: 2, Of: 10})
	var many *pipeline.TooManyFailures
	if !errors.As(err, &many) || many.Failed != 3 || many.Most != 2 || !strings.Contains(err.Error(), "cannot be computed") {
		t.Fatalf("error %v", err)
	}
	if got := acknowledged(src); got != 28 {
		t.Errorf("%d acknowledged, want the 28 before the third failure", got)
	}
	if _, err := run(pipeline.FailureLimit{Most: 1, Of: -1}); err == nil {
		t.Error("a limit of -1 records")
	}
}
