package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// panelOf is how a level multiplies rows by a panel in float32.
func panelOf(k *Kernels) func(operands) {
	switch k.simd {
	case simd512:
		return panelAVX512
	case simd256:
		return panelAVX2
	}
	return panelPortable
}

// A panelCase is a product of m rows with a panel: a [m][k] in rows, or in columns, b
// [k][32], of which n columns are wanted, and c [m][crs].
type panelCase struct {
	m, n, k, crs int
	columns, acc bool
	a, b, c      []float32
	check        func()
}

func newPanelCase(t *testing.T, rng *rand.Rand, m, n, k int) panelCase {
	p := panelCase{m: m, n: n, k: k, crs: n + rng.IntN(3), columns: rng.IntN(2) == 0, acc: rng.IntN(2) == 0}
	a, ca := guarded(t, rng, m*k)
	b, cb := guarded(t, rng, k*panelWidth)
	c, cc := guarded(t, rng, (m-1)*p.crs+n)
	p.a, p.b, p.c = a, b, c
	p.check = func() { t.Helper(); ca(); cb(); cc() }
	return p
}

func (p panelCase) String() string {
	return fmt.Sprintf("%dx%dx%d columns=%v acc=%v", p.m, p.n, p.k, p.columns, p.acc)
}

func (p panelCase) operands(c []float32) operands {
	o := operands{a: ptr(p.a, 0), ars: p.k, acs: 1, b: ptr(p.b, 0), brs: panelWidth, c: ptr(c, 0), crs: p.crs,
		m: p.m, n: p.n, k: p.k, acc: p.acc}
	if p.columns {
		o.ars, o.acs = 1, p.m
	}
	return o
}

// at is element [i,l] of a.
func (p panelCase) at(i, l int) float64 {
	if p.columns {
		return float64(p.a[l*p.m+i])
	}
	return float64(p.a[i*p.k+l])
}

// panelSizes has every height and every width, inner sizes for a few turns, and blocks.
func panelSizes() [][3]int {
	var sizes [][3]int
	for m := 1; m <= 27; m++ {
		sizes = append(sizes, [3]int{m, 1 + m*7%panelWidth, 1 + m%9})
	}
	for n := 1; n <= panelWidth; n++ {
		for m := 1; m <= 5; m++ {
			sizes = append(sizes, [3]int{m, n, 1 + (n+m)%5})
		}
	}
	return append(sizes, [3]int{12, 32, 192}, [3]int{67, 31, 65}, [3]int{64, 32, 33}, [3]int{49, 17, 100})
}

func TestPanels(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(21, 22))
		panel := panelOf(k)
		for _, s := range panelSizes() {
			p := newPanelCase(t, rng, s[0], s[1], s[2])
			before := append([]float32(nil), p.c...)
			panel(p.operands(p.c))
			for i, got := range p.c {
				want, r, j := float64(before[i]), i/p.crs, i%p.crs
				if j < p.n && !p.acc {
					want = 0
				}
				for l := 0; l < p.k && j < p.n; l++ {
					want += p.at(r, l) * float64(p.b[l*panelWidth+j])
				}
				near(t, fmt.Sprintf("%v [%d,%d]", p, r, j), got, want, 1e-5)
			}
			p.check()
		}
	})
}

// Both sets of tiles, of any height, add in one order with one rounding: their bits are
// those of the definition with fused multiply-adds.
func TestPanelsAreTheDefinition(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		if k.simd == noSIMD {
			t.Skip("Gonum rounds products before it adds them")
		}
		rng := rand.New(rand.NewPCG(23, 24))
		for _, s := range panelSizes() {
			p := newPanelCase(t, rng, s[0], s[1], s[2])
			want := append([]float32(nil), p.c...)
			for r := range p.m {
				for j := range p.n {
					sum := float32(0)
					if p.acc {
						sum = want[r*p.crs+j]
					}
					for l := range p.k {
						sum = fma32(float32(p.at(r, l)), p.b[l*panelWidth+j], sum)
					}
					want[r*p.crs+j] = sum
				}
			}
			panelOf(k)(p.operands(p.c))
			sameBits(t, p.String(), p.c, want)
		}
	})
}

// fma32 is x*y + z rounded once. The product is exact in float64; the sum, which is not,
// is rounded to odd there, so that rounding it again to float32 gives what one rounding
// gives.
func fma32(x, y, z float32) float32 {
	p, q := float64(x)*float64(y), float64(z)
	sum := p + q
	back := sum - p
	lost := (p - (sum - back)) + (q - back) // Knuth's two-sum: exactly p + q - sum
	if lost != 0 && math.Float64bits(sum)&1 == 0 {
		if (lost > 0) == (sum > 0) {
			sum = math.Float64frombits(math.Float64bits(sum) + 1)
		} else {
			sum = math.Float64frombits(math.Float64bits(sum) - 1)
		}
	}
	return float32(sum)
}

// A value that is no number reaches the elements that it is part of, and no other.
func TestPanelsOfNoNumbers(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(25, 26))
		panel := panelOf(k)
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			for m := 1; m <= 14; m++ {
				p := newPanelCase(t, rng, m, 29, 5)
				want := append([]float32(nil), p.c...)
				panel(p.operands(want))
				row, column := rng.IntN(m), rng.IntN(29)
				for l := range p.k {
					if p.columns {
						p.a[l*p.m+row] = float32(bad)
					} else {
						p.a[row*p.k+l] = float32(bad)
					}
					p.b[l*panelWidth+column] = float32(bad)
				}
				got := append([]float32(nil), p.c...)
				panel(p.operands(got))
				for i := range got {
					r, j := i/p.crs, i%p.crs
					touched := j < p.n && (r == row || j == column)
					if touched && !math.IsNaN(float64(got[i])) && !math.IsInf(float64(got[i]), 0) {
						t.Fatalf("%v [%d,%d] is %v with %v in it", p, r, j, got[i], bad)
					}
					if !touched {
						sameBits(t, fmt.Sprintf("%v [%d,%d]", p, r, j), got[i:i+1], want[i:i+1])
					}
				}
				p.check()
			}
		}
	})
}
