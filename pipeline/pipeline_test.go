package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
)

func TestOutputIsInTheOrderOfTheInput(t *testing.T) {
	const n = 500
	rng := rand.New(rand.NewPCG(1, 2))
	orders := map[string]func([]*pipeline.Item){
		"as it came": nil,
		"reversed":   func(items []*pipeline.Item) { slices.Reverse(items) },
		"shuffled": func(items []*pipeline.Item) {
			rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		},
	}
	for name, order := range orders {
		for _, o := range []pipeline.Options{options(1, 1), options(7, 3), options(64, 64), options(1000, 10)} {
			src, sink := memory.FromSlice("s", records(n)), memory.NewSink()
			job := &fakeJob{order: order, gather: o.Window} // all that can be there at a time
			counts, err := pipeline.Run(bounded(t), nil, src, job, sink, memory.NewSink(), o)
			if err != nil {
				t.Fatal(err)
			}
			if got := values(sink.Records()); !slices.Equal(got, outputs(n)) {
				t.Errorf("%s, %+v: out of order: %q", name, o, got)
			}
			if want := (pipeline.Counts{Read: n, Written: n, Tokens: 2 * n, ModelCalls: n}); counts != want {
				t.Errorf("%s, %+v: counts %+v, want %+v", name, o, counts, want)
			}
			if got := acknowledged(src); got != n {
				t.Errorf("%s, %+v: %d acknowledged", name, o, got)
			}
		}
	}
}

// A job that hands nothing on stops the reading at the window; each record that is
// settled lets one more in.
func TestWindowBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, window = 50, 8
		job := &fakeJob{gate: make(chan struct{})}
		prepared := func() int {
			synctest.Wait()
			job.mu.Lock()
			defer job.mu.Unlock()
			return job.prepared
		}
		ended := make(chan error)
		go func() {
			_, err := pipeline.Run(t.Context(), nil, memory.FromSlice("s", records(n)), job, memory.NewSink(), memory.NewSink(), options(window, 3))
			ended <- err
		}()
		if got := prepared(); got != window {
			t.Errorf("%d records were read before any was done; the window is %d", got, window)
		}
		for i := range n {
			job.gate <- struct{}{}
			if got, most := prepared(), min(n, i+1+window); got != most {
				t.Fatalf("%d records were read when %d were settled, want %d", got, i+1, most)
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Dead letters, then outputs, are written before a record is acknowledged, in order.
func TestSettledAfterItIsDurable(t *testing.T) {
	var d diary
	recs := []connectors.Record{{Value: []byte("0")}, {Value: []byte("bad")}, {Value: []byte("2")}}
	src := settling{memory.FromSlice("s", recs), d.add}
	sink := &fakeSink{Sink: memory.NewSink(), log: d.add}
	dead := &fakeSink{Sink: memory.NewSink(), log: func(s string) { d.add("dead " + s) }}
	if _, err := pipeline.Run(bounded(t), nil, src, &fakeJob{gather: 3}, sink, dead, options(3, 3)); err != nil {
		t.Fatal(err)
	}
	lines := d.all()
	at := func(line string) int {
		i := slices.Index(lines, line)
		if i < 0 {
			t.Fatalf("no %q in %q", line, lines)
		}
		return i
	}
	for _, before := range [][2]string{
		{"write <0>", "settle 0"}, {"dead write bad", "settle bad"}, {"write <2>", "settle 2"},
		{"settle 0", "settle bad"}, {"settle bad", "settle 2"},
	} {
		if at(before[0]) > at(before[1]) {
			t.Errorf("%q came before %q: %q", before[1], before[0], lines)
		}
	}
}

func TestSourceErrorEndsTheRun(t *testing.T) {
	lost := errors.New("the disk is gone")
	src := &failingSource{Source: memory.FromSlice("s", records(10)), err: lost}
	sink := memory.NewSink()
	counts, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, sink, memory.NewSink(), options(4, 2))
	if !errors.Is(err, lost) || !strings.Contains(err.Error(), "read: ") {
		t.Errorf("error %v", err)
	}
	if !counts.Stopped {
		t.Error("a run that ended early counts as complete")
	}
	// Whatever was written by then is a beginning of the right output.
	got := values(sink.Records())
	if len(got) > 10 || !slices.Equal(got, outputs(10)[:len(got)]) {
		t.Errorf("written %q", got)
	}
}

// failingSource gives its records, and an error instead of the end.
type failingSource struct {
	connectors.Source
	err error
}

func (s *failingSource) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	batch, err := s.Source.Read(ctx, max)
	if err != nil {
		err = s.err
	}
	return batch, err
}

func TestStopDrainsWhatHasBeenRead(t *testing.T) {
	for where, window := range map[string]int{"waiting for a record": 100, "waiting for room": 5} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testStop(t, window) })
		})
	}
}

func testStop(t *testing.T, window int) {
	in := make(chan connectors.Record, 5)
	for _, rec := range records(5) {
		in <- rec
	}
	src, sink := memory.FromChannel("s", in), memory.NewSink()
	stop := make(chan struct{})
	job := &fakeJob{gate: make(chan struct{})}
	type outcome struct {
		counts pipeline.Counts
		err    error
	}
	ended := make(chan outcome)
	go func() {
		counts, err := pipeline.Run(t.Context(), stop, src, job, sink, memory.NewSink(), options(window, 10))
		ended <- outcome{counts, err}
	}()
	synctest.Wait() // all five are read, none is done
	close(stop)
	synctest.Wait()
	close(job.gate) // the work goes on
	got := <-ended
	if got.err != nil || !got.counts.Stopped || got.counts.Written != 5 {
		t.Errorf("counts %+v, error %v", got.counts, got.err)
	}
	wantValues(t, sink.Records(), outputs(5)...)
	if n := acknowledged(src); n != 5 {
		t.Errorf("%d acknowledged", n)
	}
}

// A source that ends while a stop is asked for is complete.
func TestStopBehindTheEndIsNoStop(t *testing.T) {
	stop := make(chan struct{})
	src := &stoppingSource{memory.FromSlice("s", records(3)), stop}
	counts, err := pipeline.Run(bounded(t), stop, src, &fakeJob{}, memory.NewSink(), memory.NewSink(), options(10, 10))
	if err != nil || counts.Stopped || counts.Written != 3 {
		t.Errorf("counts %+v, error %v", counts, err)
	}
}

// stoppingSource asks for a stop when it has come to its end.
type stoppingSource struct {
	*memory.Source
	stop chan struct{}
}

func (s *stoppingSource) Read(_ context.Context, max int) ([]connectors.Delivery, error) {
	batch, err := s.Source.Read(context.Background(), max)
	if err != nil {
		close(s.stop)
	}
	return batch, err
}

func TestCancelReturnsAtOnceAndAcknowledgesNothingUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, done = 40, 3
		src, sink := memory.FromSlice("s", records(n)), memory.NewSink()
		job := &fakeJob{gate: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := pipeline.Run(ctx, nil, src, job, sink, memory.NewSink(), options(20, 5))
			ended <- err
		}()
		for range done {
			job.gate <- struct{}{}
		}
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		wantValues(t, sink.Records(), outputs(done)...)
		if got := acknowledged(src); got != done {
			t.Errorf("%d acknowledged, %d are written", got, done)
		}
	})
}

// A sink that blocks forever does not hold up a cancelled run.
func TestCancelDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := memory.FromSlice("s", records(9))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := pipeline.Run(ctx, nil, src, &fakeJob{}, memory.ToChannel(make(chan connectors.Record)), memory.NewSink(), options(4, 2))
			ended <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if got := acknowledged(src); got != 0 {
			t.Errorf("%d acknowledged, nothing was written", got)
		}
	})
}

func TestJobErrorEndsTheRun(t *testing.T) {
	broken := errors.New("the engine is broken")
	src := memory.FromSlice("s", records(100))
	_, err := pipeline.Run(bounded(t), nil, src, brokenJob{broken}, memory.NewSink(), memory.NewSink(), options(4, 2))
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got := acknowledged(src); got != 0 {
		t.Errorf("%d acknowledged", got)
	}
}

type brokenJob struct{ err error }

func (brokenJob) Prepare(*pipeline.Item) {}
func (j brokenJob) Compute(_ context.Context, in <-chan *pipeline.Item, _ func(*pipeline.Item) error) error {
	<-in
	return j.err
}

// A sink that knows what it holds lets the next run go on from there.
func TestResume(t *testing.T) {
	sink := memory.NewSink()
	for _, n := range []int{3, 3, 8} { // the same input, unchanged at first, then longer
		src := memory.FromSlice("s", records(n))
		if _, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, sink, memory.NewSink(), options(4, 2)); err != nil {
			t.Fatal(err)
		}
		wantValues(t, sink.Records(), outputs(n)...)
	}
	_, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", records(2)), &fakeJob{}, sink, memory.NewSink(), options(4, 2))
	if err == nil || !strings.Contains(err.Error(), "resume the input") {
		t.Errorf("an input that shrank: %v", err)
	}
}

func TestReport(t *testing.T) {
	var seen []pipeline.Counts
	o := options(10, 4)
	o.Report = func(c pipeline.Counts) { seen = append(seen, c) }
	recs := append(records(9), connectors.Record{Value: []byte("same")}, connectors.Record{Value: nil}, connectors.Record{Value: []byte("bad")})
	counts, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), &fakeJob{}, memory.NewSink(), memory.NewSink(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Counts{Read: 12, Written: 10, Failed: 1, Unchanged: 1, Dropped: 1, Tokens: 20, ModelCalls: 10}
	if counts != want {
		t.Errorf("counts %+v, want %+v", counts, want)
	}
	if len(seen) < 3 || seen[len(seen)-1] != want {
		t.Errorf("reports %+v, want several that end with %+v", seen, want)
	}
	if !slices.IsSortedFunc(seen, func(a, b pipeline.Counts) int { return a.Read - b.Read }) {
		t.Errorf("reports go backwards: %+v", seen)
	}
}

func TestBoundsAreChecked(t *testing.T) {
	for _, o := range []pipeline.Options{options(0, 1), options(1, 0), options(-1, 5)} {
		_, err := pipeline.Run(t.Context(), nil, memory.FromSlice("s", nil), &fakeJob{}, memory.NewSink(), memory.NewSink(), o)
		if want := fmt.Sprintf("window %d", o.Window); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
