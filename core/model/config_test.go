package model

import (
	"math"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
)

// Every setting that no network can be built from is refused, with its name in
// config.json, before memory is asked for.
func TestHostileConfigs(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(c *Config)
	}{
		{"vocab_size", func(c *Config) { c.Vocab = 0 }},
		{"vocab_size", func(c *Config) { c.Vocab = math.MaxInt }},
		{"hidden_size", func(c *Config) { c.Hidden = -1 }},
		{"hidden_size", func(c *Config) { c.Hidden = 1 << 40 }},
		{"intermediate_size", func(c *Config) { c.FFN = math.MaxInt }},
		{"num_hidden_layers", func(c *Config) { c.Layers = 0 }},
		{"num_hidden_layers", func(c *Config) { c.Layers = math.MaxInt }},
		{"num_attention_heads", func(c *Config) { c.Heads = math.MinInt }},
		{"num_key_value_heads", func(c *Config) { c.KVHeads = 0 }},
		{"num_key_value_heads", func(c *Config) { c.KVHeads = 3 }},
		{"head_dim", func(c *Config) { c.HeadDim = 7 }},
		{"head_dim", func(c *Config) { c.HeadDim = 1 << 20 }},
		{"heads", func(c *Config) { c.Heads, c.KVHeads, c.HeadDim = 1<<16, 1<<16, 1024 }},
		{"max_position_embeddings", func(c *Config) { c.MaxPositions = 0 }},
		{"max_position_embeddings", func(c *Config) { c.MaxPositions = math.MaxInt }},
		{"rms_norm_eps", func(c *Config) { c.NormEps = math.NaN() }},
		{"rms_norm_eps", func(c *Config) { c.NormEps = -1e-5 }},
		{"rope_theta", func(c *Config) { c.RopeTheta = 0 }},
		{"rope_theta", func(c *Config) { c.RopeTheta = math.NaN() }},
		{"rope_theta", func(c *Config) { c.RopeTheta = math.Inf(1) }},
		{"rope_scaling", func(c *Config) { c.RopeScaling = &RopeScaling{} }},
		{"rope_scaling", func(c *Config) { c.RopeScaling.Factor = math.NaN() }},
		{"rope_scaling", func(c *Config) { c.RopeScaling.HighFreqFactor = c.RopeScaling.LowFreqFactor }},
		{"rope_scaling", func(c *Config) { c.RopeScaling.OriginalMaxPositions = 0 }},
		{"pad_token_id", func(c *Config) { c.PadToken = 13 }},
		{"residual", func(c *Config) { c.Residual = "pre" }},
	} {
		config := tiny()
		config.RopeScaling = stretched()
		if err := config.Validate(); err != nil {
			t.Fatalf("before it was spoilt: %v", err)
		}
		c.spoil(&config)
		m, err := New(config, kernels.Best(), kernels.Float32)
		if err == nil || m != nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: got error %v", c.name, err)
		}
	}
}

// The empty residual is Llama's.
func TestDefaultResidual(t *testing.T) {
	c := tiny()
	c.Residual = ""
	m, err := New(c, kernels.Best(), kernels.Float32)
	if err != nil || m.Config.Residual != ResidualLlama {
		t.Errorf("residual %q, error %v", m.Config.Residual, err)
	}
}

// The tensors fill Flat without gaps, and are the matrices that the passes read.
func TestParamsAreOneSlab(t *testing.T) {
	for name, c := range configs() {
		p := NewParams(&c)
		if len(p.Flat) != c.Params() {
			t.Errorf("%s: %d parameters, want %d", name, len(p.Flat), c.Params())
		}
		for i := range p.Flat {
			p.Flat[i] = float32(i)
		}
		next := float32(0)
		for _, tensor := range p.Tensors {
			for _, v := range tensor.Data {
				if v != next {
					t.Fatalf("%s: %s holds %v where %v was due", name, tensor.Name, v, next)
				}
				next++
			}
		}
		if int(next) != len(p.Flat) {
			t.Errorf("%s: the tensors hold %v of %d parameters", name, next, len(p.Flat))
		}
		if tied := &p.Head.Data[0] == &p.Embed.Data[0]; tied != c.Tied {
			t.Errorf("%s: head and embedding are one: %v", name, tied)
		}
	}
}

// Initial weights depend on the seed and the tensor alone; each tensor has its own.
func TestInit(t *testing.T) {
	c := tiny()
	a, b, other := NewParams(&c), NewParams(&c), NewParams(&c)
	a.Init(1, c.Layers)
	b.Init(1, c.Layers)
	other.Init(2, c.Layers)
	sameBits(t, "same seed", a.Flat, b.Flat)
	for i, tensor := range a.Tensors {
		var sum, squares float64
		for _, v := range tensor.Data {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		n := float64(len(tensor.Data))
		want := 1 / math.Sqrt(float64(tensor.Shape[len(tensor.Shape)-1]))
		if strings.HasSuffix(tensor.Name, "o_proj.weight") || strings.HasSuffix(tensor.Name, "down_proj.weight") {
			want /= math.Sqrt(2 * float64(c.Layers))
		}
		switch {
		case tensor.IsNorm():
			if sum != n || squares != n {
				t.Errorf("%s is not all ones", tensor.Name)
			}
		case other.Tensors[i].Data[0] == tensor.Data[0]:
			t.Errorf("%s is the same for another seed", tensor.Name)
		case math.Abs(math.Sqrt(squares/n)/want-1) > 4/math.Sqrt(2*n):
			t.Errorf("%s has standard deviation %v, want %v", tensor.Name, math.Sqrt(squares/n), want)
		}
		for _, earlier := range a.Tensors[:i] {
			if !tensor.IsNorm() && tensor.Data[0] == earlier.Data[0] && !earlier.IsNorm() {
				t.Errorf("%s and %s begin alike", earlier.Name, tensor.Name)
			}
		}
	}
}
