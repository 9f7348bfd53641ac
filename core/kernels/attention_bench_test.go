package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

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
			benchLevels(b, flop, "GFLOP/s", func(k *Kernels) { k.Attend(FloatRows(out), FloatRows(q), c.ends, kv, 0, kv.Heads, lse, scratch) })
		})
		b.Run("backward/"+size, func(b *testing.B) {
			benchLevels(b, 2.5*flop, "GFLOP/s", func(k *Kernels) {
				k.AttendGrad(dq, dk, dv, FloatRows(out), FloatRows(out), FloatRows(q), c.ends, kv, lse, scratch)
			})
		})
	}
}
