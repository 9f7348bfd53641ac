package bench

import (
	"context"
	"fmt"

	"github.com/any-order/a3/core/kernels"
)

// product is the shape of c [m, n] = a [m, k] b [k, n].
type product struct{ m, n, k int }

func (p product) String() string { return fmt.Sprintf("%dx%dx%d", p.m, p.n, p.k) }

func (p product) flop() float64 { return 2 * float64(p.m) * float64(p.n) * float64(p.k) }

// gemm measures a product of rows that lie ready and packed weights.
func (l *lab) gemm(c computeType, p product) task {
	name := fmt.Sprintf("gemm/%s/%s", c.Type, p)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		o := l.newOperands(c.Type, p)
		for _, threads := range l.threads {
			parts := o.parts(threads)
			s, err := l.perCall(ctx, func(n int) error {
				each(len(parts), func(w int) {
					for range n {
						parts[w]()
					}
				})
				return nil
			})
			if err != nil {
				return err
			}
			emit(Result{name, threads, p.flop() / s / 1e9, "GFLOP/s"})
		}
		return nil
	}}
}

// operands are those of a product. The result is rows of a's type, as most are in a
// network; of few rows it is float32, as logits are.
type operands struct {
	product
	k     *kernels.Kernels
	a     kernels.Rows
	b     *kernels.Panels
	rows  kernels.Rows // c, of many rows
	float kernels.Mat  // c, of few
}

// manyRows is from how many rows a thread on the threads of a product share its rows, and
// all read all weights; else they share the columns.
const manyRows = 64

func (l *lab) newOperands(t kernels.Type, p product) *operands {
	o := &operands{
		product: p, k: l.kernels, a: kernels.NewRows(t, p.m, p.k), b: kernels.NewPanels(t, p.k, p.n),
		rows: kernels.NewRows(t, p.m, p.n), float: kernels.NewMat(kernels.Aligned(p.m*p.n), p.m, p.n),
	}
	o.k.Convert(o.a, l.random(p.m, p.k, 1))
	o.b.PackTransposed(o.k, l.random(p.n, p.k, 0.02), new(kernels.Scratch))
	return o
}

// random returns a matrix of normally distributed numbers.
func (l *lab) random(rows, cols int, deviation float32) kernels.Mat {
	m := kernels.NewMat(kernels.Aligned(rows*cols), rows, cols)
	l.noise.fill(m.Data, deviation)
	return m
}

// parts returns what threads compute side by side; there may be fewer than threads.
func (o *operands) parts(threads int) []func() {
	var parts []func()
	for w := range threads {
		s := new(kernels.Scratch)
		if o.m >= manyRows*threads {
			from, to := share(o.m, w, threads)
			parts = append(parts, func() { o.k.MulRows(o.rows.Slice(from, to), o.a.Slice(from, to), o.b, s) })
			continue
		}
		const panel = 32 // columns that lie together
		from, to := share((o.n+panel-1)/panel, w, threads)
		if from == to {
			continue
		}
		from, to = from*panel, min(to*panel, o.n)
		columns := o.b.Columns(from, to)
		parts = append(parts, func() { o.k.Mul(o.float.ColsOf(from, to), o.a, &columns, false, s) })
	}
	return parts
}
