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
	forward := fmt.Sprintf("attention/forward/%s/%d", c.name, rows)
	backward := fmt.Sprintf("attention/backward/%s/%d", c.name, rows)
	flop := 4 * float64(attentionHeads*attentionDim) * float64(rows) * float64(rows+1) / 2 // what the definition asks for
	return task{name: forward, run: func(ctx context.Context, emit func(Result)) error {
		for _, threads := range l.threads {
			documents := make([]*attended, threads)
			for w := range documents {
				documents[w] = l.newAttended(c.kernel(), rows)
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
	mat := func(heads int) kernels.Mat {
		m := kernels.NewMat(kernels.Aligned(rows*heads*attentionDim), rows, heads*attentionDim)
		l.noise.fill(m.Data, 1)
		return m
	}
	a := &attended{
		k: l.kernels, kv: kernels.NewKV(t, attentionKVHeads, attentionDim, rows),
		dq: mat(attentionHeads),
		dk: mat(attentionKVHeads), dv: mat(attentionKVHeads),
		ends: make([]int32, rows), lse: make([]float32, rows*attentionHeads),
	}
	q := mat(attentionHeads)
	a.k.Scale(q.Data, 0.125) // 1/sqrt(attentionDim)
	for i, m := range []kernels.Mat{q, mat(attentionHeads), mat(attentionHeads)} {
		r := []*kernels.Rows{&a.q, &a.out, &a.dout}[i]
		*r = kernels.NewRows(t, m.Rows, m.Cols)
		a.k.Convert(*r, m)
	}
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
