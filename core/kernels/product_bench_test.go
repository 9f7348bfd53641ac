package kernels

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// What a product is asked for: M rows, N columns, K inner indices. The first three are a
// 135M model's training step, then a large square, one token and sixteen tokens.
var productShapes = [][3]int{{512, 576, 576}, {512, 1536, 576}, {512, 576, 1536}, {2048, 2048, 2048}, {1, 1536, 576}, {16, 49152, 576}}

// shares runs f for n goroutines at once; f gets one of the n equal parts of size, in
// whole multiples of unit.
func shares(n, size, unit int, f func(i, from, to int)) {
	var wg sync.WaitGroup
	units := (size + unit - 1) / unit
	for i := range n {
		from, to := min(i*units/n*unit, size), min((i+1)*units/n*unit, size)
		wg.Go(func() { f(i, from, to) })
	}
	wg.Wait()
}

// BenchmarkMul gives GFLOP/s of products with packed weights and prepared rows, by level,
// type, shape and how goroutines share the work. "float" results are float32, "rows" are
// of the type of the rows.
func BenchmarkMul(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, level := range Levels() {
		k, err := Open(level)
		if err != nil {
			b.Fatal(err)
		}
		for _, typ := range []Type{Float32, BF16, Int8} {
			for _, shape := range productShapes {
				if level == Portable && shape[0]*shape[1]*shape[2] > 1e9 {
					continue // seconds each
				}
				benchMul(b, k, typ, shape, rng)
			}
		}
	}
}

func benchMul(b *testing.B, k *Kernels, typ Type, shape [3]int, rng *rand.Rand) {
	m, n, kk := shape[0], shape[1], shape[2]
	var s [2]Scratch
	weights := NewPanels(typ, kk, n)
	weights.PackTransposed(k, NewMat(normal(rng, n*kk), n, kk), &s[0])
	x := rowsOf(k, typ, normal(rng, m*kk), m, kk)
	c, dst := NewMat(Aligned(m*n), m, n), NewRows(typ, m, n)
	name := fmt.Sprintf("%s/%s/%d,%d,%d", k.Level(), typ, m, n, kk)
	run := func(what string, f func()) {
		b.Run(name+"/"+what, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(2*float64(m)*float64(n)*float64(kk)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	run("float", func() { k.Mul(c, x, weights, false, &s[0]) })
	run("rows", func() { k.MulRows(dst, x, weights, &s[0]) })
	run("float-2-by-columns", func() {
		shares(2, n, panelWidth, func(i, from, to int) {
			part := weights.Columns(from, to)
			k.Mul(c.ColsOf(from, to), x, &part, false, &s[i])
		})
	})
	if m > 1 {
		run("float-2-by-rows", func() {
			shares(2, m, 1, func(i, from, to int) {
				k.Mul(c.RowsOf(from, to), x.Slice(from, to), weights, false, &s[i])
			})
		})
	}
}

// decodeWeights are all products of a step of a 135M model: 30 layers, then the vocabulary.
type decodeWeights struct {
	layers []decodeLayer
	vocab  Panels
}

type decodeLayer struct{ q, k, v, o, gate, up, down Panels }

func newDecodeWeights(k *Kernels, typ Type, rng *rand.Rand) (w decodeWeights) {
	const hidden, kv, ffn, vocab = 576, 192, 1536, 49152
	var s Scratch
	random := normal(rng, hidden*ffn)
	panels := func(inner, n int) Panels {
		p := NewPanels(typ, inner, n)
		if inner*n <= len(random) {
			p.PackTransposed(k, NewMat(random[:inner*n], n, inner), &s)
		} else {
			p.PackTransposed(k, NewMat(make([]float32, inner*n), n, inner), &s)
		}
		return *p
	}
	for range 30 {
		w.layers = append(w.layers, decodeLayer{panels(hidden, hidden), panels(hidden, kv), panels(hidden, kv), panels(hidden, hidden),
			panels(hidden, ffn), panels(hidden, ffn), panels(ffn, hidden)})
	}
	w.vocab = panels(hidden, vocab)
	return w
}

// share returns the i-th of n parts of all columns.
func (w decodeWeights) share(i, n int) (part decodeWeights) {
	cut := func(p Panels) Panels {
		units := (p.N + panelWidth - 1) / panelWidth
		return p.Columns(min(i*units/n*panelWidth, p.N), min((i+1)*units/n*panelWidth, p.N))
	}
	for _, l := range w.layers {
		part.layers = append(part.layers, decodeLayer{cut(l.q), cut(l.k), cut(l.v), cut(l.o), cut(l.gate), cut(l.up), cut(l.down)})
	}
	part.vocab = cut(w.vocab)
	return part
}

func (w decodeWeights) bytes() (n int) {
	for i := range w.layers {
		for _, p := range w.layers[i].each() {
			n += p.Bytes()
		}
	}
	return n + w.vocab.Bytes()
}

func (l *decodeLayer) each() []*Panels {
	return []*Panels{&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}
}

// decoder holds what one goroutine writes.
type decoder struct {
	x, wide, ffn Rows
	logits       Mat
	s            Scratch
}

func newDecoder(k *Kernels, typ Type, rows int, w decodeWeights, rng *rand.Rand) *decoder {
	l := w.layers[0]
	return &decoder{x: rowsOf(k, typ, normal(rng, rows*l.q.K), rows, l.q.K), wide: rowsOf(k, typ, normal(rng, rows*l.down.K), rows, l.down.K),
		ffn: NewRows(typ, rows, l.gate.N), logits: NewMat(Aligned(rows*w.vocab.N), rows, w.vocab.N)}
}

func (d *decoder) step(k *Kernels, w decodeWeights) {
	for i := range w.layers {
		l := &w.layers[i]
		for _, p := range []*Panels{&l.q, &l.k, &l.v, &l.o} {
			k.Mul(d.logits.ColsOf(0, p.N), d.x, p, false, &d.s)
		}
		k.MulGated(d.ffn, Rows{}, Rows{}, d.x, &l.gate, &l.up, &d.s)
		k.Mul(d.logits.ColsOf(0, l.down.N), d.wide, &l.down, false, &d.s)
	}
	k.Mul(d.logits, d.x, &w.vocab, false, &d.s)
}

// BenchmarkDecode streams the weights of a 135M model past few rows. GB/s counts the
// weights alone; "read" is what Max reaches on as many bytes, the most that the memory
// gives.
func BenchmarkDecode(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 2))
	k := Best()
	for _, typ := range []Type{Float32, BF16, Int8} {
		w := newDecodeWeights(k, typ, rng)
		plain := Aligned(w.bytes() / 4)
		for i := range plain {
			plain[i] = float32(i)
		}
		for _, n := range []int{1, 2} {
			run := func(name string, f func(i int)) {
				b.Run(fmt.Sprintf("%s/%s/%d-threads", typ, name, n), func(b *testing.B) {
					for b.Loop() {
						shares(n, n, 1, func(i, _, _ int) { f(i) })
					}
					b.ReportMetric(float64(w.bytes())*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
				})
			}
			parts := make([]decodeWeights, n)
			for i := range parts {
				parts[i] = w.share(i, n)
			}
			run("read", func(i int) {
				for from := i * len(plain) / n; from < (i+1)*len(plain)/n; from += 1 << 18 {
					k.Max(plain[from:min(from+1<<18, (i+1)*len(plain)/n)])
				}
			})
			for _, rows := range []int{1, 8, 16, 32} {
				decoders := make([]*decoder, n)
				for i := range decoders {
					decoders[i] = newDecoder(k, typ, rows, parts[i], rng)
				}
				run(fmt.Sprintf("%d-rows", rows), func(i int) { decoders[i].step(k, parts[i]) })
			}
		}
	}
}
