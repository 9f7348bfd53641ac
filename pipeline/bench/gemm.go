package bench

import (
	"context"
	"fmt"

	"github.com/any-order/a3/core/kernels"
)

// product is the shape of c [m, n] = a [m, k] b [k, n].
type product struct{ m, n, k int }

func (p product) String() string { return fmt.Sprintf("%dx%dx%d", p.m, p.n, p.k) }

// gemm measures a product with packed weights.
func (l *lab) gemm(c computeType, p product) task {
	name := fmt.Sprintf("gemm/%s/%s", c.name, p)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		for _, threads := range l.threads {
			parts, _ := l.cut(c.kernel(), p, threads)
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
			emit(Result{name, threads, 2 * float64(p.m) * float64(p.n) * float64(p.k) / s / 1e9, "GFLOP/s"})
		}
		return nil
	}}
}

// minPartRows is from how many rows a thread the threads of a product share its rows, and
// all read all weights; else they share its columns.
const minPartRows = 64

// cut returns the parts of a product c that threads compute side by side.
func (l *lab) cut(t kernels.Type, p product, threads int) (parts []func(), c kernels.Mat) {
	a := kernels.NewMat(kernels.Aligned(p.m*p.k), p.m, p.k)
	b := kernels.NewMat(kernels.Aligned(p.n*p.k), p.n, p.k) // transposed, as checkpoints have it
	c = kernels.NewMat(kernels.Aligned(p.m*p.n), p.m, p.n)
	l.noise.fill(a.Data, 1)
	l.noise.fill(b.Data, 0.02)
	rows := kernels.NewRows(t.RowType(), p.m, p.k)
	l.kernels.Convert(rows, a)
	parts = make([]func(), threads)
	if p.m >= minPartRows*threads {
		packed := l.pack(t, b)
		for w := range parts {
			from, to := share(p.m, w, threads)
			var s kernels.Scratch
			parts[w] = func() { l.kernels.Mul(c.RowsOf(from, to), rows.Slice(from, to), packed, false, &s) }
		}
		return parts, c
	}
	for w := range parts {
		from, to := share(p.n, w, threads)
		packed := l.pack(t, b.RowsOf(from, to))
		var s kernels.Scratch
		parts[w] = func() { l.kernels.Mul(c.ColsOf(from, to), rows, packed, false, &s) }
	}
	return parts, c
}

func (l *lab) pack(t kernels.Type, b kernels.Mat) *kernels.Panels {
	panels := kernels.NewPanels(t, b.Cols, b.Rows)
	panels.PackTransposed(l.kernels, b, new(kernels.Scratch))
	return panels
}
