package convert

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf"
	"github.com/any-order/a3/tokenize"
)

const (
	architecture = "llama"
	ropeFactors  = "rope_freqs.weight"
)

// keys reads metadata. The first error sticks, so that a reader lists its keys and asks
// once.
type keys struct {
	*gguf.Metadata
	err error
}

// get returns the value of a key, or otherwise if there is none.
func get[T any](k *keys, key string, getter func(*gguf.Metadata, string) (T, error), otherwise T) T {
	value, err := getter(k.Metadata, key)
	if err == nil {
		return value
	}
	if !errors.Is(err, gguf.ErrNoKey) && k.err == nil {
		k.err = err
	}
	return otherwise
}

// size returns an integer that must be there.
func (k *keys) size(name string) int {
	key := architecture + "." + name
	if !k.Has(key) && k.err == nil {
		k.err = fmt.Errorf("key %q: %w", key, gguf.ErrNoKey)
	}
	return k.sizeOr(name, 0)
}

// sizeOr is size for a key that may be missing.
func (k *keys) sizeOr(name string, otherwise int) int {
	key := architecture + "." + name
	n := get(k, key, (*gguf.Metadata).Int, int64(otherwise))
	if n < 0 || n > math.MaxInt32 {
		k.fail(key, "%d, want 0 to %d", n, math.MaxInt32)
		return 0
	}
	return int(n)
}

// float returns a number as it was written before it became a float32: 1e-05, not
// 9.999999747378752e-06.
func (k *keys) float(name string, otherwise float64) float64 {
	v := get(k, architecture+"."+name, (*gguf.Metadata).Float, otherwise)
	if float64(float32(v)) != v {
		return v
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', -1, 32), 64)
	if err != nil {
		return v
	}
	return short
}

func (k *keys) text(key, otherwise string) string {
	return get(k, key, (*gguf.Metadata).String, otherwise)
}

func (k *keys) fail(key, format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("key %q: %w", key, fmt.Errorf(format, args...))
	}
}

// llamaConfig makes a config.json of the metadata.
func llamaConfig(f *gguf.File) (*checkpoint.LlamaConfig, error) {
	k := &keys{Metadata: f.Metadata()}
	if arch := k.text("general.architecture", ""); arch != architecture && k.err == nil {
		k.fail("general.architecture", "%q is not supported, only %q", arch, architecture)
	}
	if parts := get(k, "split.count", (*gguf.Metadata).Int, 1); parts > 1 {
		k.fail("split.count", "the model is split into %d files: join them with llama-gguf-split --merge", parts)
	}
	c := checkpoint.NewLlamaConfig()
	c.HiddenSize = k.size("embedding_length")
	c.IntermediateSize = k.size("feed_forward_length")
	c.NumHiddenLayers = k.size("block_count")
	c.NumAttentionHeads = k.size("attention.head_count")
	c.NumKeyValueHeads = k.sizeOr("attention.head_count_kv", c.NumAttentionHeads)
	c.MaxPositionEmbeddings = k.size("context_length")
	if k.err == nil && (c.NumAttentionHeads < 1 || c.HiddenSize%c.NumAttentionHeads != 0 && !k.Has(architecture+".attention.key_length")) {
		k.fail(architecture+".attention.head_count", "%d do not divide an embedding_length of %d", c.NumAttentionHeads, c.HiddenSize)
	}
	if k.err != nil {
		return nil, k.err
	}
	c.HeadDim = k.sizeOr("attention.key_length", c.HiddenSize/c.NumAttentionHeads)
	if n := k.sizeOr("attention.value_length", c.HeadDim); n != c.HeadDim {
		k.fail(architecture+".attention.value_length", "%d differs from key_length, %d", n, c.HeadDim)
	}
	if n := k.sizeOr("rope.dimension_count", c.HeadDim); n != c.HeadDim {
		k.fail(architecture+".rope.dimension_count", "%d of the %d components of a head: partial rotary embeddings are not supported", n, c.HeadDim)
	}
	c.RMSNormEps = k.float("attention.layer_norm_rms_epsilon", 0)
	c.RopeTheta = k.float("rope.freq_base", 10000)
	embedding, err := f.Info("token_embd.weight")
	if err != nil {
		return nil, err
	}
	c.VocabSize = embedding.Shape[0]
	c.TieWordEmbeddings = !f.Has("output.weight")
	c.BOS, c.EOS, c.PAD = k.token("bos"), k.token("eos"), k.token("padding")
	c.RopeScaling = k.scaling()
	k.refuseExperts()
	k.refuseUnknown()
	if k.err != nil {
		return nil, k.err
	}
	if f.Has(ropeFactors) {
		if c.RopeScaling, err = llama3Scaling(f, c); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", ropeFactors, err)
		}
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("the metadata, as a config.json: %w", err)
	}
	return c, nil
}

// token returns a special token, if the file has it.
func (k *keys) token(name string) checkpoint.TokenIDs {
	key := "tokenizer.ggml." + name + "_token_id"
	id := get(k, key, (*gguf.Metadata).Int, -1)
	if id > math.MaxInt32 || id < 0 {
		return nil // 2^32-1 is "none"
	}
	return checkpoint.TokenIDs{int32(id)}
}

// scaling returns the scaling of the rotary embedding that the keys ask for; Llama-3's is
// a tensor.
func (k *keys) scaling() checkpoint.RopeScaling {
	none := checkpoint.RopeScaling{Type: checkpoint.RopeDefault}
	kind := k.text(architecture+".rope.scaling.type", "none")
	factor := k.float("rope.scaling.factor", 1)
	if old := k.float("rope.scale_linear", 1); old != 1 {
		kind, factor = "linear", old
	}
	switch {
	case kind == "none", kind == "linear" && factor == 1:
		return none
	case kind == "linear":
		return checkpoint.RopeScaling{Type: checkpoint.RopeLinear, Factor: factor}
	}
	k.fail(architecture+".rope.scaling.type", "%q is not supported, only \"linear\" and Llama-3's", kind)
	return none
}

// refuseExperts refuses mixtures of experts.
func (k *keys) refuseExperts() {
	if n := k.sizeOr("expert_count", 0); n != 0 {
		k.fail(architecture+".expert_count", "%d: mixtures of experts are not supported", n)
	}
}

// knownKeys are those of the architecture whose value is used, or tells nothing new.
var knownKeys = []string{
	"attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.layer_norm_rms_epsilon",
	"attention.value_length", "block_count", "context_length", "embedding_length", "expert_count", "expert_used_count",
	"feed_forward_length", "rope.dimension_count", "rope.freq_base", "rope.scale_linear", "rope.scaling.factor",
	"rope.scaling.finetuned", "rope.scaling.original_context_length", "rope.scaling.type", "tensor_data_layout", "vocab_size",
}

// refuseUnknown refuses keys that may change what the model computes.
func (k *keys) refuseUnknown() {
	for _, key := range k.Keys() {
		if name, ok := strings.CutPrefix(key, architecture+"."); ok && !slices.Contains(knownKeys, name) {
			k.fail(key, "is not known here, and may change what the model computes")
		}
	}
}

// llama3Scaling finds the scaling of Llama 3 behind the factors by which the converter
// has frequencies divided. Only the ratios of its parameters can be told from them; those
// of all published models are tried.
func llama3Scaling(f *gguf.File, c *checkpoint.LlamaConfig) (r checkpoint.RopeScaling, err error) {
	if c.RopeScaling.Type != checkpoint.RopeDefault {
		return r, fmt.Errorf("the metadata asks for another scaling, %s", c.RopeScaling.Type)
	}
	info, err := f.Info(ropeFactors)
	if err != nil {
		return r, err
	}
	if !slices.Equal(info.Shape, []int{c.HeadDim / 2}) {
		return r, fmt.Errorf("shape %v, want [%d]", info.Shape, c.HeadDim/2)
	}
	factors := make([]float32, c.HeadDim/2)
	if err := f.Float32At(ropeFactors, 0, factors); err != nil {
		return r, err
	}
	r = checkpoint.RopeScaling{
		Type: checkpoint.RopeLlama3, Factor: float64(slices.Max(factors)),
		LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 8192,
	}
	if !isLlama3(r, c.RopeTheta, factors) {
		return r, fmt.Errorf("the factors %v are not those of Llama 3 (low_freq_factor 1, high_freq_factor 4, original_max_position_embeddings 8192)", factors)
	}
	return r, nil
}

// isLlama3 compares the factors with those of a scaling.
func isLlama3(r checkpoint.RopeScaling, theta float64, factors []float32) bool {
	for i, got := range factors {
		wavelength := 2 * math.Pi * math.Pow(theta, float64(i)/float64(len(factors)))
		turns := float64(r.OriginalMaxPositionEmbeddings) / wavelength
		smooth := min(max((turns-r.LowFreqFactor)/(r.HighFreqFactor-r.LowFreqFactor), 0), 1)
		want := 1 / ((1-smooth)/r.Factor + smooth)
		if !(math.Abs(float64(got)-want) <= 1e-5*want) {
			return false
		}
	}
	return true
}

func hasTokenizer(m *gguf.Metadata) bool { return m.Has("tokenizer.ggml.model") }

// ggufTokenizer makes a tokenizer of the metadata.
func ggufTokenizer(m *gguf.Metadata) (*tokenize.Tokenizer, error) {
	const prefix = "tokenizer.ggml."
	k := &keys{Metadata: m}
	id := func(name string) *int32 {
		if ids := k.token(name); ids != nil {
			return &ids[0]
		}
		return nil
	}
	flag := func(name string) *bool {
		if !m.Has(prefix + name) {
			return nil
		}
		value := get(k, prefix+name, (*gguf.Metadata).Bool, false)
		return &value
	}
	g := tokenize.GGUF{
		Model:  k.text(prefix+"model", ""),
		Pre:    k.text(prefix+"pre", ""),
		Tokens: get(k, prefix+"tokens", (*gguf.Metadata).Strings, nil),
		Scores: get(k, prefix+"scores", (*gguf.Metadata).Float32s, nil),
		Types:  get(k, prefix+"token_type", (*gguf.Metadata).Int32s, nil),
		Merges: get(k, prefix+"merges", (*gguf.Metadata).Strings, nil),
		BOS:    id("bos"), EOS: id("eos"), Unknown: id("unknown"),
		AddBOS: flag("add_bos_token"), AddEOS: flag("add_eos_token"), AddSpacePrefix: flag("add_space_prefix"),
	}
	if k.err != nil {
		return nil, k.err
	}
	return tokenize.FromGGUF(g)
}
