package kernels

import (
	"math/rand/v2"
	"testing"
)

// Products by columns, a few panels each, are the product.
func TestColumns(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(3, 3))
		var s Scratch
		for _, typ := range weightTypes {
			for range 20 {
				m, n, kk := 1+rng.IntN(40), 1+rng.IntN(300), 1+rng.IntN(70)
				a := rowsOf(k, typ, normal(rng, m*kk), m, kk)
				b := NewPanels(typ, kk, n)
				b.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s)
				want, got := NewRows(typ, m, n), NewRows(typ, m, n)
				k.MulRows(want, a, b, &s)
				for from := 0; from < b.Count(); {
					to := min(from+1+rng.IntN(4), b.Count())
					part, c0, c1 := b.ColumnsOf(from, to)
					k.MulRows(got.ColsOf(c0, c1), a, &part, &s)
					from = to
				}
				turned := NewRows(typ, m, n)
				for i := range m {
					cut := rng.IntN(n + 1)
					turned.CopyPart(m-1-i, got, i, 0, cut)
					turned.CopyPart(m-1-i, got, i, cut, n)
				}
				for i := range m {
					for j := range n {
						if w, g, c := want.At(i, j), got.At(i, j), turned.At(m-1-i, j); g != w || c != w {
							t.Fatalf("%s %dx%dx%d: element %d,%d is %v by columns, %v copied, want %v", typ, m, n, kk, i, j, g, c, w)
						}
					}
				}
			}
		}
	})
}
