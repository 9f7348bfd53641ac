package kernels

import (
	"fmt"
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

// The shapes are those of a small network (hidden 192, feed-forward 512): few rows, as
// in decoding, and many, as in training; and of a head over a large vocabulary.
func BenchmarkGemm(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct{ m, n, k int }{{1, 192, 192}, {8, 512, 192}, {256, 512, 192}, {256, 192, 512}, {48, 6144, 192}} {
		x, w := NewMat(normal(rng, s.m*s.k), s.m, s.k), NewMat(normal(rng, s.n*s.k), s.n, s.k)
		y, dx, dw := NewMat(make([]float32, s.m*s.n), s.m, s.n), NewMat(make([]float32, s.m*s.k), s.m, s.k), NewMat(make([]float32, s.n*s.k), s.n, s.k)
		packed := NewPanels(s.k, s.n)
		packed.PackTransposed(w)
		flop := 2 * float64(s.m) * float64(s.n) * float64(s.k)
		size := fmt.Sprintf("%dx%dx%d", s.m, s.n, s.k)
		b.Run("forward/"+size, func(b *testing.B) {
			benchLevels(b, flop, "GFLOP/s", func(k *Kernels) { k.MulPacked(y, x, packed, false) })
		})
		b.Run("input_gradient/"+size, func(b *testing.B) {
			benchLevels(b, flop, "GFLOP/s", func(k *Kernels) { k.Mul(dx, y, w, false) })
		})
		b.Run("weight_gradient/"+size, func(b *testing.B) {
			benchLevels(b, flop, "GFLOP/s", func(k *Kernels) { k.MulTransposed(dw, y, x, false) })
		})
	}
}

func BenchmarkAttend(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	const heads, kvHeads, dim = 6, 2, 32
	for _, s := range []struct{ rows, keys int }{{1, 256}, {8, 256}, {256, 256}} {
		c := newAttentionCase(rng, heads, kvHeads, dim, s.keys, s.rows)
		sees := 0
		for r := range c.ends { // left to right, the last row sees all
			c.ends[r] = int32(s.keys - s.rows + r + 1)
			sees += int(c.ends[r])
		}
		kv, width := c.kv(), heads*dim
		q, out, dq := NewMat(c.q, s.rows, width), NewMat(make([]float32, s.rows*width), s.rows, width), NewMat(make([]float32, s.rows*width), s.rows, width)
		dk, dv := NewMat(make([]float32, len(c.k)), s.keys, kvHeads*dim), NewMat(make([]float32, len(c.v)), s.keys, kvHeads*dim)
		lse, scratch := make([]float32, s.rows*heads), &Scratch{}
		flop := 4 * float64(sees) * float64(width) // what the definition asks for
		size := fmt.Sprintf("%dx%d", s.rows, s.keys)
		b.Run("forward/"+size, func(b *testing.B) {
			benchLevels(b, flop, "GFLOP/s", func(k *Kernels) { k.Attend(out, q, c.ends, kv, lse, scratch) })
		})
		b.Run("backward/"+size, func(b *testing.B) {
			benchLevels(b, 2.5*flop, "GFLOP/s", func(k *Kernels) { k.AttendGrad(dq, dk, dv, out, out, q, c.ends, kv, lse, scratch) })
		})
	}
}

// The vector kernels on 4096 floats; Gfloat/s counts elements.
func BenchmarkVector(b *testing.B) {
	const n = 4096
	rng := rand.New(rand.NewPCG(5, 6))
	w, x, y, z := normal(rng, n), normal(rng, n), normal(rng, n), normal(rng, n)
	out, m, v := make([]float32, n), make([]float32, n), make([]float32, n)
	cos, sin := normal(rng, n), normal(rng, n)
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
		{"Rotate", func(k *Kernels) { k.Rotate(cos[:n/2], cos[n/2:], sin[:n/2], sin[n/2:], 0) }},
		{"RMSNorm", func(k *Kernels) { k.RMSNorm(NewMat(out, 16, n/16), row, w[:n/16], rstd, 1e-5) }},
		{"AdamW", func(k *Kernels) { k.Update(w, m, v, y, adam) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			clear(m)
			clear(v)
			benchLevels(b, n, "Gfloat/s", c.f)
		})
	}
}
