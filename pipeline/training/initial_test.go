package training_test

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/training"
)

// openModel opens the model that a run in dir left.
func openModel(t *testing.T, dir string) *checkpoint.Model {
	t.Helper()
	m, err := checkpoint.OpenModel(filepath.Join(dir, "model"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// A run that starts from a model takes its shape and goes on from what it knows.
func TestFromModel(t *testing.T) {
	first := t.TempDir()
	was := mustRun(t, newJob(t, first, nil))
	from := openModel(t, first)

	dir := t.TempDir()
	start := func(j *training.Job) {
		j.Init, j.Config.Model = from, training.Default().Model
		j.Config.Optimizer.Steps, j.Config.Optimizer.Warmup = 1, 0
		j.Config.Optimizer.LR, j.Config.Optimizer.MinLR = 1e-9, 0
	}
	out := mustRun(t, newJob(t, dir, start))
	for name, want := range final(was) {
		// The model was stored in bfloat16.
		if got := final(out)[name]; math.Abs(got-want) > 0.01*want {
			t.Errorf("%s: loss %v after a step of no length, the model had %v", name, got, want)
		}
	}
	if got, want := *openModel(t, dir).Config, *from.Config; got.HiddenSize != want.HiddenSize || got.NumHiddenLayers != want.NumHiddenLayers || got.MaxPositionEmbeddings != want.MaxPositionEmbeddings {
		t.Errorf("the shape is %+v, that of the model to start from %+v", got, want)
	}

	mustRun(t, newJob(t, dir, start)) // its own checkpoint, at the end
	second := t.TempDir()
	mustRun(t, newJob(t, second, func(j *training.Job) { j.Config.Seed = 9 }))
	other := openModel(t, second)
	var mismatch *training.MismatchError
	if _, err := newJob(t, dir, func(j *training.Job) { start(j); j.Init = other }).Run(t.Context()); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "init was ") {
		t.Errorf("resumed from another model: %v", err)
	}
}

func TestFromModelRefuses(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, newJob(t, dir, nil))
	from := openModel(t, dir)
	other := *from.Config
	other.VocabSize--
	from.Config = &other
	_, err := newJob(t, t.TempDir(), func(j *training.Job) { j.Init = from }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "use the tokenizer of the model") {
		t.Errorf("a tokenizer of more tokens: %v", err)
	}
	other.VocabSize++
	other.IntermediateSize++
	_, err = newJob(t, t.TempDir(), func(j *training.Job) { j.Init = from }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "model to start from: ") || !strings.Contains(err.Error(), "shape") {
		t.Errorf("weights of another shape: %v", err)
	}
}

// A model whose vocabulary was padded to a round number has more rows than its tokenizer
// has tokens; it trains as it is, and keeps them.
func TestFromPaddedVocabulary(t *testing.T) {
	first := t.TempDir()
	mustRun(t, newJob(t, first, nil))
	whole := openModel(t, first)
	padded := *whole.Config
	padded.VocabSize += 20
	var tensors []checkpoint.Tensor
	for _, name := range whole.Weights.Names() {
		info, err := whole.Weights.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		values, shape := floats(t, whole, name), info.Shape
		if name == "model.embed_tokens.weight" {
			values = append(values, make([]float32, 20*padded.HiddenSize)...)
			shape = []int{padded.VocabSize, padded.HiddenSize}
		}
		tensors = append(tensors, checkpoint.Tensor{Name: name, DType: checkpoint.BF16, Shape: shape, F32: values})
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := checkpoint.WriteModel(t.Context(), dir, checkpoint.NewModel{Config: &padded, Weights: tensors, Tokenizer: whole.Tokenizer}); err != nil {
		t.Fatal(err)
	}

	second := t.TempDir()
	out := mustRun(t, newJob(t, second, func(j *training.Job) { j.Init = openModel(t, filepath.Dir(dir)) }))
	for name, loss := range final(out) {
		if guess := math.Log(float64(padded.VocabSize)); !(loss < guess) {
			t.Errorf("%s: loss %v, no better than a guess (%v)", name, loss, guess)
		}
	}
	if got := openModel(t, second).Config.VocabSize; got != padded.VocabSize {
		t.Errorf("the model left has %d tokens, the one it began with %d", got, padded.VocabSize)
	}
}
