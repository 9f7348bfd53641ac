package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// tiny is a network with every feature that a size can have: grouped heads, heads that
// do not fill the hidden size, no size a multiple of a tile.
func tiny() Config {
	return Config{
		Vocab: 13, Hidden: 18, FFN: 21, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 6,
		NormEps: 1e-5, RopeTheta: 100, MaxPositions: 64, Residual: ResidualLlama, PadToken: -1,
	}
}

// stretched is Llama 3's rotary scaling at a length where it changes the frequencies of
// tiny in all three ways.
func stretched() *RopeScaling {
	return &RopeScaling{Factor: 4, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositions: 40}
}

// configs are the networks that differ in what the code branches on.
func configs() map[string]Config {
	all := make(map[string]Config)
	for _, residual := range []Residual{ResidualLlama, ResidualOfficial} {
		untied := tiny()
		untied.Residual = residual
		all["untied "+string(residual)] = untied
		tied := tiny()
		tied.Residual, tied.Tied, tied.KVHeads, tied.RopeScaling = residual, true, 1, stretched()
		all["tied stretched "+string(residual)] = tied
	}
	return all
}

// eachModel runs a test for every configuration on every level of this machine, in both
// types that train.
func eachModel(t *testing.T, f func(t *testing.T, m *Model)) {
	modelsOf(t, f, kernels.Float32, kernels.BF16)
}

// eachFloat32 is for tests that need the accuracy.
func eachFloat32(t *testing.T, f func(t *testing.T, m *Model)) { modelsOf(t, f, kernels.Float32) }

func modelsOf(t *testing.T, f func(t *testing.T, m *Model), types ...kernels.Type) {
	for _, level := range kernels.Levels() {
		k, err := kernels.Open(level)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range configs() {
			for _, typ := range types {
				t.Run(fmt.Sprint(level, " ", typ, " ", name), func(t *testing.T) { f(t, filled(t, c, k, typ)) })
			}
		}
	}
}

// filled returns a model whose weights are large enough to matter: with those of Init
// every distribution is nearly uniform.
func filled(t testing.TB, c Config, k *kernels.Kernels, typ kernels.Type) *Model {
	t.Helper()
	m, err := New(c, k, typ)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(21, 22))
	for _, tensor := range m.Params.Tensors {
		for i := range tensor.Data {
			tensor.Data[i] = float32(0.35 * rng.NormFloat64())
			if tensor.IsNorm() {
				tensor.Data[i]++
			}
		}
	}
	m.Pack()
	return m
}

// segments are documents of all kinds: a plain left-to-right one, blanks with context
// on both sides, permuted groups longer than a tile, a document whose first group sees
// nothing, and one that has nothing to predict.
func segments(vocab int) []seq.Segment {
	rng := rand.New(rand.NewPCG(23, 24))
	group := func(ids ...int32) []int32 { return ids }
	permuted := make([]int32, 40)
	for i := range permuted[1:] {
		permuted[i+1] = int32(1 + rng.IntN(9))
	}
	list := []seq.Segment{
		{Group: group(0, 1, 2, 3, 4, 5, 6), Weight: []float32{0, 1, 1, 1, 1, 1, 1}},
		{Group: group(0, 4, 1, 5, 5, 2, 3, 6), Weight: []float32{0, 0.5, 0, 2, 1, 0, 0, 0.25}},
		{Group: permuted, Weight: slices.Repeat([]float32{0.5, 1}, 20)},
		{Group: group(7, 7, 9, 8), Weight: []float32{1, 1, 1, 3}},
		{Group: group(0, 1, 2), Weight: []float32{0, 0, 0}},
	}
	for i := range list {
		list[i].Tokens = make([]int32, len(list[i].Group))
		for p := range list[i].Tokens {
			list[i].Tokens[p] = int32(rng.IntN(vocab))
		}
	}
	return list
}

// pack returns the batch of the segments.
func pack(list ...seq.Segment) *Batch {
	b := &Batch{}
	b.AddSegments(list)
	return b
}

// gradientOf returns the gradient of scale * sum(w nll) of the batches, each a shard.
func gradientOf(ws *Workspace, scale float64, batches ...*Batch) (p *Params, nll, weight float64) {
	g := ws.m.NewGradient()
	for i, b := range batches {
		n, w := ws.LossGrad(b, g, i, scale)
		nll, weight = nll+n, weight+w
	}
	g.Finish(ws.m.k)
	return g.Params, nll, weight
}
