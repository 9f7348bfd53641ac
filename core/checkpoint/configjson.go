package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

const (
	maxConfigBytes = 1 << 20
	a3Format       = 1 // "a3.format": how the keys under "a3" are to be read
)

// ErrVersion means that a file was written by a newer version of this program. Use
// that version; the file is not damaged.
var ErrVersion = errors.New("the format is newer than this program")

// ParseConfig reads a config.json. Missing keys have Hugging Face's defaults, except
// the sizes, which must be there. Errors name the key.
func ParseConfig(text []byte) (*LlamaConfig, error) {
	c, err := parseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return c, nil
}

func parseConfig(text []byte) (*LlamaConfig, error) {
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are supported", len(text), maxConfigBytes)
	}
	c := NewLlamaConfig()
	c.Architectures = nil
	f := newFields(text)
	if f.err != nil {
		return nil, f.err
	}
	// First what tells that it is another kind of model: its sizes have other names.
	modelType, act := "llama", "silu"
	if take(f, "model_type", &modelType); modelType != "llama" {
		f.fail("model_type", "%s is not supported, only \"llama\"", quote(modelType))
	}
	if take(f, "hidden_act", &act); act != "silu" && act != "swish" { // two names of one function
		f.fail("hidden_act", "%s is not supported, only \"silu\"", quote(act))
	}
	for _, key := range []string{"attention_bias", "mlp_bias"} {
		var bias bool
		if take(f, key, &bias); bias {
			f.fail(key, "true is not supported: linear maps have no bias here")
		}
	}
	if raw, ok := f.rest["quantization_config"]; ok && !isNull(raw) {
		f.fail("quantization_config", "quantised weights are not supported: use the model's F32, F16 or BF16 version")
	}

	take(f, "architectures", &c.Architectures)
	take(f, "dtype", &c.TorchDType) // the newer name
	take(f, "torch_dtype", &c.TorchDType)
	need(f, "vocab_size", &c.VocabSize)
	need(f, "hidden_size", &c.HiddenSize)
	need(f, "intermediate_size", &c.IntermediateSize)
	need(f, "num_hidden_layers", &c.NumHiddenLayers)
	need(f, "num_attention_heads", &c.NumAttentionHeads)
	if !take(f, "num_key_value_heads", &c.NumKeyValueHeads) {
		c.NumKeyValueHeads = c.NumAttentionHeads
	}
	if !take(f, "head_dim", &c.HeadDim) && f.err == nil {
		if c.NumAttentionHeads < 1 || c.HiddenSize%c.NumAttentionHeads != 0 {
			f.fail("hidden_size", "%d is not a multiple of num_attention_heads, %d, and there is no head_dim",
				c.HiddenSize, c.NumAttentionHeads)
		} else {
			c.HeadDim = c.HiddenSize / c.NumAttentionHeads
		}
	}
	take(f, "max_position_embeddings", &c.MaxPositionEmbeddings)
	take(f, "rms_norm_eps", &c.RMSNormEps)
	take(f, "tie_word_embeddings", &c.TieWordEmbeddings)
	takeIDs(f, "bos_token_id", &c.BOS)
	takeIDs(f, "eos_token_id", &c.EOS)
	takeIDs(f, "pad_token_id", &c.PAD)
	if len(c.PAD) == 1 && c.PAD[0] == -1 { // older conversions write "none" so
		c.PAD = nil
	}
	c.takeRope(f)
	c.takeA3(f)
	if f.err != nil {
		return nil, f.err
	}
	if len(f.rest) > 0 {
		c.Extra = f.rest
	}
	return c, c.Validate()
}

// takeRope reads the rotary embedding from rope_theta and rope_scaling, from
// rope_parameters, which newer files have instead, or from both if they agree.
func (c *LlamaConfig) takeRope(f *fields) {
	hasTheta := take(f, "rope_theta", &c.RopeTheta)
	found := ""
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		raw, ok := f.rest[key]
		delete(f.rest, key)
		if !ok || isNull(raw) || f.err != nil {
			continue
		}
		scaling, theta, err := parseRope(raw)
		switch {
		case err != nil:
			f.fail(key, "%w", err)
		case theta != 0 && hasTheta && theta != c.RopeTheta:
			f.fail(key, "rope_theta %g differs from the one before, %g", theta, c.RopeTheta)
		case found != "" && scaling != c.RopeScaling:
			f.fail(key, "differs from %s", found)
		}
		found, c.RopeScaling = key, scaling
		if theta != 0 {
			hasTheta, c.RopeTheta = true, theta
		}
	}
}

// parseRope reads the object of rope_scaling or rope_parameters. An unknown key is an
// error, because whatever it does, it changes what the model computes. theta is 0 if
// there is none.
func parseRope(raw json.RawMessage) (r RopeScaling, theta float64, err error) {
	f := newFields(raw)
	if f.err != nil {
		return r, 0, f.err
	}
	r.Type = RopeDefault
	legacy := ""
	if take(f, "type", &legacy) {
		r.Type = legacy
	}
	if take(f, "rope_type", &r.Type) && legacy != "" && legacy != r.Type {
		f.fail("rope_type", "%s differs from type, %s", quote(r.Type), quote(legacy))
	}
	if take(f, "rope_theta", &theta) && !(theta >= 1) {
		f.fail("rope_theta", "%g, want 1 or more", theta)
	}
	partial := 1.0
	if take(f, "partial_rotary_factor", &partial); partial != 1 {
		f.fail("partial_rotary_factor", "%g is not supported, only 1", partial)
	}
	switch r.Type {
	case RopeDefault:
	case RopeLinear:
		need(f, "factor", &r.Factor)
	case RopeLlama3:
		need(f, "factor", &r.Factor)
		need(f, "low_freq_factor", &r.LowFreqFactor)
		need(f, "high_freq_factor", &r.HighFreqFactor)
		need(f, "original_max_position_embeddings", &r.OriginalMaxPositionEmbeddings)
	default:
		if f.err == nil {
			return r, 0, r.validate() // before its own keys count as unknown
		}
	}
	if err := f.done(); err != nil {
		return r, 0, err
	}
	return r, theta, r.validate()
}

func (c *LlamaConfig) takeA3(f *fields) {
	raw, ok := f.rest["a3"]
	delete(f.rest, "a3")
	if !ok || f.err != nil {
		return
	}
	own := newFields(raw)
	format := a3Format
	if take(own, "format", &format); format > a3Format {
		own.fail("format", "%d, this program reads %d: %w", format, a3Format, ErrVersion)
	} else if format < 1 {
		own.fail("format", "%d, want %d", format, a3Format)
	}
	take(own, "residual", &c.Residual)
	take(own, "given", &c.Given)
	take(own, "query_embed", &c.QueryFile)
	if err := own.done(); err != nil {
		f.fail("a3", "%w", err)
	}
}

// takeIDs reads null, a number or a list. Unlike elsewhere null is a value: none.
func takeIDs(f *fields, key string, dst *TokenIDs) {
	if raw, ok := f.rest[key]; ok && isNull(raw) {
		delete(f.rest, key)
		*dst = nil
		return
	}
	if raw := bytes.TrimSpace(f.rest[key]); len(raw) > 0 && raw[0] == '[' {
		var ids []int32
		if take(f, key, &ids) {
			*dst = nil
			if len(ids) > 0 {
				*dst = ids
			}
		}
		return
	}
	var id int32
	if take(f, key, &id) {
		*dst = TokenIDs{id}
	}
}

// MarshalJSON writes null, a number or a list.
func (t TokenIDs) MarshalJSON() ([]byte, error) {
	switch len(t) {
	case 0:
		return []byte("null"), nil
	case 1:
		return json.Marshal(t[0])
	}
	return json.Marshal([]int32(t))
}

// Encode returns the text of config.json: sorted keys, the older rope keys, which all
// versions of transformers read, and the unknown keys as they were.
func (c *LlamaConfig) Encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	var scaling any // null for the default, as transformers writes it
	switch r := c.RopeScaling; r.Type {
	case RopeLinear:
		scaling = map[string]any{"rope_type": r.Type, "factor": r.Factor}
	case RopeLlama3:
		scaling = map[string]any{
			"rope_type":                        r.Type,
			"factor":                           r.Factor,
			"low_freq_factor":                  r.LowFreqFactor,
			"high_freq_factor":                 r.HighFreqFactor,
			"original_max_position_embeddings": r.OriginalMaxPositionEmbeddings,
		}
	}
	keys := map[string]any{
		"model_type":              "llama",
		"hidden_act":              "silu",
		"attention_bias":          false,
		"mlp_bias":                false,
		"vocab_size":              c.VocabSize,
		"hidden_size":             c.HiddenSize,
		"intermediate_size":       c.IntermediateSize,
		"num_hidden_layers":       c.NumHiddenLayers,
		"num_attention_heads":     c.NumAttentionHeads,
		"num_key_value_heads":     c.NumKeyValueHeads,
		"head_dim":                c.HeadDim,
		"max_position_embeddings": c.MaxPositionEmbeddings,
		"rms_norm_eps":            c.RMSNormEps,
		"rope_theta":              c.RopeTheta,
		"rope_scaling":            scaling,
		"tie_word_embeddings":     c.TieWordEmbeddings,
		"bos_token_id":            c.BOS,
		"eos_token_id":            c.EOS,
		"pad_token_id":            c.PAD,
	}
	own := map[string]any{"residual": c.Residual, "given": c.Given, "format": a3Format}
	if c.QueryFile != "" {
		own["query_embed"] = c.QueryFile
	}
	keys["a3"] = own
	if c.TorchDType != "" {
		keys["torch_dtype"] = c.TorchDType
	}
	if len(c.Architectures) > 0 {
		keys["architectures"] = c.Architectures
	}
	all := make(map[string]any, len(keys)+len(c.Extra))
	for key, raw := range c.Extra {
		all[key] = raw
	}
	maps.Copy(all, keys) // a known key is never taken from Extra
	text, err := encodeJSON(all)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return text, nil
}

// encodeJSON writes indented JSON that ends in a newline, with < and & as they are.
func encodeJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return out.Bytes(), err
}
