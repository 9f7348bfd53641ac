package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

// eachLevel runs a test on every level of this machine.
func eachLevel(t *testing.T, f func(t *testing.T, k *Kernels)) {
	t.Helper()
	for _, level := range Levels() {
		k, err := Open(level)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(level), func(t *testing.T) { f(t, k) })
	}
}

const guard = 37 // floats around every buffer; odd, so that nothing is aligned by luck

// guarded returns n random floats with guard zones around them and a check of the zones.
func guarded(t *testing.T, rng *rand.Rand, n int) (data []float32, check func()) {
	t.Helper()
	buf := make([]float32, n+2*guard)
	for i := range buf {
		buf[i] = float32(rng.NormFloat64())
	}
	before := append([]float32(nil), buf...)
	return buf[guard : guard+n : guard+n], func() {
		t.Helper()
		for i := range buf {
			if (i < guard || i >= guard+n) && math.Float32bits(buf[i]) != math.Float32bits(before[i]) {
				t.Fatalf("guard zone overwritten at %d of %d", i-guard, n)
			}
		}
	}
}

func near(t *testing.T, what string, got float32, want, tol float64) {
	t.Helper()
	if math.IsNaN(float64(got)) != math.IsNaN(want) || math.Abs(float64(got)-want) > tol*(1+math.Abs(want)) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func TestProducts(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(1, 2))
		sizes := []int{0, 1, 2, 3, 5, 7, 8, 11, 12, 13, 16, 23, 25, 31, 32, 33, 37, 48, 63, 64, 65, 67}
		for range 150 {
			m, n := sizes[rng.IntN(len(sizes))], sizes[rng.IntN(len(sizes))]
			kk := append(sizes, 191, 192, 193, 400)[rng.IntN(len(sizes)+4)]
			for _, acc := range []bool{false, true} {
				for _, form := range []string{"packed", "plain", "transposed"} {
					checkProduct(t, rng, k, form, m, n, kk, acc)
				}
			}
		}
	})
}

func checkProduct(t *testing.T, rng *rand.Rand, k *Kernels, form string, m, n, kk int, acc bool) {
	t.Helper()
	name := fmt.Sprintf("%s %dx%dx%d acc=%v", form, m, n, kk, acc)
	a, ca := guarded(t, rng, m*kk)
	b, cb := guarded(t, rng, kk*n)
	const pad = 3 // stride beyond the columns of c must not be touched
	c, cc := guarded(t, rng, m*(n+pad))
	before := append([]float32(nil), c...)
	cm := Mat{c, m, n, n + pad}
	at := func(i, l int) float64 { return float64(a[i*kk+l]) }
	bt := func(l, j int) float64 { return float64(b[l*n+j]) }
	switch form {
	case "packed":
		p := NewPanels(kk, n)
		p.PackTransposed(NewMat(b, n, kk)) // b holds the transpose here
		bt = func(l, j int) float64 { return float64(b[j*kk+l]) }
		k.MulPacked(cm, NewMat(a, m, kk), p, acc)
	case "plain":
		k.Mul(cm, NewMat(a, m, kk), NewMat(b, kk, n), acc)
	case "transposed":
		at = func(i, l int) float64 { return float64(a[l*m+i]) }
		k.MulTransposed(cm, NewMat(a, kk, m), NewMat(b, kk, n), acc)
	}
	for i := range m {
		for j := range n + pad {
			want, got := float64(before[i*(n+pad)+j]), c[i*(n+pad)+j]
			if j < n {
				if !acc {
					want = 0
				}
				for l := range kk {
					want += at(i, l) * bt(l, j)
				}
			}
			near(t, fmt.Sprintf("%s [%d,%d]", name, i, j), got, want, 2e-5)
		}
	}
	ca()
	cb()
	cc()
}

// Products of operands without memory, as batches without rows have them.
func TestEmptyProducts(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		const m, n = 13, 35
		for _, acc := range []bool{false, true} {
			for form, mul := range map[string]func(c Mat){
				"packed":     func(c Mat) { k.MulPacked(c, Mat{Rows: m}, NewPanels(0, n), acc) },
				"plain":      func(c Mat) { k.Mul(c, Mat{Rows: m}, Mat{Cols: n, Stride: n}, acc) },
				"transposed": func(c Mat) { k.MulTransposed(c, Mat{Cols: m, Stride: m}, Mat{Cols: n, Stride: n}, acc) },
			} {
				c := NewMat(normal(rand.New(rand.NewPCG(1, 1)), m*n), m, n)
				want := append([]float32(nil), c.Data...)
				if !acc {
					clear(want)
				}
				mul(c)
				sameBits(t, form, c.Data, want)
			}
		}
		k.MulPacked(Mat{Cols: n, Stride: n}, Mat{Cols: 4, Stride: 4}, NewPanels(4, n), true)
		k.Mul(Mat{Rows: m}, NewMat(make([]float32, m*4), m, 4), Mat{Rows: 4}, false)
	})
}

// The bits of a row must not depend on the rows beside it.
func TestRowsAreIndependent(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(3, 4))
		const m, n, kk = 70, 45, 250
		a, b := NewMat(normal(rng, m*kk), m, kk), NewMat(normal(rng, kk*n), kk, n)
		p := NewPanels(kk, n)
		p.PackTransposed(NewMat(b.Data, n, kk))
		packed, plain := NewMat(make([]float32, m*n), m, n), NewMat(make([]float32, m*n), m, n)
		k.MulPacked(packed, a, p, false)
		k.Mul(plain, a, b, false)
		for rows := 1; rows <= m; rows++ {
			from := rng.IntN(m - rows + 1)
			got := NewMat(make([]float32, rows*n), rows, n)
			k.MulPacked(got, a.RowsOf(from, from+rows), p, false)
			sameBits(t, "MulPacked", got.Data, packed.RowsOf(from, from+rows).Data)
			k.Mul(got, a.RowsOf(from, from+rows), b, false)
			sameBits(t, "Mul", got.Data, plain.RowsOf(from, from+rows).Data)
		}
	})
}

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %v, want the bits of %v", what, i, got[i], want[i])
		}
	}
}

func silu64(g float64) float64 { return g / (1 + math.Exp(-g)) }

// Every vector kernel, at all sizes 0 to 67 and some larger, against float64.
func TestVectors(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(5, 6))
		for n := range 70 {
			if n >= 68 {
				n = 200 + n
			}
			x, cx := guarded(t, rng, n)
			y, cy := guarded(t, rng, n)
			w, cw := guarded(t, rng, n)
			d, cd := guarded(t, rng, n)
			e, ce := guarded(t, rng, n)
			d0 := append([]float32(nil), d...)
			check := func(op string, got []float32, want func(i int) float64) {
				t.Helper()
				for i := range got {
					near(t, fmt.Sprintf("%s n=%d i=%d", op, n, i), got[i], want(i), 3e-6)
				}
				for _, c := range []func(){cx, cy, cw, cd, ce} {
					c()
				}
				copy(d, d0)
			}
			f := func(s []float32, i int) float64 { return float64(s[i]) }

			var dot, abs float64
			for i := range x {
				dot += f(x, i) * f(y, i)
				abs += math.Abs(f(x, i) * f(y, i))
			}
			near(t, "Dot", k.Dot(x, y), dot, 1e-6*(1+abs))
			k.Axpy(d, x, 0.7)
			check("Axpy", d, func(i int) float64 { return f(d0, i) + 0.7*f(x, i) })
			k.ScaleMul(d, x, w, 0.3)
			check("ScaleMul", d, func(i int) float64 { return f(x, i) * 0.3 * f(w, i) })
			k.MulAdd(d, x, y, 1.3)
			check("MulAdd", d, func(i int) float64 { return f(d0, i) + f(x, i)*1.3*f(y, i) })
			k.Scale(d, -2)
			check("Scale", d, func(i int) float64 { return -2 * f(d0, i) })
			k.SiLUMul(d, x, y)
			check("SiLUMul", d, func(i int) float64 { return silu64(f(x, i)) * f(y, i) })
			k.softmaxGrad(d, x, y, 0.25)
			check("softmaxGrad", d, func(i int) float64 { return f(x, i) * (f(y, i) - 0.25) })

			k.SiLUMulGrad(d, e, x, y, w)
			for i := range e {
				near(t, "SiLUMulGrad up", e[i], f(w, i)*silu64(f(x, i)), 3e-6)
			}
			check("SiLUMulGrad gate", d, func(i int) float64 {
				s := 1 / (1 + math.Exp(-f(x, i)))
				return f(w, i) * f(y, i) * s * (1 + f(x, i)*(1-s))
			})

			copy(e, x)
			k.Rotate(d, e, y, w, -1)
			for i := range e {
				near(t, "Rotate b", e[i], f(x, i)*f(y, i)-f(d0, i)*f(w, i), 3e-6)
			}
			check("Rotate a", d, func(i int) float64 { return f(d0, i)*f(y, i) + f(x, i)*f(w, i) })

			if n == 0 {
				continue
			}
			largest := x[0]
			for _, v := range x {
				largest = max(largest, v)
			}
			if got := k.Max(x); got != largest {
				t.Fatalf("Max n=%d: got %v, want %v", n, got, largest)
			}
			got := k.ExpSum(d, x, largest)
			var sum float64
			for i := range x {
				sum += math.Exp(f(x, i) - float64(largest))
			}
			near(t, "ExpSum", got, sum, 1e-6)
			check("ExpSum", d, func(i int) float64 { return math.Exp(f(x, i) - float64(largest)) })
		}
	})
}

func TestExpExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	in := []float32{0, -0.5, 1e-7, 88, -87, -103, -104, -200, -inf, 89, inf, nan}
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

func TestAdamW(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(7, 8))
		a := AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: 0.1, Step: 3, GradScale: 0.5}
		for n := range 68 {
			w, cw := guarded(t, rng, n)
			m, cm := guarded(t, rng, n)
			v, cv := guarded(t, rng, n)
			g, cg := guarded(t, rng, n)
			for i := range v {
				v[i] *= v[i]
			}
			want := make([]float64, n)
			for i := range want {
				x := float64(g[i]) * a.GradScale
				m1 := a.Beta1*float64(m[i]) + (1-a.Beta1)*x
				v1 := a.Beta2*float64(v[i]) + (1-a.Beta2)*x*x
				want[i] = float64(w[i])*(1-a.LR*a.Decay) -
					a.LR/(1-math.Pow(a.Beta1, 3))*m1/(math.Sqrt(v1)/math.Sqrt(1-math.Pow(a.Beta2, 3))+a.Eps)
			}
			k.Update(w, m, v, g, a)
			for i := range want {
				near(t, "AdamW", w[i], want[i], 1e-6)
			}
			for _, c := range []func(){cw, cm, cv, cg} {
				c()
			}
		}
	})
}

func TestRMSNormGradByFiniteDifferences(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(9, 10))
		const rows, h, eps = 3, 21, 1e-5
		x, w, dy := normal(rng, rows*h), normal(rng, h), normal(rng, rows*h)
		loss := func() float64 {
			var sum float64
			for r := range rows {
				var sq float64
				for i := range h {
					sq += float64(x[r*h+i]) * float64(x[r*h+i])
				}
				s := 1 / math.Sqrt(sq/h+eps)
				for i := range h {
					sum += float64(dy[r*h+i]) * float64(x[r*h+i]) * float64(w[i]) * s
				}
			}
			return sum
		}
		dx, dw := make([]float32, rows*h), make([]float32, h)
		out, rstd := make([]float32, rows*h), make([]float32, rows)
		k.RMSNorm(NewMat(out, rows, h), NewMat(x, rows, h), w, rstd, eps)
		k.RMSNormGrad(NewMat(dx, rows, h), NewMat(append([]float32(nil), dy...), rows, h), NewMat(x, rows, h), w, rstd, dw)
		differences(t, "dx", x, dx, loss)
		differences(t, "dweight", w, dw, loss)
	})
}

// differences compares grad with central differences of loss in x.
func differences(t *testing.T, what string, x, grad []float32, loss func() float64) {
	t.Helper()
	const step = 1e-2 // the loss is computed in float64, the step is taken in float32
	for i := range x {
		x0 := x[i]
		x[i] = x0 + step
		up, hi := loss(), float64(x[i])
		x[i] = x0 - step
		down, lo := loss(), float64(x[i])
		x[i] = x0
		near(t, fmt.Sprintf("%s[%d]", what, i), grad[i], (up-down)/(hi-lo), 2e-3)
	}
}

func TestGeneratedAssemblyIsCurrent(t *testing.T) {
	want, err := exec.Command("go", "run", "./asmgen").Output()
	if err != nil {
		t.Fatalf("run asmgen: %v", err)
	}
	got, err := os.ReadFile("gemm_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatal("gemm_amd64.s is not what asmgen prints: run go generate ./core/kernels")
	}
}
