package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
)

// passed is what an observer was told of a stage.
type passed struct{ in, out, failed, dropped int }

type tally struct {
	mu     sync.Mutex
	stages map[pipeline.Stage]passed // mu
	notes  pipeline.Note             // mu: sums
	fates  map[pipeline.Fate]int     // mu
}

func (o *tally) Entered(stage pipeline.Stage, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.stages[stage]
	p.in += n
	o.stages[stage] = p
}

func (o *tally) Left(stage pipeline.Stage, out, failed, dropped int, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.stages[stage]
	o.stages[stage] = passed{p.in, p.out + out, p.failed + failed, p.dropped + dropped}
	if took < 0 || took > time.Minute {
		o.stages["took "+stage] = passed{in: int(took)}
	}
}

func (o *tally) Done(fate pipeline.Fate, n pipeline.Note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fates[fate]++
	o.notes.Tokens += n.Tokens
	o.notes.ModelCalls += n.ModelCalls
}

// Whatever enters a stage leaves it, and each record is told of once.
func TestObserver(t *testing.T) {
	recs := records(20)
	recs[3].Value = []byte("bad 3")
	recs[4].Value = []byte("worse 4")
	recs[5].Value = []byte("panic 5")
	recs[6].Value = []byte("same 6")
	recs[7].Value = nil
	sink := &fakeSink{Sink: memory.NewSink()}
	rejected := false
	sink.fail = func(batch []connectors.Record) error {
		for i, rec := range batch {
			if string(rec.Value) == "<8>" && !rejected {
				rejected = true
				return errors.Join(memoryWrite(t, sink.Sink, batch, i), &connectors.ItemError{Failed: map[int]error{i: connectors.ErrRejected}})
			}
		}
		return nil
	}
	o := options(16, 4)
	got := &tally{stages: map[pipeline.Stage]passed{}, fates: map[pipeline.Fate]int{}}
	o.Observer = got
	counts, err := pipeline.Run(bounded(t), nil, memory.FromSlice("s", recs), &fakeJob{}, sink, memory.NewSink(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[pipeline.Stage]passed{
		pipeline.StageRead:        {20, 20, 0, 0},
		pipeline.StagePrepare:     {20, 17, 2, 1},
		pipeline.StageCompute:     {16, 15, 1, 0},
		pipeline.StageWrite:       {16, 15, 1, 0},
		pipeline.StageDeadLetters: {4, 4, 0, 0},
	}
	if !maps.Equal(got.stages, want) {
		t.Errorf("told %v\nwant %v", got.stages, want)
	}
	fates := map[pipeline.Fate]int{pipeline.FateWritten: 14, pipeline.FateUnchanged: 1, pipeline.FateFailed: 4, pipeline.FateDropped: 1}
	if !maps.Equal(got.fates, fates) {
		t.Errorf("fates %v, want %v", got.fates, fates)
	}
	if got.notes.Tokens != counts.Tokens || got.notes.ModelCalls != counts.ModelCalls || counts.Tokens != 32 {
		t.Errorf("told %+v, counted %+v", got.notes, counts)
	}
}

// What was taken by another worker, and what the journal knew, is told as such.
func TestFates(t *testing.T) {
	dir := t.TempDir()
	for life, want := range []map[pipeline.Fate]int{
		{pipeline.FateWritten: 3, pipeline.FateTaken: 1},
		{pipeline.FateRecalled: 3, pipeline.FateTaken: 1},
	} {
		j := openJournal(t, dir)
		o := journaled(j, "run")
		got := &tally{stages: map[pipeline.Stage]passed{}, fates: map[pipeline.Fate]int{}}
		o.Observer = got
		src := taken{memory.FromSlice("s", texts("0", "1", "gone", "3")), []string{"gone"}}
		counts, err := pipeline.Run(bounded(t), nil, src, &fakeJob{}, memory.NewSink(), memory.NewSink(), o)
		if err := errors.Join(err, j.Close()); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got.fates, want) || counts.Recalled != want[pipeline.FateRecalled] || counts.Taken != 1 || counts.Written != 3 {
			t.Errorf("life %d: fates %v, want %v; counts %+v", life, got.fates, want, counts)
		}
	}
}

// memoryWrite writes a batch without its i-th record.
func memoryWrite(t *testing.T, sink connectors.Sink, batch []connectors.Record, i int) error {
	t.Helper()
	rest := append(append([]connectors.Record(nil), batch[:i]...), batch[i+1:]...)
	return sink.Write(context.Background(), rest)
}
