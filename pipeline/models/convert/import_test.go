package convert_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/pipeline/models/convert"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

// llama returns a small model whose heads are wider than hidden/heads, with an untied
// head and Llama 3's rotary embedding, and without a query stream.
func llama(t *testing.T) checkpoint.NewModel {
	t.Helper()
	config := model.Config{
		Vocab: 40, Hidden: 32, FFN: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16,
		NormEps: 1e-5, RopeTheta: 500000, MaxPositions: 64, PadToken: -1,
		RopeScaling: &model.RopeScaling{Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositions: 8192},
	}
	m, err := model.New(config, kernels.Best(), kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	m.Params.Init(1, config.Layers)
	weights := slices.DeleteFunc(m.Params.SafeTensors(), func(w checkpoint.Tensor) bool { return w.Name == model.QueryEmbed })
	return checkpoint.NewModel{Config: config.LlamaConfig(), Weights: weights}
}

// write writes a model directory and opens it.
func write(t *testing.T, m checkpoint.NewModel) (dir string, files *checkpoint.Model) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "source")
	if err := checkpoint.WriteModel(t.Context(), dir, m); err != nil {
		t.Fatal(err)
	}
	files, err := checkpoint.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return dir, files
}

// writeGGUF writes a GGUF file.
func writeGGUF(t *testing.T, b *gguftest.Builder) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, b.File(nil), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// ropeFactors are what llama.cpp's converter writes for the scaling of llama.
func ropeFactors(c *checkpoint.LlamaConfig) []float32 {
	r := c.RopeScaling
	var factors []float32
	for i := range c.HeadDim / 2 {
		freq := math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))
		wavelen, orig := 2*math.Pi/freq, float64(r.OriginalMaxPositionEmbeddings)
		switch {
		case wavelen < orig/r.HighFreqFactor:
			factors = append(factors, 1)
		case wavelen > orig/r.LowFreqFactor:
			factors = append(factors, float32(r.Factor))
		default:
			smooth := (orig/wavelen - r.LowFreqFactor) / (r.HighFreqFactor - r.LowFreqFactor)
			factors = append(factors, float32(1/((1-smooth)/r.Factor+smooth)))
		}
	}
	return factors
}

func importTo(t *testing.T, path string, o convert.Options) (dir string, files *checkpoint.Model, r *convert.Result) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "imported")
	r, err := convert.Import(t.Context(), path, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	files, err = checkpoint.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return dir, files, r
}

// A GGUF file becomes the directory that it was converted from: configuration and
// weights, with wide heads, an untied head and stretched frequencies.
func TestGGUF(t *testing.T) {
	_, source := write(t, llama(t))
	b := ggufOf(t, source, nil).Values("rope_freqs.weight", ropeFactors(source.Config), uint64(source.Config.HeadDim/2))
	dir, got, r := importTo(t, writeGGUF(t, b), convert.Options{})
	want := source.Config
	want.TorchDType = "float32"
	wantText, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	gotText, err := got.Config.Encode()
	if err != nil || string(gotText) != string(wantText) {
		t.Errorf("%v, configuration %s, want %s", err, gotText, wantText)
	}
	sameWeights(t, got.Weights, source.Weights)
	if r.Query || r.Tokens != 0 || r.Written["F32"] != r.Parameters {
		t.Errorf("result %+v", r)
	}
	if !strings.HasPrefix(got.Card, "# A model\n") {
		t.Errorf("card %q", got.Card)
	}
	roundTrip(t, dir)
}

// sameWeights compares all tensors, bit for bit as float32.
func sameWeights(t *testing.T, got, want *checkpoint.File) {
	t.Helper()
	if !slices.Equal(got.Names(), want.Names()) {
		t.Fatalf("tensors %q, want %q", got.Names(), want.Names())
	}
	for _, name := range want.Names() {
		a, b := values(t, got, name), values(t, want, name)
		if !slices.Equal(a, b) {
			t.Errorf("%s differs", name)
		}
	}
}

func values(t *testing.T, f *checkpoint.File, name string) []float32 {
	t.Helper()
	info, err := f.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, info.Len())
	if err := f.Float32(name, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Each value of a directory is kept: BF16 stays BF16, F16 becomes F32.
func TestTypes(t *testing.T) {
	m := llama(t)
	for i := range m.Weights {
		if i%2 == 0 {
			m.Weights[i].DType = checkpoint.BF16
		}
	}
	dir, source := write(t, m)
	_, got, r := importTo(t, dir, convert.Options{})
	sameWeights(t, got.Weights, source.Weights)
	for i, w := range m.Weights {
		info, err := got.Weights.Info(w.Name)
		if err != nil || info.DType != w.DType {
			t.Errorf("tensor %d is %s, want %s (%v)", i, info.DType, w.DType, err)
		}
	}
	if r.Stored["BF16"] != r.Written["BF16"] || r.Stored["BF16"] == 0 || r.Stored["BF16"]+r.Stored["F32"] != r.Parameters {
		t.Errorf("result %+v", r)
	}
	for dtype, torch := range map[checkpoint.DType]string{checkpoint.F32: "float32", checkpoint.BF16: "bfloat16"} {
		_, got, _ := importTo(t, dir, convert.Options{DType: dtype})
		if got.Config.TorchDType != torch {
			t.Errorf("%s: torch_dtype %s", dtype, got.Config.TorchDType)
		}
		for _, name := range got.Weights.Names() {
			if info, err := got.Weights.Info(name); err != nil || info.DType != dtype {
				t.Errorf("%s is %s, want %s (%v)", name, info.DType, dtype, err)
			}
		}
		if dtype == checkpoint.F32 {
			sameWeights(t, got.Weights, source.Weights)
		}
	}
}

// Shards become one file, and what follows from the rest is left out.
func TestShards(t *testing.T) {
	m := llama(t)
	m.Config.TieWordEmbeddings = true // the head that is there is left out
	dir, source := write(t, m)
	shards := t.TempDir()
	index := `{"weight_map":{`
	rotary := checkpoint.Tensor{Name: "model.layers.0.self_attn.rotary_emb.inv_freq", DType: checkpoint.F32, Shape: []int{8}, F32: make([]float32, 8)}
	all := append(m.Weights, rotary)
	for i := range 3 {
		var part []checkpoint.Tensor
		for j, w := range all {
			if j%3 == i {
				part = append(part, w)
				index += `"` + w.Name + `":"m-` + string(rune('1'+i)) + `.safetensors",`
			}
		}
		if err := checkpoint.WriteFile(filepath.Join(shards, "m-"+string(rune('1'+i))+".safetensors"), part, nil); err != nil {
			t.Fatal(err)
		}
	}
	index = strings.TrimSuffix(index, ",") + "}}"
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"model.safetensors.index.json": index, "config.json": string(config)} {
		if err := os.WriteFile(filepath.Join(shards, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, got, r := importTo(t, shards, convert.Options{})
	for _, name := range got.Weights.Names() {
		if !slices.Equal(values(t, got.Weights, name), values(t, source.Weights, name)) {
			t.Errorf("%s differs", name)
		}
	}
	if got.Weights.Has("lm_head.weight") || len(r.Notes) != 2 || !strings.Contains(strings.Join(r.Notes, "\n"), "lm_head.weight is left out: the head is tied") {
		t.Errorf("notes %q, tensors %q", r.Notes, got.Weights.Names())
	}
}

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
		"scaling":        {keep, func(b *gguftest.Builder) { b.Text("llama.rope.scaling.type", "yarn") }, `"yarn" by 1 is not supported`},
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
		"shape of factors":   {keep, func(b *gguftest.Builder) { b.Values("rope_freqs.weight", factors[1:], half-1) }, "tensor rope_freqs.weight has shape [7], want [8]"},
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

// An import that is stopped, or may not write, leaves nothing.
func TestImportIsWholeOrNot(t *testing.T) {
	dir, _ := write(t, llama(t))
	parent := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := convert.Options{Progress: func(done, total int) {
		if done > total/2 {
			cancel()
		}
	}}
	if _, err := convert.Import(ctx, dir, filepath.Join(parent, "model"), o); !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped import: error %v", err)
	}
	if left := readDir(t, parent); len(left) > 0 {
		t.Errorf("a stopped import leaves %d files", len(left))
	}
	if _, err := convert.Import(t.Context(), dir, dir, convert.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an import over a model: error %v", err)
	}
}

// Weights are never in memory as a whole: an import holds far less than they take.
func TestImportStreams(t *testing.T) {
	const vocab = 1 << 17
	m := llama(t)
	m.Config.VocabSize = vocab
	for i := range m.Weights {
		if w := &m.Weights[i]; w.Shape[0] == 40 {
			w.Shape = []int{vocab, 32}
			w.F32 = slices.Repeat(w.F32, vocab/40+1)[:vocab*32] // 16 MiB
		}
	}
	dir, source := write(t, m)
	file := writeGGUF(t, ggufOf(t, source, nil).Values("rope_freqs.weight", ropeFactors(source.Config), 8))
	held := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	for _, path := range []string{dir, file} {
		before, most, calls := held(), uint64(0), 0
		o := convert.Options{Progress: func(int, int) {
			if calls++; calls%32 == 0 {
				most = max(most, held())
			}
		}}
		if _, err := convert.Import(t.Context(), path, filepath.Join(t.TempDir(), "model"), o); err != nil {
			t.Fatal(err)
		}
		if most == 0 || most > before+4<<20 {
			t.Errorf("%s: importing 32 MiB of weights holds %d KiB (%d calls)", filepath.Base(path), int64(most-before)>>10, calls)
		}
	}
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
