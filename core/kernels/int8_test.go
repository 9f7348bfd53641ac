package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// How far int8 is from the product with the weights it was made from: for normally
// distributed weights less than 1 % of the result's spread, and next to nothing of it is
// the rows' share.
func TestInt8Error(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(11, 1))
		var s Scratch
		const m, n, kk = 20, 64, 576
		x, w := normal(rng, m*kk), normal(rng, n*kk)
		b := NewPanels(Int8, kk, n)
		b.PackTransposed(k, NewMat(w, n, kk), &s)
		c := NewMat(make([]float32, m*n), m, n)
		k.Mul(c, rowsOf(k, Int8, x, m, kk), b, false, &s)
		xs, ws := rounded(Int8, x), packed(t, b, w)
		var exact, weights, rows float64 // sums of squares
		for i := range m {
			for j := range n {
				var full, quantized float64
				for l := range kk {
					full += xs[i*kk+l] * float64(w[j*kk+l])
					quantized += xs[i*kk+l] * ws[j*kk+l]
				}
				got := float64(c.Row(i)[j])
				exact += full * full
				weights += (got - full) * (got - full)
				rows += (got - quantized) * (got - quantized)
			}
		}
		byWeights, byRows := math.Sqrt(weights/exact), math.Sqrt(rows/exact)
		t.Logf("relative error %.2g, by the rows' rounding alone %.2g", byWeights, byRows)
		if byWeights > 1e-2 || byRows > 1e-4 {
			t.Errorf("relative error %.2g, by the rows' rounding alone %.2g; want at most 1e-2 and 1e-4", byWeights, byRows)
		}
	})
}

// Every number of the planes is what the text says, at all magnitudes and for the values
// where rounding and carrying turn over.
func TestPlanes(t *testing.T) {
	k := Best()
	if !k.tiles {
		t.Skip("rows are split into planes for tiles alone, which this machine does not have")
	}
	rng := rand.New(rand.NewPCG(12, 1))
	var s Scratch
	for cols := 1; cols < 200; cols++ {
		const n = 19
		x := normal(rng, n*cols)
		for i := range x {
			x[i] *= float32(math.Ldexp(1, rng.IntN(220)-100+rng.IntN(2)*rng.IntN(20)))
			if i/cols < 2 { // of one sign and magnitude
				x[i] = float32(1 - 2*(i/cols))
			}
			if i/cols == 2 {
				x[i] = 0
			}
		}
		a := rowsOf(k, BF16, x, n, cols)
		inner := roundUp(cols, 64)
		p := newPlanes(n, inner, &s.planes, &s.rowScale)
		k.toPlanes(p, 0, a, inner)
		for i := range n {
			most := 0.0
			for j := range cols {
				most = max(most, math.Abs(float64(a.At(i, j))))
			}
			if scale := float64(p.scale[i]); math.Abs(scale*127*128-most) > 1e-6*most {
				t.Fatalf("row %d: scale %v for magnitudes up to %v", i, scale, most)
			}
			for j := range inner {
				hi, lo := p.row(i, 0)[j], p.row(i, 1)[j]
				want := 0.0
				if j < cols && most > 0 {
					want = float64(a.At(i, j)) / most * 127 * 128
				}
				if got := 128*float64(hi) + float64(lo); hi < -127 || lo < -64 || lo > 63 || math.Abs(got-want) > 0.5+1e-2 {
					t.Fatalf("element %d of %d in row %d: 128*%d + %d, want %v", j, cols, i, hi, lo, want)
				}
			}
		}
	}
}

// The longest sums of the largest numbers fit.
func TestInt8DoesNotOverflow(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		const m, n = 2, 3
		var s Scratch
		w, x := NewMat(make([]float32, n*int8MaxK), n, int8MaxK), NewMat(make([]float32, m*int8MaxK), m, int8MaxK)
		for i := range w.Data {
			w.Data[i] = -1
		}
		for i := range x.Data {
			x.Data[i] = 1
		}
		a, b := NewRows(Int8, m, int8MaxK), NewPanels(Int8, int8MaxK, n)
		k.Convert(a, x)
		b.PackTransposed(k, w, &s)
		c := NewMat(make([]float32, m*n), m, n)
		k.Mul(c, a, b, false, &s)
		for _, v := range c.Data {
			near(t, "a sum of -1", v, -int8MaxK, 1e-5)
		}
		defer func() {
			if recover() == nil {
				t.Error("one more inner index is not refused")
			}
		}()
		NewPanels(Int8, int8MaxK+1, 1)
	})
}

// A row or column with an infinity is no plausible number, whatever else is zero; next to
// nothing is zero; and the largest and smallest magnitudes that count keep their precision.
func TestInt8Extremes(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		const n, kk = 3, 70
		var s Scratch
		row := func(v float32) []float32 {
			x := make([]float32, kk)
			x[69] = v
			return x
		}
		inf := float32(math.Inf(1))
		product := func(x, w []float32) float32 {
			a, b := rowsOf(k, Int8, x, 1, kk), NewPanels(Int8, kk, n)
			all := make([]float32, n*kk)
			copy(all[kk:], w) // the middle column
			b.PackTransposed(k, NewMat(all, n, kk), &s)
			c := make([]float32, n)
			k.Mul(NewMat(c, 1, n), a, b, false, &s)
			if x[69] == x[69] && x[69]-x[69] == 0 && (c[0] != 0 || c[2] != 0) {
				t.Errorf("%v times columns of zeros is %v", x[69], c)
			}
			return c[1]
		}
		for _, v := range []float32{inf, -inf, float32(math.NaN())} {
			for what, got := range map[string]float32{
				"row with it":                   product(row(v), row(1)),
				"column with it":                product(row(1), row(v)),
				"column with it, row of zeros":  product(row(0), row(v)),
				"row with it, a weight of zero": product(row(v), append([]float32{1}, make([]float32, kk-1)...)),
			} {
				if got-got == 0 && !(what == "row with it, a weight of zero" && k.simd == noSIMD) { // see KERNELS.md on Gonum
					t.Errorf("%v in a %s: %v", v, what, got)
				}
			}
		}
		for _, v := range []float32{1, -3, 0x1p-90, 0x1.8p+100} {
			near(t, fmt.Sprint(v, " times 1"), product(row(v), row(1)), float64(v), 1e-6*math.Abs(float64(v)))
			near(t, fmt.Sprint("1 times ", v), product(row(1), row(v)), float64(v), 1e-6*math.Abs(float64(v)))
		}
		for _, v := range []float32{0x1p-101, 0x1p-120} {
			if got := product(row(1), row(v)); got != 0 {
				t.Errorf("1 times %v is %v, want 0", v, got)
			}
		}
	})
}
