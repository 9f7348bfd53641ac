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
		k.RMSNorm(FloatRows(NewMat(out, rows, h)), NewMat(x, rows, h), w, rstd, eps)
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
