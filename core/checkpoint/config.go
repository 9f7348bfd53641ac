package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// The values of LlamaConfig.Residual: how a layer's MLP joins the stream.
const (
	ResidualLlama    = "llama"    // x + mlp(norm(x)), plain Llama
	ResidualOfficial = "official" // n + mlp(n) with n = norm(x), the published A3 code
)

// The values of LlamaConfig.Given: how given positions see each other.
const (
	GivenCausal = "causal" // left to right, as a pretrained Llama expects
	GivenGroup  = "group"  // as one bidirectional group, as published
)

// The values of RopeScaling.Type.
const (
	RopeDefault = "default"
	RopeLinear  = "linear" // every frequency divided by Factor
	RopeLlama3  = "llama3"
)

// LlamaConfig is the config.json of a Llama model in Hugging Face's keys, with our
// own under "a3". What is not here has only one value that we support: hidden_act is
// silu, attention_bias and mlp_bias are false.
type LlamaConfig struct {
	Architectures []string // empty or such as "LlamaForCausalLM"
	TorchDType    string   // "torch_dtype", such as "float32"; empty if not said

	VocabSize             int
	HiddenSize            int
	IntermediateSize      int
	NumHiddenLayers       int
	NumAttentionHeads     int
	NumKeyValueHeads      int // divides NumAttentionHeads
	HeadDim               int // even; HiddenSize/NumAttentionHeads unless the file says otherwise
	MaxPositionEmbeddings int // the context length trained on; no limit of the architecture
	RMSNormEps            float64
	RopeTheta             float64
	RopeScaling           RopeScaling
	TieWordEmbeddings     bool

	BOS, EOS, PAD TokenIDs // nil if the model has none

	Residual string // "a3.residual": ResidualLlama or ResidualOfficial
	Given    string // "a3.given": GivenCausal or GivenGroup

	// QueryFile, "a3.query_embed", names a file beside the weights that holds QueryEmbed,
	// so that other programs find a plain Llama in them; empty = it is among the weights.
	// OpenModel reads the file and empties the field.
	QueryFile string

	// Extra holds the keys that we do not know. They are written back unchanged.
	Extra map[string]json.RawMessage
}

// RopeScaling changes the frequencies of the rotary embedding. With RopeDefault the
// other fields are zero, with RopeLinear all but Factor.
type RopeScaling struct {
	Type                          string // RopeDefault, RopeLinear or RopeLlama3
	Factor                        float64
	LowFreqFactor                 float64
	HighFreqFactor                float64
	OriginalMaxPositionEmbeddings int
}

// TokenIDs is a special token that may be several: null, a number or a list.
type TokenIDs []int32

// Limits on what a configuration may ask for: far above any Llama, low enough that
// sizes computed from them do not overflow.
const (
	maxVocab        = 1 << 24
	maxHidden       = 1 << 17
	maxIntermediate = 1 << 20
	maxLayers       = 1 << 10
	maxHeads        = 1 << 12
	maxHeadDim      = 1 << 12
	maxPositions    = 1 << 30
)

// NewLlamaConfig returns the defaults of the format. The sizes are zero: they have to
// be set for the configuration to be valid.
func NewLlamaConfig() *LlamaConfig {
	return &LlamaConfig{
		Architectures:         []string{"LlamaForCausalLM"},
		MaxPositionEmbeddings: 2048,
		RMSNormEps:            1e-6,
		RopeTheta:             10000,
		RopeScaling:           RopeScaling{Type: RopeDefault},
		BOS:                   TokenIDs{1},
		EOS:                   TokenIDs{2},
		Residual:              ResidualLlama,
		Given:                 GivenCausal,
	}
}

// Validate reports the first field whose value is not supported, by its key in the file.
func (c *LlamaConfig) Validate() error {
	for _, size := range []struct {
		key       string
		value, to int
	}{
		{"vocab_size", c.VocabSize, maxVocab},
		{"hidden_size", c.HiddenSize, maxHidden},
		{"intermediate_size", c.IntermediateSize, maxIntermediate},
		{"num_hidden_layers", c.NumHiddenLayers, maxLayers},
		{"num_attention_heads", c.NumAttentionHeads, maxHeads},
		{"num_key_value_heads", c.NumKeyValueHeads, maxHeads},
		{"head_dim", c.HeadDim, maxHeadDim},
		{"max_position_embeddings", c.MaxPositionEmbeddings, maxPositions},
	} {
		if size.value < 1 || size.value > size.to {
			return fmt.Errorf("%s: %d, want 1 to %d", size.key, size.value, size.to)
		}
	}
	if c.NumAttentionHeads%c.NumKeyValueHeads != 0 {
		return fmt.Errorf("num_attention_heads: %d is not a multiple of num_key_value_heads, %d",
			c.NumAttentionHeads, c.NumKeyValueHeads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim: %d is odd, but the rotary embedding turns pairs", c.HeadDim)
	}
	if !(c.RMSNormEps > 0 && c.RMSNormEps <= 0.1) {
		return fmt.Errorf("rms_norm_eps: %g, want above 0 and at most 0.1", c.RMSNormEps)
	}
	if !(c.RopeTheta >= 1 && c.RopeTheta <= 1e12) {
		return fmt.Errorf("rope_theta: %g, want 1 to 1e12", c.RopeTheta)
	}
	if err := c.RopeScaling.validate(); err != nil {
		return fmt.Errorf("rope_scaling: %w", err)
	}
	for _, special := range []struct {
		key string
		ids TokenIDs
	}{{"bos_token_id", c.BOS}, {"eos_token_id", c.EOS}, {"pad_token_id", c.PAD}} {
		for _, id := range special.ids {
			if id < 0 || int(id) >= c.VocabSize {
				return fmt.Errorf("%s: %d is outside the vocabulary of %d", special.key, id, c.VocabSize)
			}
		}
	}
	if c.Residual != ResidualLlama && c.Residual != ResidualOfficial {
		return fmt.Errorf("a3.residual: %s, want %q or %q", quote(c.Residual), ResidualLlama, ResidualOfficial)
	}
	if c.Given != GivenCausal && c.Given != GivenGroup {
		return fmt.Errorf("a3.given: %s, want %q or %q", quote(c.Given), GivenCausal, GivenGroup)
	}
	if c.QueryFile != "" && !isPlainName(c.QueryFile, ".a3") {
		return fmt.Errorf("a3.query_embed: %s, want the plain name of a .a3 file beside config.json", quote(c.QueryFile))
	}
	return nil
}

func (r RopeScaling) validate() error {
	switch r.Type {
	case RopeDefault:
		if r != (RopeScaling{Type: RopeDefault}) {
			return errors.New("rope_type default takes no factors")
		}
		return nil
	case RopeLinear:
		if r != (RopeScaling{Type: RopeLinear, Factor: r.Factor}) {
			return errors.New("rope_type linear takes a factor alone")
		}
		return r.validateFactor()
	case RopeLlama3:
		if err := r.validateFactor(); err != nil {
			return err
		}
		switch {
		case !(r.LowFreqFactor > 0 && r.LowFreqFactor < r.HighFreqFactor && r.HighFreqFactor < math.MaxInt32):
			return fmt.Errorf("low_freq_factor: %g, want above 0 and below high_freq_factor, %g",
				r.LowFreqFactor, r.HighFreqFactor)
		case r.OriginalMaxPositionEmbeddings < 1 || r.OriginalMaxPositionEmbeddings > maxPositions:
			return fmt.Errorf("original_max_position_embeddings: %d, want 1 to %d",
				r.OriginalMaxPositionEmbeddings, maxPositions)
		}
		return nil
	}
	return fmt.Errorf("rope_type: %s is not supported, only %q, %q and %q", quote(r.Type), RopeDefault, RopeLinear, RopeLlama3)
}

func (r RopeScaling) validateFactor() error {
	if !(r.Factor >= 1 && r.Factor <= 1e6) {
		return fmt.Errorf("factor: %g, want 1 to 1e6", r.Factor)
	}
	return nil
}
