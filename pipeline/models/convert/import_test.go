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

// A linear scaling has two keys, and an older one.
func TestGGUFLinearScaling(t *testing.T) {
	_, source := write(t, llama(t))
	for _, add := range []func(*gguftest.Builder){
		func(b *gguftest.Builder) {
			b.Text("llama.rope.scaling.type", "linear").Float("llama.rope.scaling.factor", 2.5)
		},
		func(b *gguftest.Builder) { b.Float("llama.rope.scale_linear", 2.5) },
	} {
		b := ggufOf(t, source, nil)
		add(b)
		dir, got, _ := importTo(t, writeGGUF(t, b), convert.Options{})
		if want := (checkpoint.RopeScaling{Type: checkpoint.RopeLinear, Factor: 2.5}); got.Config.RopeScaling != want {
			t.Errorf("scaling %+v, want %+v", got.Config.RopeScaling, want)
		}
		roundTrip(t, dir)
	}
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

// BF16 of a GGUF file stays BF16, beside norms in F32.
func TestGGUFKeepsBF16(t *testing.T) {
	m := llama(t)
	norms := 0
	for i := range m.Weights {
		if w := &m.Weights[i]; len(w.Shape) == 2 {
			w.DType = checkpoint.BF16
		} else {
			norms += len(w.F32)
		}
	}
	_, source := write(t, m)
	b := ggufOf(t, source, nil).Values("rope_freqs.weight", ropeFactors(source.Config), 8)
	_, got, r := importTo(t, writeGGUF(t, b), convert.Options{})
	sameWeights(t, got.Weights, source.Weights)
	if got.Config.TorchDType != "bfloat16" || r.Written["F32"] != norms || r.Written["BF16"] != r.Parameters-norms || r.Stored["BF16"] != r.Written["BF16"] {
		t.Errorf("torch_dtype %s, result %+v", got.Config.TorchDType, r)
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
