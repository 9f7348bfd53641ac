package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// attentionShapes are layers of the networks that we train and decode with, for one
// document: rows that see keys from left to right, in training those of both streams.
var attentionShapes = []struct {
	name                            string
	heads, kvHeads, dim, rows, keys int
	grad                            bool
}{
	{"8M", 8, 4, 32, 512, 256, true},
	{"135M", 9, 3, 64, 1024, 512, true},
	{"135M", 9, 3, 64, 2048, 2048, true},
	{"decode", 9, 3, 64, 1, 1000, false},
	{"decode", 9, 3, 64, 4, 1000, false},
	{"decode", 9, 3, 64, 16, 1000, false},
}

// BenchmarkAttend reports ns for each row, head and key that it sees.
func BenchmarkAttend(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, s := range attentionShapes {
		for _, typ := range rowTypes {
			c := newAttentionCase(rng, typ, s.heads, s.kvHeads, s.dim, s.keys, s.rows)
			sees := 0
			for r := range c.ends {
				switch {
				case !s.grad:
					c.ends[r] = int32(s.keys)
				case r < s.keys: // content sees itself, a query what stands before it
					c.ends[r] = int32(r + 1)
				default:
					c.ends[r] = int32(r - s.keys)
				}
				sees += int(c.ends[r])
			}
			pairs := float64(sees * s.heads)
			for _, level := range Levels() {
				if level == Portable {
					continue
				}
				k, err := Open(level)
				if err != nil {
					b.Fatal(err)
				}
				if typ == BF16 && level != AMX {
					continue
				}
				kv, q, dout := c.kv(k), c.rows(k, c.q), c.rows(k, c.dout)
				out, lse := c.forward(k, kv, &Scratch{})
				dq := NewMat(make([]float32, len(c.q)), s.rows, s.heads*s.dim)
				dk, dv := NewMat(make([]float32, len(c.k)), s.keys, s.kvHeads*s.dim), NewMat(make([]float32, len(c.v)), s.keys, s.kvHeads*s.dim)
				var scratch Scratch
				run := func(pass string, f func()) {
					b.Run(fmt.Sprintf("%s/%s/%dx%d/%s/%s", pass, s.name, s.rows, s.keys, typ, level), func(b *testing.B) {
						for b.Loop() {
							f()
						}
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pairs, "ns/score")
					})
				}
				run("forward", func() { k.Attend(out, q, c.ends, kv, 0, s.kvHeads, lse, &scratch) })
				if s.grad {
					run("backward", func() { k.AttendGrad(dq, dk, dv, dout, out, q, c.ends, kv, lse, &scratch) })
				}
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	k, rng := Best(), rand.New(rand.NewPCG(3, 4))
	const heads, dim, n = 3, 64, 256
	keys := NewMat(normal(rng, n*heads*dim), n, heads*dim)
	for _, typ := range rowTypes {
		for _, piece := range []int{1, n} {
			b.Run(fmt.Sprintf("%s/%d", typ, piece), func(b *testing.B) {
				kv := NewKV(typ, heads, dim, n)
				for b.Loop() {
					kv.Truncate(0)
					for i := 0; i < n; i += piece {
						kv.Append(k, keys.RowsOf(i, i+piece), keys.RowsOf(i, i+piece))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
			})
		}
	}
}
