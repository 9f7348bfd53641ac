package bench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/train"
)

// training is optimizer steps on documents of one length, in groups of 4 permuted: all
// positions but the first are scored.
type training struct {
	network         string
	shape           model.Config
	sequence, batch int  // positions of a document, documents of a step
	named           bool // the sequence is part of the name
	alone           bool // one thread is measured too
	held            bool // so is what it holds
}

func (t training) name(c computeType) string {
	name := fmt.Sprintf("train/%s/%s", t.network, c.Type)
	if t.named {
		name += fmt.Sprintf("/%d", t.sequence)
	}
	return name
}

// train measures whole steps: forward, backward, optimizer.
func (l *lab) train(c computeType, t training) task {
	name := t.name(c)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		segments, err := t.segments()
		if err != nil {
			return err
		}
		before := heap()
		m, err := l.newTrainable(ctx, c, t.shape)
		if err != nil {
			return err
		}
		threads := []int{l.all()}
		if t.alone {
			threads = l.threads
		}
		var trainer *train.Trainer
		for _, n := range threads {
			if trainer, err = train.New(m, train.DefaultOptions(1<<20), n); err != nil {
				return err
			}
			s, err := l.perCall(ctx, func(n int) error {
				for range n {
					if _, err := trainer.Step(ctx, segments); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			emit(Result{name, n, float64(t.sequence*t.batch) / s, "tokens/s"})
		}
		if t.held {
			held(emit, name, l.all(), heldBy{
				heap: heap() - before, weights: m.Bytes(), activations: activations(&t.shape, c.Type),
			})
		}
		runtime.KeepAlive(trainer)
		return nil
	}}
}

// segments returns the documents of a step, the same for each.
func (t training) segments() ([]seq.Segment, error) {
	sampler, err := order.Parse("permuted:4")
	if err != nil {
		return nil, err
	}
	var segments []seq.Segment
	for d := range t.batch {
		key := seq.NewKey(uint64(d))
		segments = append(segments, sampler.Sample(key, randomTokens(key, t.sequence, t.shape.Vocab), order.GivenCausal))
	}
	return segments, nil
}

func randomTokens(key seq.Key, n, vocab int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(key.Intn(uint64(i), vocab))
	}
	return tokens
}
