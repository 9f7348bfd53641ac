package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// benchLevels runs a benchmark on every level; work is what one iteration does, in the
// given unit, for example multiplications and additions.
func benchLevels(b *testing.B, work float64, unit string, f func(k *Kernels)) {
	for _, level := range Levels() {
		k, err := Open(level)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(level), func(b *testing.B) {
			for b.Loop() {
				f(k)
			}
			b.ReportMetric(work*float64(b.N)/b.Elapsed().Seconds()/1e9, unit)
		})
	}
}

// The vector kernels on 4096 floats; Gfloat/s counts elements.
func BenchmarkVector(b *testing.B) {
	const n = 4096
	rng := rand.New(rand.NewPCG(5, 6))
	w, x, y, z := normal(rng, n), normal(rng, n), normal(rng, n), normal(rng, n)
	out, m, v := make([]float32, n), make([]float32, n), make([]float32, n)
	cos, sin := make([]float32, n/2), make([]float32, n/2)
	for i := range cos { // angles: factors that are no rotation end below the normal numbers, which are slow
		s, c := math.Sincos(float64(i))
		cos[i], sin[i] = float32(c), float32(s)
	}
	row, rstd := NewMat(x, 16, n/16), make([]float32, 16)
	adam := AdamW{LR: 1e-6, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: 0.1, Step: 100, GradScale: 1}
	for _, c := range []struct {
		name string
		f    func(k *Kernels)
	}{
		{"Max", func(k *Kernels) { k.Max(x) }},
		{"ExpSum", func(k *Kernels) { k.ExpSum(out, x, 1) }},
		{"Dot", func(k *Kernels) { k.Dot(x, y) }},
		{"Axpy", func(k *Kernels) { k.Axpy(out, x, 1e-9) }},
		{"ScaleMul", func(k *Kernels) { k.ScaleMul(out, x, y, 2) }},
		{"MulAdd", func(k *Kernels) { k.MulAdd(out, x, y, 1e-9) }},
		{"Scale", func(k *Kernels) { k.Scale(z, 1) }},
		{"SiLUMul", func(k *Kernels) { k.SiLUMul(out, x, y) }},
		{"SiLUMulGrad", func(k *Kernels) { k.SiLUMulGrad(out, m, x, y, z) }},
		{"softmaxGrad", func(k *Kernels) { k.softmaxGrad(out, x, y, 0.5) }},
		{"Rotate", func(k *Kernels) { k.Rotate(z[:n/2], z[n/2:], cos, sin, 1) }},
		{"RMSNorm", func(k *Kernels) { k.RMSNorm(FloatRows(NewMat(out, 16, n/16)), row, w[:n/16], rstd, 1e-5) }},
		{"AdamW", func(k *Kernels) { k.Update(w, m, v, y, adam) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			clear(m)
			clear(v)
			benchLevels(b, n, "Gfloat/s", c.f)
		})
	}
}

// The register tiles of float32 by number of rows, with all operands in the first-level
// cache: what is best for a product.
func BenchmarkPanel(b *testing.B) {
	const inner = 192
	rng := rand.New(rand.NewPCG(7, 8))
	for _, m := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24} {
		x, w, y := normal(rng, m*inner), normal(rng, inner*panelWidth), make([]float32, m*panelWidth)
		b.Run(fmt.Sprint(m), func(b *testing.B) {
			benchLevels(b, 2*inner*panelWidth*float64(m), "GFLOP/s", func(k *Kernels) {
				k.panel(operands{a: ptr(x, 0), ars: inner, acs: 1, b: ptr(w, 0), brs: panelWidth, c: ptr(y, 0), crs: panelWidth,
					m: m, n: panelWidth, k: inner})
			})
		})
	}
}
