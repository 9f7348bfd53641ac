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

const guard = 37 // floats around a buffer that are watched; odd, so that nothing is aligned by luck

// guarded returns n random floats that begin behind, or end before, a page that must not
// be touched; a check says whether anything was written at their other end, where NaNs
// stand, so that reading there shows too.
func guarded(t *testing.T, rng *rand.Rand, n int) (data []float32, check func()) {
	t.Helper()
	room := fenced(t, n+guard)
	from := 0
	if rng.IntN(2) == 0 {
		from = len(room) - n
	}
	nan := float32(math.NaN())
	zones := [][]float32{room[:from], room[from+n:]}
	for _, z := range zones {
		for i := range z {
			z[i] = nan
		}
	}
	data = room[from : from+n : from+n]
	for i := range data {
		data[i] = float32(rng.NormFloat64())
	}
	return data, func() {
		t.Helper()
		for _, z := range zones {
			for i := range z {
				if math.Float32bits(z[i]) != math.Float32bits(nan) {
					t.Fatalf("guard zone of %d floats overwritten", n)
				}
			}
		}
	}
}

func near(t *testing.T, what string, got float32, want, tol float64) {
	t.Helper()
	g := float64(got)
	if g == want || math.IsNaN(g) && math.IsNaN(want) {
		return
	}
	if !(math.Abs(g-want) <= tol*(1+math.Abs(want))) || math.IsInf(want, 0) {
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
	for _, bits := range []string{"512", "256"} {
		file := "gemm" + bits + "_amd64.s"
		want, err := exec.Command("go", "run", "./asmgen", "-simd", bits).Output()
		if err != nil {
			t.Fatalf("run asmgen: %v", err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("%s is not what asmgen prints: run go generate ./core/kernels", file)
		}
	}
}
