package decode

import (
	"fmt"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
)

// BenchmarkDecode fills 32 blanks in documents of 128 positions with the shape of the
// shipped model: one token a step from left to right, and groups of four in random
// order. It reports filled tokens a second.
func BenchmarkDecode(b *testing.B) {
	const blanks = 32
	m, err := model.New(model.Config{
		Vocab: 6144, Hidden: 192, FFN: 512, Layers: 6, Heads: 6, KVHeads: 2, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 512, Tied: true, PadToken: -1,
	}, kernels.Best(), kernels.Float32)
	if err != nil {
		b.Fatal(err)
	}
	m.Params.Init(1, m.Config.Layers)
	m.Pack()
	for _, n := range []int{1, 64} {
		docs := make([]*Document, n)
		for i := range docs {
			key, c := seq.NewKey(uint64(i)), &seq.Canvas{}
			for p := range 128 {
				if p%4 == 3 {
					c.AppendBlank(1)
				} else {
					c.AppendKnown(int32(key.Intn(uint64(p), m.Config.Vocab)))
				}
			}
			docs[i] = &Document{Key: uint64(i), Canvas: c}
		}
		for _, d := range []struct {
			name    string
			decider Decider
		}{{"ar", &planned{}}, {"groups", &planned{4}}} {
			b.Run(fmt.Sprintf("documents=%d/%s", n, d.name), func(b *testing.B) {
				e := newEngine(b, m, DefaultOptions())
				for b.Loop() {
					if _, err := decodeAll(b.Context(), e, d.decider, docs); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n*blanks*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
