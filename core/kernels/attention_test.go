package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

type attentionCase struct {
	heads, kvHeads, dim, keys int
	ends                      []int32
	q, k, v                   []float32
}

func newAttentionCase(rng *rand.Rand, heads, kvHeads, dim, keys, rows int) attentionCase {
	c := attentionCase{heads: heads, kvHeads: kvHeads, dim: dim, keys: keys,
		q: normal(rng, rows*heads*dim), k: normal(rng, keys*kvHeads*dim), v: normal(rng, keys*kvHeads*dim)}
	for range rows {
		c.ends = append(c.ends, int32(rng.IntN(keys+1)))
	}
	c.ends[0] = 0
	return c
}

func (c attentionCase) kv() *KV {
	kv := NewKV(Float32, c.kvHeads, c.dim, c.keys)
	half := c.keys / 2 // two appends: the second begins inside a panel
	w := c.kvHeads * c.dim
	kv.Append(Best(), NewMat(c.k[:half*w], half, w), NewMat(c.v[:half*w], half, w))
	kv.Append(Best(), NewMat(c.k[half*w:], c.keys-half, w), NewMat(c.v[half*w:], c.keys-half, w))
	return kv
}

// reference is attention in float64 by the definition.
func (c attentionCase) reference() []float64 {
	out := make([]float64, len(c.q))
	for r, end := range c.ends {
		for h := range c.heads {
			g := h * c.kvHeads / c.heads
			var sum float64
			p := make([]float64, end)
			for j := range p {
				for d := range c.dim {
					p[j] += float64(c.q[(r*c.heads+h)*c.dim+d]) * float64(c.k[(j*c.kvHeads+g)*c.dim+d])
				}
				p[j] = math.Exp(p[j])
				sum += p[j]
			}
			for j := range p {
				for d := range c.dim {
					out[(r*c.heads+h)*c.dim+d] += p[j] / sum * float64(c.v[(j*c.kvHeads+g)*c.dim+d])
				}
			}
		}
	}
	return out
}

func TestAttend(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(11, 12))
		for _, shape := range [][5]int{{1, 1, 4, 1, 1}, {4, 2, 8, 9, 7}, {4, 1, 12, 40, 60}, {6, 3, 32, 70, 100}, {2, 2, 40, 33, 49}} {
			heads, kvHeads, dim, keys, rows := shape[0], shape[1], shape[2], shape[3], shape[4]
			c := newAttentionCase(rng, heads, kvHeads, dim, keys, rows)
			kv, q := c.kv(), NewMat(c.q, rows, heads*dim)
			out := NewMat(normal(rng, rows*heads*dim), rows, heads*dim)
			k.Attend(FloatRows(out), FloatRows(q), c.ends, kv, 0, kv.Heads, nil, &Scratch{})
			for i, want := range c.reference() {
				near(t, fmt.Sprintf("%v element %d", shape, i), out.Data[i], want, 1e-5)
			}
			// One row alone has the bits it has among others.
			for r := range rows {
				one := NewMat(make([]float32, heads*dim), 1, heads*dim)
				k.Attend(FloatRows(one), FloatRows(q.RowsOf(r, r+1)), c.ends[r:r+1], kv, 0, kv.Heads, nil, &Scratch{})
				sameBits(t, "row alone", one.Data, out.Row(r))
			}
		}
	})
}

func TestAttendGradByFiniteDifferences(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, shape := range [][5]int{{2, 1, 4, 3, 3}, {4, 2, 8, 11, 6}, {2, 2, 33, 35, 52}} {
			heads, kvHeads, dim, keys, rows := shape[0], shape[1], shape[2], shape[3], shape[4]
			c := newAttentionCase(rng, heads, kvHeads, dim, keys, rows)
			for i := range c.q {
				c.q[i] /= float32(math.Sqrt(float64(dim)))
			}
			dout := normal(rng, len(c.q))
			loss := func() float64 {
				var sum float64
				for i, o := range c.reference() {
					sum += o * float64(dout[i])
				}
				return sum
			}
			width := heads * dim
			mat := func(x []float32) Mat { return NewMat(x, rows, width) }
			kmat := func(x []float32) Mat { return NewMat(x, keys, kvHeads*dim) }
			kv := c.kv()
			out, lse := make([]float32, len(c.q)), make([]float32, rows*heads)
			k.Attend(FloatRows(mat(out)), FloatRows(mat(c.q)), c.ends, kv, 0, kv.Heads, lse, &Scratch{})
			dq, dk, dv := normal(rng, len(c.q)), make([]float32, len(c.k)), make([]float32, len(c.v))
			k.AttendGrad(mat(dq), kmat(dk), kmat(dv), FloatRows(mat(dout)), FloatRows(mat(out)), FloatRows(mat(c.q)), c.ends, kv, lse, &Scratch{})
			if rows > 20 { // sample the large case
				sampled(t, rng, "dq", c.q, dq, loss)
				sampled(t, rng, "dk", c.k, dk, loss)
				sampled(t, rng, "dv", c.v, dv, loss)
				continue
			}
			differences(t, "dq", c.q, dq, loss)
			differences(t, "dk", c.k, dk, loss)
			differences(t, "dv", c.v, dv, loss)
		}
	})
}

func sampled(t *testing.T, rng *rand.Rand, what string, x, grad []float32, loss func() float64) {
	t.Helper()
	for range 20 {
		i := rng.IntN(len(x))
		differences(t, what, x[i:i+1], grad[i:i+1], loss)
	}
}
