package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A vectorOp is a vector kernel as the tests see it. Its vectors are what it writes, then
// what it only reads.
type vectorOp struct {
	name string
	vecs int   // vectors
	outs int   // how many of them, the first ones, are written
	same []int // pairs of vectors that may be one: written, read
	run  func(k *Kernels, v [][]float32) float32
	// want gives the written elements for the elements before the call, which it may
	// overwrite, and what the element adds to the sum that run returns.
	want func(v []float64) float64
}

var adamStep = AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: 0.1, Step: 3, GradScale: 0.5}

func vectorOps() []vectorOp {
	silu := func(g float64) float64 { return g / (1 + math.Exp(-g)) }
	return []vectorOp{
		{name: "ExpSum", vecs: 2, outs: 1, same: []int{0, 1},
			run:  func(k *Kernels, v [][]float32) float32 { return k.ExpSum(v[0], v[1], 0.5) },
			want: func(v []float64) float64 { v[0] = math.Exp(v[1] - 0.5); return v[0] }},
		{name: "Dot", vecs: 2,
			run:  func(k *Kernels, v [][]float32) float32 { return k.Dot(v[0], v[1]) },
			want: func(v []float64) float64 { return v[0] * v[1] }},
		{name: "Axpy", vecs: 2, outs: 1,
			run:  func(k *Kernels, v [][]float32) float32 { k.Axpy(v[0], v[1], 0.7); return 0 },
			want: func(v []float64) float64 { v[0] += 0.7 * v[1]; return 0 }},
		{name: "ScaleMul", vecs: 3, outs: 1, same: []int{0, 1, 0, 2},
			run:  func(k *Kernels, v [][]float32) float32 { k.ScaleMul(v[0], v[1], v[2], 0.3); return 0 },
			want: func(v []float64) float64 { v[0] = v[1] * 0.3 * v[2]; return 0 }},
		{name: "MulAdd", vecs: 3, outs: 1,
			run:  func(k *Kernels, v [][]float32) float32 { k.MulAdd(v[0], v[1], v[2], 1.3); return 0 },
			want: func(v []float64) float64 { v[0] += v[1] * 1.3 * v[2]; return 0 }},
		{name: "Scale", vecs: 1, outs: 1,
			run:  func(k *Kernels, v [][]float32) float32 { k.Scale(v[0], -2); return 0 },
			want: func(v []float64) float64 { v[0] *= -2; return 0 }},
		{name: "SiLUMul", vecs: 3, outs: 1, same: []int{0, 1, 0, 2},
			run:  func(k *Kernels, v [][]float32) float32 { k.SiLUMul(v[0], v[1], v[2]); return 0 },
			want: func(v []float64) float64 { v[0] = silu(v[1]) * v[2]; return 0 }},
		{name: "SiLUMulGrad", vecs: 5, outs: 2, same: []int{0, 2, 0, 4, 1, 3},
			run: func(k *Kernels, v [][]float32) float32 { k.SiLUMulGrad(v[0], v[1], v[2], v[3], v[4]); return 0 },
			want: func(v []float64) float64 {
				g, u, d := v[2], v[3], v[4]
				s := 1 / (1 + math.Exp(-g))
				v[0], v[1] = d*u*s*(1+g*(1-s)), d*(g*s)
				return 0
			}},
		{name: "softmaxGrad", vecs: 3, outs: 1, same: []int{0, 2},
			run:  func(k *Kernels, v [][]float32) float32 { k.softmaxGrad(v[0], v[1], v[2], 0.25); return 0 },
			want: func(v []float64) float64 { v[0] = v[1] * (v[2] - 0.25); return 0 }},
		{name: "Rotate", vecs: 4, outs: 2,
			run:  func(k *Kernels, v [][]float32) float32 { k.Rotate(v[0], v[1], v[2], v[3], -1); return 0 },
			want: func(v []float64) float64 { v[0], v[1] = v[0]*v[2]+v[1]*v[3], v[1]*v[2]-v[0]*v[3]; return 0 }},
		{name: "AdamW", vecs: 4, outs: 3,
			run: func(k *Kernels, v [][]float32) float32 { k.Update(v[0], v[1], v[2], v[3], adamStep); return 0 },
			want: func(v []float64) float64 {
				a := adamStep
				g := v[3] * a.GradScale
				v[1] = a.Beta1*v[1] + (1-a.Beta1)*g
				v[2] = a.Beta2*v[2] + (1-a.Beta2)*g*g
				v[0] = v[0]*(1-a.LR*a.Decay) -
					a.LR/(1-math.Pow(a.Beta1, 3))*v[1]/(math.Sqrt(v[2])/math.Sqrt(1-math.Pow(a.Beta2, 3))+a.Eps)
				return 0
			}},
	}
}

// data returns the operation's vectors of n numbers, fenced, and a check of what lies
// around them.
func (op vectorOp) data(t *testing.T, rng *rand.Rand, n int) (v [][]float32, check func()) {
	var checks []func()
	for range op.vecs {
		x, c := guarded(t, rng, n)
		v, checks = append(v, x), append(checks, c)
	}
	if op.name == "AdamW" {
		for i, x := range v[2] { // a mean of squares
			v[2][i] = x * x
		}
	}
	return v, func() {
		t.Helper()
		for _, c := range checks {
			c()
		}
	}
}

func clones(v [][]float32) [][]float32 {
	c := make([][]float32, len(v))
	for i := range v {
		c[i] = slices.Clone(v[i])
	}
	return c
}

// checkVectors compares vectors after a call, and what it returned, with the loop in
// float64 over the vectors before.
func (op vectorOp) checkVectors(t *testing.T, before, after [][]float32, got float32) {
	t.Helper()
	var sum, abs float64
	x := make([]float64, op.vecs)
	tol := 3e-6
	if op.name == "AdamW" {
		tol = 1e-6
	}
	for i := range after[0] {
		for j := range x {
			x[j] = float64(before[j][i])
		}
		s := op.want(x)
		sum += s
		abs += math.Abs(s)
		for j := range after {
			if j < op.outs {
				near(t, fmt.Sprintf("%s of %d, vector %d [%d]", op.name, len(after[0]), j, i), after[j][i], x[j], tol)
			} else if math.Float32bits(after[j][i]) != math.Float32bits(before[j][i]) {
				t.Fatalf("%s of %d wrote to what it reads, vector %d [%d]", op.name, len(after[0]), j, i)
			}
		}
	}
	near(t, fmt.Sprintf("%s of %d", op.name, len(after[0])), got, sum, 1e-6*(1+abs))
}

// lengths are all that a loop and its tail can meet, and some for several turns.
func lengths() []int {
	var l []int
	for n := range 68 {
		l = append(l, n)
	}
	return append(l, 127, 128, 129, 255, 268, 1031)
}

func TestVectors(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, op := range vectorOps() {
			for _, n := range lengths() {
				v, check := op.data(t, rng, n)
				before := clones(v)
				got := op.run(k, v)
				op.checkVectors(t, before, v, got)
				check()
			}
		}
	})
}

// Arguments that may be one vector give the bits that two give.
func TestVectorsInPlace(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, op := range vectorOps() {
			for _, n := range []int{1, 8, 15, 37, 67, 200} {
				for s := 0; s < len(op.same); s += 2 {
					to, from := op.same[s], op.same[s+1]
					v, check := op.data(t, rng, n)
					want := clones(v)
					sum := op.run(k, want)
					v[to] = v[from]
					got := op.run(k, v)
					what := fmt.Sprintf("%s of %d with vector %d in %d", op.name, n, to, from)
					for j := range op.outs {
						sameBits(t, what, v[j], want[j])
					}
					sameBits(t, what, []float32{got}, []float32{sum})
					check()
				}
			}
		}
	})
}

// A value that is no number stays in its lane, and is there what the loop in float64
// makes of it.
func TestVectorsOfNoNumbers(t *testing.T) {
	bad := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, op := range vectorOps() {
			for _, n := range []int{1, 7, 21, 67} {
				for _, x := range bad {
					for j := range op.vecs {
						v, check := op.data(t, rng, n)
						i := rng.IntN(n)
						v[j][i] = x
						before := clones(v)
						got := op.run(k, v)
						op.checkVectors(t, before, v, got)
						check()
					}
				}
			}
		}
	})
}

// The levels with fused multiply-adds give equal bits: they add in the same order.
func TestVectorsAgree(t *testing.T) {
	levels := slices.DeleteFunc(Levels(), func(l Level) bool { return l == Portable })
	if len(levels) < 2 {
		t.Skip("this machine offers one level of assembly")
	}
	best := Best()
	rng := rand.New(rand.NewPCG(11, 12))
	for _, level := range levels[1:] {
		k, err := Open(level)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range append(vectorOps(), vectorOp{name: "Max", vecs: 1, run: func(k *Kernels, v [][]float32) float32 {
			if len(v[0]) == 0 {
				return 0
			}
			return k.Max(v[0])
		}}) {
			for _, n := range lengths() {
				v, _ := op.data(t, rng, n)
				if op.name == "ExpSum" {
					for i := range v[1] { // over the whole range, below the normal one too
						v[1][i] *= 50
					}
				}
				w := clones(v)
				got, want := op.run(k, v), op.run(best, w)
				what := fmt.Sprintf("%s of %d on %s", op.name, n, level)
				sameBits(t, what, []float32{got}, []float32{want})
				for j := range op.outs {
					sameBits(t, what, v[j], w[j])
				}
			}
		}
	}
}

func TestMax(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, n := range lengths()[1:] {
			for _, largest := range []int{0, n / 2, n - 1} {
				x, check := guarded(t, rng, n)
				x[largest] = 100
				if got := k.Max(x); got != 100 {
					t.Fatalf("of %d with the largest at %d: %v", n, largest, got)
				}
				for i := range x {
					x[i] = float32(math.Inf(-1))
				}
				x[largest] = -1e30
				if got := k.Max(x); got != -1e30 {
					t.Fatalf("of %d with one finite at %d: %v", n, largest, got)
				}
				check()
			}
		}
	})
}

func TestExpExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	in := []float32{0, -0.5, 1e-7, 88, 88.7, -87, -88, -95.5, -103, -104, -200, -inf, 89, inf, nan}
	eachLevel(t, func(t *testing.T, k *Kernels) {
		out := make([]float32, len(in))
		k.ExpSum(out, in, 0)
		for i, x := range in {
			want := math.Exp(float64(x))
			switch got := float64(out[i]); {
			case math.IsNaN(want):
				if !math.IsNaN(got) {
					t.Errorf("exp(NaN) = %v", got)
				}
			case want > math.MaxFloat32:
				if !math.IsInf(got, 1) {
					t.Errorf("exp(%v) = %v, want +Inf", x, got)
				}
			case math.Abs(got-want) > 4e-7*want+2e-45:
				t.Errorf("exp(%v) = %v, want %v", x, got, want)
			}
		}
	})
}
