package bench

import (
	"context"
	"fmt"

	"github.com/any-order/a3/core/kernels"
)

// The heads are those of SmolLM2-135M.
const (
	attentionHeads   = 9
	attentionKVHeads = 3
	attentionDim     = 64
)

// attention measures rows that attend to one another from left to right, forward and
// backward; each thread has a document of its own.
func (l *lab) attention(c computeType, rows int) task {
	forward := fmt.Sprintf("attention/forward/%s/%d", c.Type, rows)
	backward := fmt.Sprintf("attention/backward/%s/%d", c.Type, rows)
	flop := 4 * float64(attentionHeads*attentionDim) * float64(rows) * float64(rows+1) / 2 // what the definition asks for
	return task{name: forward, run: func(ctx context.Context, emit func(Result)) error {
		for _, threads := range l.threads {
			documents := make([]*attended, threads)
			for w := range documents {
				documents[w] = l.newAttended(c.Type, rows)
			}
			for _, pass := range []struct {
				name string
				flop float64
				f    func(*attended)
			}{{forward, flop, (*attended).forward}, {backward, 2.5 * flop, (*attended).backward}} {
				s, err := l.perCall(ctx, func(n int) error {
					each(threads, func(w int) {
						for range n {
							pass.f(documents[w])
						}
					})
					return nil
				})
				if err != nil {
					return err
				}
				emit(Result{pass.name, threads, float64(threads) * pass.flop / s / 1e9, "GFLOP/s"})
			}
		}
		return nil
	}}
}

// attended is the attention of one document in one layer.
type attended struct {
	k            *kernels.Kernels
	kv           *kernels.KV
	q, out, dout kernels.Rows
	dq, dk, dv   kernels.Mat
	ends         []int32
	lse          []float32
	scratch      kernels.Scratch
}

func (l *lab) newAttended(t kernels.Type, rows int) *attended {
	const width, kvWidth = attentionHeads * attentionDim, attentionKVHeads * attentionDim
	a := &attended{
		k: l.kernels, kv: kernels.NewKV(t, attentionKVHeads, attentionDim, rows),
		q: kernels.NewRows(t, rows, width), out: kernels.NewRows(t, rows, width), dout: kernels.NewRows(t, rows, width),
		dq: l.random(rows, width, 1), dk: l.random(rows, kvWidth, 1), dv: l.random(rows, kvWidth, 1),
		ends: make([]int32, rows), lse: make([]float32, rows*attentionHeads),
	}
	a.k.Convert(a.q, l.random(rows, width, 0.125)) // 1/sqrt(attentionDim)
	a.k.Convert(a.dout, l.random(rows, width, 1))
	a.kv.Append(a.k, a.dk, a.dv)
	for r := range a.ends {
		a.ends[r] = int32(r + 1)
	}
	return a
}

func (a *attended) forward() {
	a.k.Attend(a.out, a.q, a.ends, a.kv, 0, attentionKVHeads, a.lse, &a.scratch)
}

// backward follows at least one forward. Its sums would grow without end.
func (a *attended) backward() {
	clear(a.dk.Data)
	clear(a.dv.Data)
	a.k.AttendGrad(a.dq, a.dk, a.dv, a.dout, a.out, a.q, a.ends, a.kv, a.lse, &a.scratch)
}
