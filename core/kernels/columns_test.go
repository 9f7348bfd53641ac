package kernels

import (
	"math/rand/v2"
	"testing"
)

// Rows that hold their integers give the products that they give without, whole and in
// parts, and not those of the rows that were there before.
func TestHeldIntegers(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(3, 4))
		var s Scratch
		var held Rows
		for range 60 {
			m, n, kk := 1+rng.IntN(70), 1+rng.IntN(100), 1+rng.IntN(150)
			plain := rowsOf(k, Int8, normal(rng, m*kk), m, kk)
			held.Resize(Int8, m, kk)
			for i := range m {
				held.CopyPart(i, plain, i, 0, kk)
			}
			if rng.IntN(4) > 0 {
				k.HoldIntegers(&held)
				for from := 0; from < m; {
					to := min(from+1+rng.IntN(20), m)
					k.Quantize(held.Slice(from, to))
					from = to
				}
			}
			b := NewPanels(Int8, kk, n)
			b.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s)
			for range 4 {
				from := rng.IntN(m)
				to := from + 1 + rng.IntN(m-from)
				if rng.IntN(2) == 0 {
					from, to = from&^15, m
				}
				want, got := NewMat(make([]float32, (to-from)*n), to-from, n), NewMat(make([]float32, (to-from)*n), to-from, n)
				k.Mul(want, plain.Slice(from, to), b, false, &s)
				k.Mul(got, held.Slice(from, to), b, false, &s)
				for i, w := range want.Data {
					if got.Data[i] != w {
						t.Fatalf("%dx%dx%d, rows %d to %d: element %d is %v, want %v", m, n, kk, from, to, i, got.Data[i], w)
					}
				}
			}
		}
	})
}

// What is asked for behind a product's last panel changes nothing.
func TestBefore(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(3, 5))
		var s Scratch
		for _, typ := range weightTypes {
			for range 20 {
				m, n, kk := 1+rng.IntN(150), 1+rng.IntN(100), 1+rng.IntN(700)
				a := rowsOf(k, typ, normal(rng, m*kk), m, kk)
				b, next := NewPanels(typ, kk, n), NewPanels(typ, 1+rng.IntN(100), 1+rng.IntN(100))
				b.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s)
				want, got := NewRows(typ, m, n), NewRows(typ, m, n)
				k.MulRows(want, a, b, &s)
				part := b.Before(next, next.Count()-1)
				k.MulRows(got, a, &part, &s)
				for i := range m {
					for j := range n {
						if w, g := want.At(i, j), got.At(i, j); g != w {
							t.Fatalf("%s %dx%dx%d: element %d,%d is %v, want %v", typ, m, n, kk, i, j, g, w)
						}
					}
				}
			}
		}
	})
}

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
