package convert_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
	"github.com/any-order/a3/pipeline/models/convert"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

func describe(t *testing.T, path string) *convert.Description {
	t.Helper()
	d, err := convert.Describe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A directory and the GGUF file made of it are described alike.
func TestDescribe(t *testing.T) {
	dir, source := write(t, llama(t))
	d := describe(t, dir)
	want := &convert.Description{
		Kind: convert.KindDirectory, Digest: d.Digest, Parameters: 2*40*32 + 2*(2*32+2*64*32+2*32*32+3*64*32) + 32,
		Stored: []convert.Stored{{Type: "F32", Tensors: 21, Values: 27296}},
		Hidden: 32, FFN: 64, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 40, Context: 64,
		RopeTheta: 500000, RopeScale: "llama3 by 8 from 8192 positions, low 1, high 4", Residual: "llama", Given: "causal",
	}
	if !reflect.DeepEqual(d, want) || len(d.Digest) != 64 {
		t.Errorf("described as\n%+v, want\n%+v", d, want)
	}
	b := ggufOf(t, source, nil).Values("rope_freqs.weight", ropeFactors(source.Config), 8)
	got := describe(t, writeGGUF(t, b))
	want.Kind, want.Digest, want.Version, want.Card = convert.KindGGUF, "", 3, got.Card
	if !reflect.DeepEqual(got, want) || !strings.Contains(got.Card, "# A model\n") {
		t.Errorf("the file is described as\n%+v, want\n%+v", got, want)
	}
}

// The training that a model went through stays with it, there and back.
func TestTrainingHistory(t *testing.T) {
	m := llama(t)
	m.History = []checkpoint.TrainingRun{{Seed: 5, Steps: 9, Stages: []checkpoint.TrainedStage{{Name: "first", Tokens: 100}}}}
	dir, _ := write(t, m)
	imported, _, _ := importTo(t, dir, convert.Options{})
	for _, path := range []string{dir, imported} {
		if got := describe(t, path).Training; !reflect.DeepEqual(got, m.History) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	roundTrip(t, imported)
}

// A tokenizer that cannot be used does not keep the rest from being told.
func TestDescribeTokenizer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	if err := modelstest.Write(dir, 1); err != nil {
		t.Fatal(err)
	}
	d := describe(t, dir)
	if !d.Query || d.Tokenizer == nil || d.Tokenizer.Tokens != d.Vocab || d.Tokenizer.BOS != "<|bos|>" || d.Tokenizer.Kind == "" {
		t.Errorf("described as %+v with %+v", d, d.Tokenizer)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	if d := describe(t, dir); d.Tokenizer == nil || d.Tokenizer.Error == "" || d.Hidden != 32 {
		t.Errorf("described as %+v with %+v", d, d.Tokenizer)
	}
	_, source := write(t, llama(t))
	d = describe(t, writeGGUF(t, ggufOf(t, source, nil).Text("tokenizer.ggml.model", "bert").
		Key("tokenizer.ggml.tokens", gguftest.Array, gguftest.U32(gguftest.String), gguftest.U64(1), gguftest.Str("a"))))
	if d.Tokenizer == nil || !strings.Contains(d.Tokenizer.Error, `"bert"`) {
		t.Errorf("a tokenizer of another kind: %+v", d.Tokenizer)
	}
}

// A checkpoint tells where its run stood, and so does the run's directory.
func TestDescribeCheckpoint(t *testing.T) {
	m, err := modelstest.New(1)
	if err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(t.TempDir(), "run")
	store, err := checkpoint.OpenStore(run)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var params []checkpoint.Param
	for _, w := range m.Weights {
		params = append(params, checkpoint.Param{Name: w.Name, Shape: w.Shape, Value: w.F32})
	}
	state := &checkpoint.State{
		Manifest: checkpoint.Manifest{Step: 7, Seed: 3, Curriculum: "ltr", Losses: map[string]float64{"train": 2.5}, Tool: "test"},
		Config:   m.Config, Params: params, Tokenizer: m.Tokenizer,
	}
	if _, err := store.Save(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{run, filepath.Join(run, "step-00000007")} {
		d := describe(t, path)
		if c := d.Checkpoint; d.Kind != convert.KindCheckpoint || c == nil || c.Step != 7 || c.Seed != 3 || c.Losses["train"] != 2.5 || d.Tokenizer == nil {
			t.Errorf("%s is described as %+v with %+v", path, d, d.Checkpoint)
		}
	}
	if err := os.Truncate(filepath.Join(run, "step-00000007", "optimizer.safetensors"), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Describe(t.Context(), run); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged checkpoint: error %v", err)
	}
	if _, err := convert.Describe(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty directory: error %v", err)
	}
}
