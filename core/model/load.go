package model

import (
	"fmt"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
)

// ConfigOf maps the keys of config.json to a configuration.
func ConfigOf(c *checkpoint.LlamaConfig) Config {
	out := Config{
		Vocab: c.VocabSize, Hidden: c.HiddenSize, FFN: c.IntermediateSize, Layers: c.NumHiddenLayers,
		Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads, HeadDim: c.HeadDim,
		NormEps: c.RMSNormEps, RopeTheta: c.RopeTheta, MaxPositions: c.MaxPositionEmbeddings,
		Tied: c.TieWordEmbeddings, Residual: Residual(c.Residual), PadToken: -1,
	}
	if s := c.RopeScaling; s.Type == checkpoint.RopeLlama3 {
		out.RopeScaling = &RopeScaling{
			Factor: s.Factor, LowFreqFactor: s.LowFreqFactor, HighFreqFactor: s.HighFreqFactor,
			OriginalMaxPositions: s.OriginalMaxPositionEmbeddings,
		}
	}
	if len(c.PAD) == 1 {
		out.PadToken = c.PAD[0]
	}
	return out
}

// LlamaConfig is the inverse of ConfigOf, with the defaults of the format elsewhere.
func (c *Config) LlamaConfig() *checkpoint.LlamaConfig {
	out := checkpoint.NewLlamaConfig()
	out.VocabSize, out.HiddenSize, out.IntermediateSize, out.NumHiddenLayers = c.Vocab, c.Hidden, c.FFN, c.Layers
	out.NumAttentionHeads, out.NumKeyValueHeads, out.HeadDim = c.Heads, c.KVHeads, c.HeadDim
	out.RMSNormEps, out.RopeTheta, out.MaxPositionEmbeddings = c.NormEps, c.RopeTheta, c.MaxPositions
	out.TieWordEmbeddings = c.Tied
	out.Residual = checkpoint.ResidualLlama
	if c.Residual != "" {
		out.Residual = string(c.Residual)
	}
	if s := c.RopeScaling; s != nil {
		out.RopeScaling = checkpoint.RopeScaling{
			Type: checkpoint.RopeLlama3, Factor: s.Factor, LowFreqFactor: s.LowFreqFactor,
			HighFreqFactor: s.HighFreqFactor, OriginalMaxPositionEmbeddings: s.OriginalMaxPositions,
		}
	}
	if c.PadToken >= 0 {
		out.PAD = checkpoint.TokenIDs{c.PadToken}
	}
	return out
}

// Load builds a model from a checkpoint's weights and packs it. Every tensor of the
// network must be there in its shape, and finite.
func Load(c Config, f *checkpoint.File, k *kernels.Kernels) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	// The shapes are compared before memory is allocated for them: a configuration
	// cannot ask for more than the file holds.
	for _, s := range c.shapes() {
		info, err := f.Info(s.name)
		if err != nil {
			return nil, err
		}
		if !sameShape(info.Shape, s.dims) {
			return nil, fmt.Errorf("tensor %s has shape %v, the configuration wants %v", s.name, info.Shape, s.dims)
		}
	}
	m, err := New(c, k)
	if err != nil {
		return nil, err
	}
	for _, t := range m.Params.Tensors {
		if err := f.Float32(t.Name, t.Data); err != nil {
			return nil, fmt.Errorf("load %s: %w", t.Name, err)
		}
	}
	if err := m.CheckFinite(); err != nil {
		return nil, err
	}
	m.Pack()
	return m, nil
}

// SafeTensors lists the parameters in the form that checkpoint.Write takes.
func (p *Params) SafeTensors() []checkpoint.Tensor {
	out := make([]checkpoint.Tensor, len(p.Tensors))
	for i, t := range p.Tensors {
		out[i] = checkpoint.Tensor{Name: t.Name, DType: checkpoint.F32, Shape: t.Shape, F32: t.Data}
	}
	return out
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
