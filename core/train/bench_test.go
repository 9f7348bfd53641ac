package train

import (
	"path/filepath"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
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
			step(b, t, 16)
		})
	}
}

// BenchmarkTrained is a step of SmolLM2-135M's shape in bf16, on two threads: 8 documents,
// of all that is trained, of the norms alone, and of adapters. MiB is what weights, gradient
// and moments hold.
func BenchmarkTrained(b *testing.B) {
	c := model.Config{
		Vocab: 49152, Hidden: 576, FFN: 1536, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 2048, Tied: true, PadToken: -1,
	}
	path := filepath.Join(b.TempDir(), "model.safetensors")
	p := model.NewParams(&c)
	p.Init(1, c.Layers)
	tensors := p.SafeTensors()
	for i := range tensors {
		tensors[i].DType = checkpoint.BF16
	}
	if err := checkpoint.WriteFile(path, tensors, nil); err != nil {
		b.Fatal(err)
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, run := range []struct {
		name    string
		trained model.Trained
	}{
		{"all", model.Trained{}},
		{"norms", model.Trained{Freeze: []model.Part{"embed", "q", "k", "v", "o", "gate", "up", "down"}}},
		{"adapters", model.Trained{LoRA: &model.LoRA{Rank: 8, Alpha: 16}}},
	} {
		b.Run(run.name, func(b *testing.B) {
			m, err := model.LoadTrainable(c, f, kernels.Best(), kernels.BF16, run.trained)
			if err != nil {
				b.Fatal(err)
			}
			m.Params.InitAdapters(1)
			m.Pack()
			t, err := New(m, DefaultOptions(1000), 2)
			if err != nil {
				b.Fatal(err)
			}
			step(b, t, 8)
			held := m.Bytes() + 4*(len(t.First.Flat)+len(t.Second.Flat)+len(t.grads.Params.Flat))
			if m.Params.Embed.Data != nil { // its lookups have a gradient of their own
				held += 4 * c.Vocab * c.Hidden
			}
			b.ReportMetric(float64(held)/(1<<20), "MiB")
		})
	}
}

// step measures steps of n documents of 256 positions.
func step(b *testing.B, t *Trainer, n int) {
	b.Helper()
	sampler, err := order.Parse("permuted:4")
	if err != nil {
		b.Fatal(err)
	}
	var segments []seq.Segment
	positions := 0
	for d := range n {
		tokens := make([]int32, 256)
		key := seq.NewKey(uint64(d))
		for i := range tokens {
			tokens[i] = int32(key.Intn(uint64(i), t.Model.Config.Vocab))
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
}
