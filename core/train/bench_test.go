package train

import (
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
)

// BenchmarkStep is one optimizer step of the shipped model's shape: 16 documents of 256
// positions, groups of 4 permuted. It reports document positions a second.
func BenchmarkStep(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(map[int]string{1: "threads=1", 2: "threads=2"}[threads], func(b *testing.B) {
			m, err := model.New(model.Config{
				Vocab: 6144, Hidden: 192, FFN: 512, Layers: 6, Heads: 6, KVHeads: 2, HeadDim: 32,
				NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 512, Tied: true, PadToken: -1,
			}, kernels.Best(), kernels.Float32)
			if err != nil {
				b.Fatal(err)
			}
			m.Params.Init(1, 6)
			m.Pack()
			t, err := New(m, DefaultOptions(1000), threads)
			if err != nil {
				b.Fatal(err)
			}
			sampler, err := order.Parse("permuted:4")
			if err != nil {
				b.Fatal(err)
			}
			var segments []seq.Segment
			positions := 0
			for d := range 16 {
				tokens := make([]int32, 256)
				key := seq.NewKey(uint64(d))
				for i := range tokens {
					tokens[i] = int32(key.Intn(uint64(i), 6144))
				}
				segments = append(segments, sampler.Sample(key, tokens, order.GivenCausal))
				positions += len(tokens)
			}
			for b.Loop() {
				if _, err := t.Step(b.Context(), segments); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(positions)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
