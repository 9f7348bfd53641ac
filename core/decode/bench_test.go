package decode

import (
	"fmt"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
)

// shapes are the networks that are measured: that of the shipped model, and SmolLM's of
// 135 million parameters.
var shapes = []struct {
	name   string
	config model.Config
}{
	{"stories", model.Config{
		Vocab: 6144, Hidden: 192, FFN: 512, Layers: 6, Heads: 6, KVHeads: 2, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 512, Tied: true, PadToken: -1,
	}},
	{"135M", model.Config{
		Vocab: 49152, Hidden: 576, FFN: 1536, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 2048, Tied: true, PadToken: -1,
	}},
}

// benchDocuments are n documents of 128 positions, of which each fourth is blank.
func benchDocuments(n, vocab int) []*Document {
	docs := make([]*Document, n)
	for i := range docs {
		key, c := seq.NewKey(uint64(i)), &seq.Canvas{}
		for p := range 128 {
			if p%4 == 3 {
				c.AppendBlank(1)
			} else {
				c.AppendKnown(int32(key.Intn(uint64(p), vocab)))
			}
		}
		docs[i] = &Document{Key: uint64(i), Canvas: c}
	}
	return docs
}

// BenchmarkDecode fills 32 blanks of documents: one token a step from left to right, and
// groups of four in random order. It reports filled tokens a second, and processor time a
// token.
func BenchmarkDecode(b *testing.B) {
	const blanks = 32
	for _, shape := range shapes {
		for _, typ := range types {
			b.Run(fmt.Sprintf("%s/%s", shape.name, typ), func(b *testing.B) {
				p := model.NewParams(&shape.config)
				p.Init(1, shape.config.Layers)
				m := loaded(b, p, shape.config, kernels.Best(), typ)
				for _, n := range []int{1, 64} {
					docs := benchDocuments(n, m.Config.Vocab)
					for _, d := range []struct {
						name    string
						decider Decider
					}{{"ar", &planned{}}, {"groups", &planned{4}}} {
						for _, threads := range []int{1, 2} {
							b.Run(fmt.Sprintf("documents=%d/%s/threads=%d", n, d.name, threads), func(b *testing.B) {
								o := DefaultOptions()
								o.Threads = threads
								e := newEngine(b, m, o)
								if _, err := decodeAll(b.Context(), e, d.decider, docs); err != nil {
									b.Fatal(err)
								}
								before := cpuTime(b)
								for b.Loop() {
									if _, err := decodeAll(b.Context(), e, d.decider, docs); err != nil {
										b.Fatal(err)
									}
								}
								tokens := float64(n * blanks * b.N)
								b.ReportMetric(tokens/b.Elapsed().Seconds(), "tokens/s")
								b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/tokens, "cpu-µs/token")
							})
						}
					}
				}
			})
		}
	}
}
