package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	rowTypes    = []Type{Float32, BF16}
	weightTypes = []Type{Float32, BF16, Int8}
)

// rounded returns x as the type holds it.
func rounded(t Type, x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		if t.RowType() == BF16 {
			v = fromBF16(toBF16(v))
		}
		out[i] = float64(v)
	}
	return out
}

// packed returns the weights that panels hold for w [N, K], after a look at how far they
// are from those.
func packed(t *testing.T, b *Panels, w []float32) []float64 {
	t.Helper()
	out := rounded(b.Type(), w)
	if b.Type() != Int8 {
		return out
	}
	for j := range b.N {
		scale, most, reached := float64(b.scale[j]), 0.0, false
		for l := range b.K {
			q := b.q[j/32*32*b.inner+(l/4*32+j%32)*4+l%4]
			v := float64(w[j*b.K+l])
			out[j*b.K+l] = float64(q) * scale
			if q == -128 || math.Abs(out[j*b.K+l]-v) > scale/2*(1+1e-6) {
				t.Fatalf("weight [%d,%d] = %v is stored as %d * %v", l, j, v, q, scale)
			}
			reached = reached || q == 127 || q == -127
			most = max(most, math.Abs(v))
		}
		if b.K > 0 && (!reached || math.Abs(scale*127/most-1) > 1e-6) {
			t.Fatalf("column %d: scale %v for magnitudes up to %v", j, scale, most)
		}
	}
	return out
}

// rowsOf returns the rows of a matrix as a type holds them.
func rowsOf(k *Kernels, typ Type, x []float32, n, cols int) Rows {
	r := NewRows(typ, n, cols)
	k.Convert(r, NewMat(x, n, cols))
	return r
}

// sizes meets both sides of every tile size: rows of tiles, panels, steps.
func sizes(rng *rand.Rand, all bool) [][3]int {
	var list [][3]int
	for i := range 68 {
		list = append(list, [3]int{i, rng.IntN(68), rng.IntN(68)}, [3]int{rng.IntN(68), i, rng.IntN(68)}, [3]int{rng.IntN(68), rng.IntN(68), i})
	}
	if all {
		list = append(list, [3]int{256, 33, 70}, [3]int{257, 64, 289}, [3]int{290, 31, 577}, [3]int{32, 65, 1000}, [3]int{17, 95, 608})
	}
	return list
}

func TestMul(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(1, 1))
		var s Scratch
		for _, typ := range weightTypes {
			for _, size := range sizes(rng, true) {
				m, n, kk := size[0], size[1], size[2]
				x, w := normal(rng, m*kk), normal(rng, n*kk)
				a := rowsOf(k, typ, x, m, kk)
				b, turned := NewPanels(typ, kk, n), make([]float32, kk*n)
				if rng.IntN(2) == 0 {
					b.PackTransposed(k, NewMat(w, n, kk), &s)
				} else {
					for j := range n {
						for l := range kk {
							turned[l*n+j] = w[j*kk+l]
						}
					}
					b.Pack(k, NewMat(turned, kk, n), &s)
				}
				acc := rng.IntN(2) == 0
				c, check := guarded(t, rng, m*n)
				before := append([]float32(nil), c...)
				k.Mul(NewMat(c, m, n), a, b, acc, &s)
				check()
				rows := NewRows(typ, m, n)
				k.MulRows(rows, a, b, &s)
				xs, ws := rounded(typ, x), packed(t, b, w)
				for i := range m {
					most := 0.0
					for _, v := range xs[i*kk : (i+1)*kk] {
						most = max(most, math.Abs(v))
					}
					for j := range n {
						want, size, sum := 0.0, 0.0, 0.0
						for l := range kk {
							p := xs[i*kk+l] * ws[j*kk+l]
							want += p
							size += math.Abs(p)
							sum += math.Abs(ws[j*kk+l])
						}
						tol := 1e-6 * (1 + size)
						if typ == Int8 && k.simd != noSIMD { // rows are rounded to 15 bits of their largest element
							tol += most / (2 * 127 * 128) * sum
						}
						stored := tol
						if typ != Float32 { // half of the last of 8 bits
							stored += math.Abs(want) / 256
						}
						near(t, fmt.Sprintf("%s %dx%dx%d rows[%d,%d]", typ, m, n, kk, i, j), rows.At(i, j), want, stored)
						if acc {
							want += float64(before[i*n+j])
						}
						near(t, fmt.Sprintf("%s %dx%dx%d acc %v c[%d,%d]", typ, m, n, kk, acc, i, j), c[i*n+j], want, tol)
					}
				}
			}
		}
	})
}

// A sum of products is that of its terms, and adding elsewhere than in place changes nothing.
func TestMulSum(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(8, 1))
		var s Scratch
		for _, typ := range []Type{Float32, BF16} {
			for _, size := range [][2]int{{1, 31}, {33, 64}, {257, 70}, {40, 33}} {
				m, n := size[0], size[1]
				want, got := NewMat(make([]float32, m*n), m, n), NewMat(make([]float32, m*n), m, n)
				var terms []Term
				for i, kk := range []int{7, 320, 64} {
					b := NewPanels(typ, kk, n)
					b.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s)
					terms = append(terms, Term{rowsOf(k, typ, normal(rng, m*kk), m, kk), b})
					k.Mul(want, terms[i].A, b, i > 0, &s)
				}
				k.MulSum(got, &s, terms...)
				for i, v := range got.Data {
					near(t, fmt.Sprintf("%s %v: element %d", typ, size, i), v, float64(want.Data[i]), 2e-4)
				}
				base := NewMat(normal(rng, m*n), m, n)
				k.AddMul(got, base, terms[1].A, terms[1].B, &s)
				k.Mul(base, terms[1].A, terms[1].B, true, &s)
				sameBits(t, "in place and elsewhere", got.Data, base.Data)
			}
		}
	})
}

// What a product is added to costs it one rounding, however large that is: a half is
// nothing beside 2^24, 512 of them are.
func TestAddMulRoundsOnce(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		const m, n, kk = 3, 40, 512
		var s Scratch
		for _, typ := range weightTypes {
			b := NewPanels(typ, kk, n)
			b.PackTransposed(k, NewMat(slices.Repeat([]float32{0.5}, n*kk), n, kk), &s)
			a := rowsOf(k, typ, slices.Repeat([]float32{1}, m*kk), m, kk)
			c := NewMat(slices.Repeat([]float32{1 << 24}, m*n), m, n)
			k.Mul(c, a, b, true, &s)
			for i, v := range c.Data {
				near(t, fmt.Sprintf("%s: element %d", typ, i), v, 1<<24+256, 1e-6)
			}
		}
	})
}

// A row of a result is the same bits whatever rows are computed with it.
func TestRowsAreIndependent(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(3, 1))
		var s Scratch
		for _, typ := range weightTypes {
			const m, n, kk = 300, 70, 600
			a := rowsOf(k, typ, normal(rng, m*kk), m, kk)
			b := NewPanels(typ, kk, n)
			b.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s)
			all := NewMat(make([]float32, m*n), m, n)
			k.Mul(all, a, b, false, &s)
			for range 60 {
				from := rng.IntN(m)
				rows := 1 + rng.IntN(min(70, m-from))
				part := NewMat(make([]float32, rows*n), rows, n)
				k.Mul(part, a.Slice(from, from+rows), b, false, &s)
				sameBits(t, fmt.Sprintf("%s rows %d+%d", typ, from, rows), part.Data, all.RowsOf(from, from+rows).Data)
			}
			// Columns, as threads share them.
			for from := 0; from < n; from += panelWidth {
				to := min(from+panelWidth, n)
				view := b.Columns(from, to)
				k.Mul(all.ColsOf(from, to), a, &view, false, &s)
			}
			whole := NewMat(make([]float32, m*n), m, n)
			k.Mul(whole, a, b, false, &s)
			sameBits(t, string(typ)+" by columns", all.Data, whole.Data)
		}
	})
}

func TestMulTransposed(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(4, 1))
		var s Scratch
		for _, typ := range rowTypes {
			list := append(sizes(rng, false), [3]int{257, 65, 30}, [3]int{33, 40, 513}, [3]int{40, 33, 1025})
			for _, size := range list {
				m, n, kk := size[0], size[1], size[2]
				x, y := normal(rng, kk*m), normal(rng, kk*n)
				a, b := rowsOf(k, typ, x, kk, m), rowsOf(k, typ, y, kk, n)
				acc := rng.IntN(2) == 0
				c, check := guarded(t, rng, m*n)
				before := append([]float32(nil), c...)
				k.MulTransposed(NewMat(c, m, n), a, b, acc, &s)
				check()
				xs, ys := rounded(typ, x), rounded(typ, y)
				for i := range m {
					for j := range n {
						want, size := 0.0, 0.0
						if acc {
							want = float64(before[i*n+j])
						}
						for l := range kk {
							p := xs[l*m+i] * ys[l*n+j]
							want += p
							size += math.Abs(p)
						}
						near(t, fmt.Sprintf("%s %dx%dx%d acc %v c[%d,%d]", typ, m, n, kk, acc, i, j), c[i*n+j], want, 1e-6*(1+size))
					}
				}
			}
		}
	})
}

// Far out the sigmoid is 0 or 1, and NaN stays NaN.
func TestGatedExtremes(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		nan, inf := float32(math.NaN()), float32(math.Inf(1))
		for _, typ := range rowTypes {
			g, u := make([]float32, panelWidth), make([]float32, panelWidth)
			for i := range u {
				g[i], u[i] = float32(i), 2
			}
			copy(g, []float32{-1000, -100, -81, -79, 0, 100, 1000, nan, inf, -inf})
			want := []float32{0, 0, 0, 0, 0, 200, 2000, nan, inf, 0}
			ffn := NewRows(typ, 1, panelWidth)
			k.gated(ffn, Rows{}, Rows{}, append([]float32(nil), g...), u, 0, 1, 0, panelWidth)
			for i, w := range want {
				got := ffn.At(0, i)
				switch {
				case g[i] == -inf: // times 0: whatever is not a plausible number
					if got-got == 0 && got != 0 {
						t.Errorf("%s: silu(%v)*2 = %v", typ, g[i], got)
					}
				case w != w:
					if got == got {
						t.Errorf("%s: silu(%v)*2 = %v", typ, g[i], got)
					}
				case w == inf && got == inf:
				default:
					near(t, fmt.Sprintf("%s: silu(%v)*2", typ, g[i]), got, float64(w), 1e-30+math.Abs(float64(w))/256)
				}
			}
		}
	})
}

// The gated products are the plain ones with the element-wise kernels behind them.
func TestGated(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(5, 1))
		var s Scratch
		for _, typ := range weightTypes {
			for _, size := range [][3]int{{1, 33, 20}, {15, 64, 40}, {33, 70, 33}, {259, 40, 64}, {40, 31, 300}} {
				m, n, kk := size[0], size[1], size[2]
				name := fmt.Sprintf("%s %v", typ, size)
				a := rowsOf(k, typ, normal(rng, m*kk), m, kk)
				wg, wu, wd := NewPanels(typ, kk, n), NewPanels(typ, kk, n), NewPanels(typ, kk, n)
				for _, p := range []*Panels{wg, wu, wd} {
					p.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s)
				}
				dense := func() Mat { return NewMat(make([]float32, m*n), m, n) }
				g, u := dense(), dense()
				k.Mul(g, a, wg, false, &s)
				k.Mul(u, a, wu, false, &s)
				gate, up, ffn, bare := NewRows(typ, m, n), NewRows(typ, m, n), NewRows(typ, m, n), NewRows(typ, m, n)
				k.MulGated(ffn, gate, up, a, wg, wu, &s)
				k.MulGated(bare, Rows{}, Rows{}, a, wg, wu, &s)
				want, f := NewRows(typ, m, n), dense()
				k.SiLUMul(f.Data, g.Data, u.Data)
				same := func(what string, got Rows, m Mat) {
					t.Helper()
					k.Convert(want, m)
					for i := range got.N {
						for j := range got.Cols {
							tol := 0.0
							if typ != Float32 { // tiles have a sigmoid of their own: one unit of the last bit
								tol = math.Abs(float64(want.At(i, j)))/128 + 1e-6
							}
							near(t, fmt.Sprintf("%s: %s[%d,%d]", name, what, i, j), got.At(i, j), float64(want.At(i, j)), tol)
						}
					}
				}
				same("gate", gate, g)
				same("up", up, u)
				same("ffn", ffn, f)
				same("ffn without the backward's", bare, f)

				// Backward, from the kept gate and up.
				dy := rowsOf(k, typ, normal(rng, m*kk), m, kk)
				dgate, dup, again := NewRows(typ, m, n), NewRows(typ, m, n), NewRows(typ, m, n)
				k.MulGatedGrad(dgate, dup, again, dy, wd, gate, up, &s)
				d := dense()
				k.Mul(d, dy, wd, false, &s)
				for i := range m {
					gate.Float(g.Row(i), i)
					up.Float(u.Row(i), i)
				}
				k.SiLUMul(f.Data, g.Data, u.Data)
				same("ffn again", again, f)
				k.SiLUMulGrad(g.Data, u.Data, g.Data, u.Data, d.Data)
				same("dgate", dgate, g)
				same("dup", dup, u)
			}
		}
	})
}

func TestEmptyProducts(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		var s Scratch
		for _, typ := range weightTypes {
			for _, size := range [][3]int{{0, 4, 4}, {4, 0, 4}, {4, 4, 0}, {0, 0, 0}} {
				m, n, kk := size[0], size[1], size[2]
				c := NewMat(make([]float32, m*n), m, n)
				for i := range c.Data {
					c.Data[i] = 7
				}
				a, b := NewRows(typ, m, kk), NewPanels(typ, kk, n)
				b.Pack(k, NewMat(make([]float32, kk*n), kk, n), &s)
				k.Mul(c, a, b, true, &s)
				k.MulTransposed(c, NewRows(typ, kk, m), NewRows(typ, kk, n), true, &s)
				for _, v := range c.Data {
					if v != 7 {
						t.Fatalf("%s %v: adding nothing gives %v", typ, size, v)
					}
				}
				k.Mul(c, a, b, false, &s)
				for _, v := range c.Data {
					if v != 0 {
						t.Fatalf("%s %v: a sum over nothing is %v", typ, size, v)
					}
				}
			}
		}
	})
}

// A NaN or an infinity in a row stays in that row, and in one of a column in that column.
func TestProductsWithNaN(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(6, 1))
		var s Scratch
		for _, typ := range weightTypes {
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
				const m, n, kk = 35, 67, 40
				x, w := normal(rng, m*kk), normal(rng, n*kk)
				x[17*kk+5], w[66*kk+39] = bad, bad
				b := NewPanels(typ, kk, n)
				b.PackTransposed(k, NewMat(w, n, kk), &s)
				c := NewMat(make([]float32, m*n), m, n)
				k.Mul(c, rowsOf(k, typ, x, m, kk), b, false, &s)
				for i := range m {
					for j := range n {
						finite := !math.IsNaN(float64(c.Row(i)[j])) && !math.IsInf(float64(c.Row(i)[j]), 0)
						if finite != (i != 17 && j != 66) {
							t.Fatalf("%s, %v at row 17 and column 66: c[%d,%d] = %v", typ, bad, i, j, c.Row(i)[j])
						}
					}
				}
			}
		}
	})
}

func TestBF16(t *testing.T) {
	inf := float32(math.Inf(1))
	for f, want := range map[float32]uint16{
		0: 0, 1: 0x3f80, -2: 0xc000, inf: 0x7f80, -inf: 0xff80,
		1 + 1.0/256: 0x3f80, 1 + 3.0/256: 0x3f82, 1 + 1.0/256 + 1e-6: 0x3f81, // ties to even
		math.MaxFloat32: 0x7f80, 1e-40: 0, -1e-40: 0x8000, math.SmallestNonzeroFloat32: 0,
	} {
		if got := toBF16(f); got != want {
			t.Errorf("bf16(%v) = %#x, want %#x", f, got, want)
		}
	}
	if got := fromBF16(toBF16(float32(math.NaN()))); got == got {
		t.Errorf("NaN becomes %v", got)
	}
	// The instructions round alike.
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(7, 1))
		for n := range 68 {
			x, w := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i], w[i] = math.Float32frombits(rng.Uint32()), 1
			}
			for what, f := range map[string]func(dst []uint16){
				"convert": func(dst []uint16) { k.toBF16Row(dst, x) },
				"scale":   func(dst []uint16) { k.scaleMulBF16(dst, x, w, 1) },
			} {
				dst := make([]uint16, roundUp(n, 32)+32)
				for i := range dst {
					dst[i] = 0xabcd
				}
				f(dst[:roundUp(n, 32)])
				for i, got := range dst {
					want := uint16(0)
					switch {
					case i >= roundUp(n, 32):
						want = 0xabcd
					case i < n:
						want = toBF16(x[i])
					}
					if got != want && !(i < n && x[i] != x[i]) {
						t.Fatalf("%s: element %d of %d: bf16(%v) = %#x, want %#x", what, i, n, x[i], got, want)
					}
				}
			}
		}
	})
}

func TestTypeNames(t *testing.T) {
	for _, c := range []struct {
		what string
		got  Type
		want Type
	}{{"rows", NewRows(BF16, 2, 3).Type(), BF16}, {"rows", NewRows(Float32, 2, 3).Type(), Float32}, {"panels", NewPanels(BF16, 2, 3).Type(), BF16}} {
		if c.got != c.want {
			t.Errorf("%s are %s, want %s", c.what, c.got, c.want)
		}
	}
}
