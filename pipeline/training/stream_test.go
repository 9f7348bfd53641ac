package training_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/training"
)

// rebalanced is a topic of one partition that brings records again, as a broker does when
// a worker loses its partition and gets it back.
type rebalanced struct {
	docs []string

	mu      sync.Mutex
	at      int // mu
	reads   int // mu
	settled map[int64]bool
}

func (r *rebalanced) Names() []string { return []string{"stories"} }

func (r *rebalanced) Extents(context.Context) ([]training.Extent, error) {
	return []training.Extent{{Stream: "stories", End: int64(len(r.docs))}}, nil
}

func (r *rebalanced) Begin(context.Context) ([]connectors.Origin, error) {
	return []connectors.Origin{{Stream: "stories", Next: 3}}, nil
}

func (r *rebalanced) Open(_ context.Context, from []connectors.Origin) (connectors.Source, error) {
	r.at = int(from[0].Next)
	return r, nil
}

func (r *rebalanced) Read(ctx context.Context, most int) ([]connectors.Delivery, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reads++; r.reads%3 == 0 {
		r.at = max(3, r.at-15)
	}
	var out []connectors.Delivery
	for ; len(out) < min(most, 10) && r.at < len(r.docs); r.at++ {
		o := connectors.Origin{Stream: "stories", Offset: int64(r.at), Next: int64(r.at) + 1}
		out = append(out, connectors.Delivery{
			Record: connectors.Record{Origin: o, Value: []byte(r.docs[r.at])},
			Settle: func(err error) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.settled[o.Offset] = err == nil
			},
		})
	}
	if len(out) == 0 {
		return nil, io.EOF
	}
	return out, nil
}

func (r *rebalanced) Close(context.Context) error { return nil }

// What comes again is trained once, and a record is settled when it was trained, not when
// it was read.
func TestStreamTrainsOnce(t *testing.T) {
	dir := t.TempDir()
	topic := &rebalanced{docs: stories(150), settled: map[int64]bool{}}
	recording := filepath.Join(dir, "batches")
	parse := record.DefaultOptions()
	parse.Plain = true
	_, err := newJob(t, filepath.Join(dir, "run"), func(j *training.Job) {
		j.Corpus, j.Topic, j.Parse, j.RecordTo = nil, topic, parse, recording
		j.Config.Optimizer.Steps = 500
		j.Report = func(p training.Progress) {
			topic.mu.Lock()
			defer topic.mu.Unlock()
			if p.Step == 0 && (!topic.settled[3] || topic.settled[int64(topic.at)-1]) {
				t.Errorf("after the first step, read up to %d, settled are %v", topic.at, topic.settled)
			}
		}
	}).Run(t.Context())
	var ended *training.StoppedError
	if !errors.As(err, &ended) || !ended.UsedUp {
		t.Fatal(err)
	}
	replay, err := batching.OpenReplay(recording, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer replay.Close()
	trained := map[batching.Row]int{}
	whole := map[int64]bool{}
	for step := range ended.Step {
		batch, err := replay.Next(t.Context(), step)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Segments() {
			row := batch.Row(i)
			if trained[row]++; trained[row] > 1 {
				t.Errorf("%+v again", row)
			}
			whole[row.Offset] = whole[row.Offset] || row.Last
		}
		batch.Release()
	}
	for offset := range int64(150) {
		if want := offset >= 3; whole[offset] != want || topic.settled[offset] != want {
			t.Errorf("document %d: trained %v, settled %v, want %v", offset, whole[offset], topic.settled[offset], want)
		}
	}
}
