package convert_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
	"github.com/any-order/a3/pipeline/models/convert"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

// What a GGUF file must not be.
func TestGGUFRefused(t *testing.T) {
	_, source := write(t, llama(t))
	keep := func(name string, v []float32) []float32 { return v }
	without := func(which string) func(string, []float32) []float32 {
		return func(name string, v []float32) []float32 {
			if name == which {
				return nil
			}
			return v
		}
	}
	factors := ropeFactors(source.Config)
	half := uint64(len(factors))
	for name, c := range map[string]struct {
		change func(string, []float32) []float32
		add    func(b *gguftest.Builder)
		want   string
	}{
		"architecture":    {nil, func(b *gguftest.Builder) { *b = *gguftest.New().Text("general.architecture", "gpt2") }, `"gpt2" is not supported, only "llama"`},
		"no architecture": {nil, func(b *gguftest.Builder) { *b = *gguftest.New() }, `key "general.architecture": ""`},
		"no sizes":        {nil, func(b *gguftest.Builder) { *b = *gguftest.New().Text("general.architecture", "llama") }, `key "llama.embedding_length": there is no such key`},
		"negative size": {nil, func(b *gguftest.Builder) {
			*b = *gguftest.New().Text("general.architecture", "llama").Key("llama.embedding_length", gguftest.Int32, gguftest.U32(math.MaxUint32))
		}, `key "llama.embedding_length": -1, want 0 to`},
		"size is text": {nil, func(b *gguftest.Builder) {
			*b = *gguftest.New().Text("general.architecture", "llama").Text("llama.embedding_length", "64")
		}, `key "llama.embedding_length": want an integer`},
		"split":          {keep, func(b *gguftest.Builder) { b.Int("split.count", 2) }, "llama-gguf-split --merge"},
		"experts":        {keep, func(b *gguftest.Builder) { b.Int("llama.expert_count", 8) }, "mixtures of experts"},
		"scaling":        {keep, func(b *gguftest.Builder) { b.Text("llama.rope.scaling.type", "yarn") }, `"yarn" is not supported`},
		"unknown key":    {keep, func(b *gguftest.Builder) { b.Int("llama.attention.sliding_window", 4096) }, `key "llama.attention.sliding_window": is not known here`},
		"no embeddings":  {without("token_embd.weight"), func(*gguftest.Builder) {}, `no tensor "token_embd.weight"`},
		"missing tensor": {without("blk.1.ffn_up.weight"), func(*gguftest.Builder) {}, `no tensor "blk.1.ffn_up.weight"`},
		"bias":           {keep, func(b *gguftest.Builder) { b.Values("blk.0.attn_q.bias", make([]float32, 64), 64) }, "tensor blk.0.attn_q.bias: linear maps have no bias"},
		"another tensor": {keep, func(b *gguftest.Builder) { b.Values("blk.0.ffn_gate_inp.weight", make([]float32, 64), 32, 2) }, "tensor blk.0.ffn_gate_inp.weight belongs to no Llama"},
		"shape":          {without("blk.0.attn_k.weight"), func(b *gguftest.Builder) { b.Values("blk.0.attn_k.weight", make([]float32, 32), 32) }, "tensor blk.0.attn_k.weight has shape [32], the metadata wants [32 32]"},
		"rope factors":   {keep, func(b *gguftest.Builder) { b.Values("rope_freqs.weight", make([]float32, half), half) }, "tensor rope_freqs.weight: the factors"},
		"NaN factor": {keep, func(b *gguftest.Builder) {
			b.Values("rope_freqs.weight", append(slices.Clone(factors[1:]), float32(math.NaN())), half)
		}, "tensor rope_freqs.weight: the factors"},
		"two scalings": {keep, func(b *gguftest.Builder) {
			b.Text("llama.rope.scaling.type", "linear").Float("llama.rope.scaling.factor", 4).Values("rope_freqs.weight", factors, half)
		}, "tensor rope_freqs.weight: the metadata asks for another scaling, linear"},
		"shape of factors":   {keep, func(b *gguftest.Builder) { b.Values("rope_freqs.weight", factors[1:], half-1) }, "tensor rope_freqs.weight: shape [7], want [8]"},
		"tokenizer":          {keep, func(b *gguftest.Builder) { b.Text("tokenizer.ggml.model", "bert") }, "tokenizer.ggml"},
		"tokens of one type": {keep, func(b *gguftest.Builder) { b.Text("tokenizer.ggml.model", "gpt2").Int("tokenizer.ggml.tokens", 1) }, `key "tokenizer.ggml.tokens": want an array of strings`},
		"NaN": {func(name string, v []float32) []float32 {
			if name == "blk.1.attn_q.weight" {
				v[33] = float32(math.NaN())
			}
			return v
		}, func(*gguftest.Builder) {}, `tensor "model.layers.1.self_attn.q_proj.weight": element`},
		"infinity": {func(name string, v []float32) []float32 {
			if name == "output.weight" {
				v[3] = float32(math.Inf(-1))
			}
			return v
		}, func(*gguftest.Builder) {}, `tensor "lm_head.weight": element 3 is -Inf`},
	} {
		t.Run(name, func(t *testing.T) {
			b := gguftest.New()
			if c.change != nil {
				b = ggufOf(t, source, c.change)
			}
			c.add(b)
			refused(t, writeGGUF(t, b), c.want)
		})
	}
}

// refused wants an error from an import that leaves nothing behind.
func refused(t *testing.T, path, want string) {
	t.Helper()
	parent := t.TempDir()
	_, err := convert.Import(t.Context(), path, filepath.Join(parent, "model"), convert.Options{})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q in it", err, want)
	}
	if left := readDir(t, parent); len(left) > 0 {
		t.Errorf("%d files are left behind", len(left))
	}
}

func TestDirectoryRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *checkpoint.NewModel)
		want   string
	}{
		"missing": {func(m *checkpoint.NewModel) { m.Weights = m.Weights[1:] }, `no tensor "model.embed_tokens.weight"`},
		"more": {func(m *checkpoint.NewModel) {
			m.Weights = append(m.Weights, checkpoint.Tensor{Name: "model.layers.2.input_layernorm.weight", DType: checkpoint.F32, F32: []float32{1}})
		}, "tensor model.layers.2.input_layernorm.weight belongs to no Llama"},
		"shape": {func(m *checkpoint.NewModel) { m.Config.VocabSize = 41 }, "tensor model.embed_tokens.weight has shape [40 32], config.json wants [41 32]"},
		"type": {func(m *checkpoint.NewModel) {
			w := &m.Weights[0]
			*w = checkpoint.Tensor{Name: w.Name, DType: checkpoint.I64, Shape: w.Shape, I64: make([]int64, len(w.F32))}
		}, "tensor model.embed_tokens.weight is I64; weights are F32, F16 or BF16"},
		"torn tokenizer":  {func(m *checkpoint.NewModel) { m.Tokenizer = []byte("{") }, "tokenizer.json: "},
		"large tokenizer": {func(m *checkpoint.NewModel) { m.Tokenizer = vocabulary(t) }, "the tokenizer has 306 tokens, the model only 40"},
	} {
		t.Run(name, func(t *testing.T) {
			m := llama(t)
			c.change(&m)
			dir, _ := write(t, m)
			refused(t, dir, c.want)
		})
	}
}

// Shards that lead to each other, to themselves or nowhere, and weights that are no numbers.
func TestHostileDirectories(t *testing.T) {
	const index = "model.safetensors.index.json"
	dir, _ := write(t, llama(t))
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	nan := slices.Clone(weights)
	copy(nan[len(nan)-4:], []byte{0, 0, 0xc0, 0x7f})
	huge := slices.Clone(weights)
	copy(huge, gguftest.U64(1<<30))
	for name, c := range map[string]struct {
		files map[string]string
		links map[string]string
		want  string
	}{
		"index of itself":       {map[string]string{index: `{"weight_map":{"a":"` + index + `"}}`}, nil, "want the plain name of a .safetensors file"},
		"index outside":         {map[string]string{index: `{"weight_map":{"a":"../model.safetensors"}}`}, nil, "want the plain name of a .safetensors file"},
		"shard missing":         {map[string]string{index: `{"weight_map":{"a":"m.safetensors"}}`}, nil, "no such file"},
		"tensor twice in index": {map[string]string{index: `{"weight_map":{"a":"m.safetensors","a":"n.safetensors"}}`}, nil, `key "a" occurs twice`},
		"tensor in two shards": {map[string]string{
			index:           `{"weight_map":{"lm_head.weight":"m.safetensors","model.norm.weight":"n.safetensors"}}`,
			"m.safetensors": string(weights), "n.safetensors": string(weights),
		}, nil, "should not be here"},
		"links in a circle":    {nil, map[string]string{"model.safetensors": "m.safetensors", "m.safetensors": "model.safetensors"}, "model.safetensors"},
		"shard links":          {map[string]string{index: `{"weight_map":{"a":"m.safetensors"}}`}, map[string]string{"m.safetensors": "m.safetensors"}, "m.safetensors"},
		"NaN":                  {map[string]string{"model.safetensors": string(nan)}, nil, "is NaN"},
		"header of a gigabyte": {map[string]string{"model.safetensors": string(huge)}, nil, "header: length 1073741824"},
		"truncated":            {map[string]string{"model.safetensors": string(weights[:len(weights)/2])}, nil, "data_offsets"},
		"a directory":          {map[string]string{"model.safetensors/x": ""}, nil, "model.safetensors"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range c.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			for from, to := range c.links {
				if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
					t.Skip("no symbolic links here:", err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o666); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, c.want)
		})
	}
}

func vocabulary(t *testing.T) []byte {
	t.Helper()
	tok, err := modelstest.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	text, err := tok.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestExportRefusesOfficial(t *testing.T) {
	m := llama(t)
	m.Config.Residual = checkpoint.ResidualOfficial
	dir, _ := write(t, m)
	_, err := convert.Export(t.Context(), dir, filepath.Join(t.TempDir(), "model"), convert.Options{})
	if err == nil || !strings.Contains(err.Error(), "residual official") || !strings.Contains(err.Error(), "train with residual: llama") {
		t.Errorf("error %v", err)
	}
}
