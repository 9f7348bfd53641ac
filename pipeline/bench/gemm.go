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
			parts, _ := l.cut(p, threads)
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
func (l *lab) cut(p product, threads int) (parts []func(), c kernels.Mat) {
	a := kernels.NewMat(kernels.Aligned(p.m*p.k), p.m, p.k)
	b := kernels.NewMat(kernels.Aligned(p.n*p.k), p.n, p.k) // transposed, as checkpoints have it
	c = kernels.NewMat(kernels.Aligned(p.m*p.n), p.m, p.n)
	l.noise.fill(a.Data, 1)
	l.noise.fill(b.Data, 0.02)
	parts = make([]func(), threads)
	if p.m >= minPartRows*threads {
		packed := pack(b)
		for w := range parts {
			from, to := share(p.m, w, threads)
			parts[w] = func() { l.kernels.MulPacked(c.RowsOf(from, to), a.RowsOf(from, to), packed, false) }
		}
		return parts, c
	}
	for w := range parts {
		from, to := share(p.n, w, threads)
		packed := pack(b.RowsOf(from, to))
		columns := kernels.Mat{Data: c.Data[from:], Rows: p.m, Cols: to - from, Stride: p.n}
		parts[w] = func() { l.kernels.MulPacked(columns, a, packed, false) }
	}
	return parts, c
}

func pack(b kernels.Mat) *kernels.Panels {
	panels := kernels.NewPanels(b.Cols, b.Rows)
	panels.PackTransposed(b)
	return panels
}
