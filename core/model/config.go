package model

import "fmt"

// Residual says what the feed-forward block of a layer is added to.
type Residual string

const (
	// ResidualLlama is plain Llama: x + mlp(norm(x)).
	ResidualLlama Residual = "llama"
	// ResidualOfficial is the published A3 code: norm(x) + mlp(norm(x)). It makes
	// another network of a pretrained Llama checkpoint.
	ResidualOfficial Residual = "official"
)

// Config is the shape of a network. The names of the fields are those of the Llama
// literature; core/checkpoint maps them to the keys of config.json.
type Config struct {
	Vocab        int     // V, tokens
	Hidden       int     // H, floats a row
	FFN          int     // F, floats in the feed-forward block
	Layers       int     // L
	Heads        int     // query heads
	KVHeads      int     // key/value heads; divides Heads (GQA, Ainslie et al. 2023)
	HeadDim      int     // floats a head, even
	NormEps      float64 // added to the mean square in RMSNorm
	RopeTheta    float64 // base of the rotary frequencies
	RopeScaling  *RopeScaling
	MaxPositions int      // positions the model was made for
	Tied         bool     // the head is the embedding matrix
	Residual     Residual // empty means ResidualLlama
	PadToken     int32    // its embedding gets no gradient (PyTorch's padding_idx); negative: none
}

// RopeScaling is Llama 3's stretching of the rotary frequencies.
type RopeScaling struct {
	Factor, LowFreqFactor, HighFreqFactor float64
	OriginalMaxPositions                  int
}

// Limits that keep a hostile configuration from asking for absurd memory.
const (
	maxVocab  = 1 << 20
	maxHidden = 1 << 16
	maxLayers = 1 << 10
)

// Validate reports the first field that no network can be built from.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name     string
		got, max int
	}{
		{"vocab_size", c.Vocab, maxVocab},
		{"hidden_size", c.Hidden, maxHidden},
		{"intermediate_size", c.FFN, 4 * maxHidden},
		{"num_hidden_layers", c.Layers, maxLayers},
		{"num_attention_heads", c.Heads, maxHidden},
		{"num_key_value_heads", c.KVHeads, maxHidden},
		{"head_dim", c.HeadDim, 1024},
		{"max_position_embeddings", c.MaxPositions, 1 << 24},
	} {
		if f.got < 1 || f.got > f.max {
			return fmt.Errorf("model config: %s is %d, want 1 to %d", f.name, f.got, f.max)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("model config: num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("model config: head_dim %d is odd; rotary embeddings turn pairs", c.HeadDim)
	case c.Heads*c.HeadDim > 4*maxHidden:
		return fmt.Errorf("model config: %d heads of %d are too many", c.Heads, c.HeadDim)
	case !(c.NormEps >= 0 && c.NormEps < 1):
		return fmt.Errorf("model config: rms_norm_eps is %v, want 0 to 1", c.NormEps)
	case !(c.RopeTheta >= 1 && c.RopeTheta < 1e12):
		return fmt.Errorf("model config: rope_theta is %v, want 1 to 1e12", c.RopeTheta)
	case int(c.PadToken) >= c.Vocab:
		return fmt.Errorf("model config: pad_token_id %d is outside the vocabulary of %d", c.PadToken, c.Vocab)
	}
	if s := c.RopeScaling; s != nil {
		if !(s.Factor >= 1 && s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.OriginalMaxPositions > 0) {
			return fmt.Errorf("model config: rope_scaling %+v is not a llama3 scaling", *s)
		}
	}
	switch c.Residual {
	case "", ResidualLlama, ResidualOfficial:
	default:
		return fmt.Errorf("model config: residual is %q, want %q or %q", c.Residual, ResidualLlama, ResidualOfficial)
	}
	return nil
}

// Params returns the number of parameters.
func (c *Config) Params() int {
	n := 0
	for _, s := range c.shapes() {
		n += s.size()
	}
	return n
}

func (c *Config) queryWidth() int { return c.Heads * c.HeadDim }
func (c *Config) kvWidth() int    { return c.KVHeads * c.HeadDim }
