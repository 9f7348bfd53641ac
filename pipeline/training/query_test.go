package training_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/pipeline/training"
)

// floats reads a tensor of a model.
func floats(t *testing.T, m *checkpoint.Model, name string) []float32 {
	t.Helper()
	info, err := m.Weights.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for _, d := range info.Shape {
		n *= d
	}
	v := make([]float32, n)
	if err := m.Weights.Float32(name, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// plainLlama returns the model that a run in dir left, without its query embedding.
func plainLlama(t *testing.T, dir string) *checkpoint.Model {
	t.Helper()
	whole := openModel(t, dir)
	var tensors []checkpoint.Tensor
	for _, name := range whole.Weights.Names() {
		if name == model.QueryEmbed {
			continue
		}
		info, err := whole.Weights.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, checkpoint.Tensor{Name: name, DType: checkpoint.BF16, Shape: info.Shape, F32: floats(t, whole, name)})
	}
	plain := filepath.Join(t.TempDir(), "model")
	err := checkpoint.WriteModel(t.Context(), plain, checkpoint.NewModel{Config: whole.Config, Weights: tensors, Tokenizer: whole.Tokenizer})
	if err != nil {
		t.Fatal(err)
	}
	return openModel(t, filepath.Dir(plain))
}

// A plain Llama is given a query embedding, as the settings say; a model that has one
// keeps it, unless they say otherwise.
func TestQueryInit(t *testing.T) {
	first := t.TempDir()
	mustRun(t, newJob(t, first, nil))
	whole, plain := openModel(t, first), plainLlama(t, first)
	bos := int(whole.Config.BOS[0])
	embed, hidden := floats(t, whole, "model.embed_tokens.weight"), whole.Config.HiddenSize

	// start returns the query embedding after a step of no length.
	start := func(from *checkpoint.Model, how model.QueryInit) []float32 {
		t.Helper()
		dir := t.TempDir()
		mustRun(t, newJob(t, dir, func(j *training.Job) {
			j.Init, j.Config.QueryInit = from, how
			j.Config.Optimizer.Steps, j.Config.Optimizer.Warmup, j.Config.Optimizer.Decay = 1, 0, 0
			j.Config.Optimizer.LR, j.Config.Optimizer.MinLR = 1e-12, 0
		}))
		return floats(t, openModel(t, dir), model.QueryEmbed)
	}
	random := start(plain, model.QueryRandom)
	if slices.Max(random) <= 0 {
		t.Errorf("random: %v", random)
	}
	mean := make([]float32, hidden)
	for i := range embed {
		mean[i%hidden] += embed[i] / float32(len(embed)/hidden)
	}
	for name, c := range map[string]struct{ got, want []float32 }{
		"a plain Llama without a setting": {start(plain, ""), start(plain, model.QueryMean)},
		"zero":                            {start(plain, model.QueryZero), make([]float32, hidden)},
		"bos":                             {start(plain, model.QueryBOS), embed[bos*hidden : (bos+1)*hidden]},
		"a trained one without a setting": {start(whole, ""), floats(t, whole, model.QueryEmbed)},
		"a trained one, again from bos":   {start(whole, model.QueryBOS), embed[bos*hidden : (bos+1)*hidden]},
	} {
		for i := range c.want { // a step of no length moves no number across a rounding, but zero
			if d := c.got[i] - c.want[i]; d < -1e-10 || d > 1e-10 {
				t.Errorf("%s: element %d is %v, want %v", name, i, c.got[i], c.want[i])
			}
		}
	}
	for i, got := range start(plain, "") { // which is stored in bfloat16
		if want := mean[i]; math.Abs(float64(got-want)) > 0.01*math.Abs(float64(want))+1e-6 {
			t.Errorf("mean: element %d is %v, that of the token embeddings %v", i, got, want)
		}
	}
	_, err := newJob(t, t.TempDir(), func(j *training.Job) { j.Config.QueryInit = "modal" }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), `training: query_init: "modal" is not known`) {
		t.Errorf("an unknown way: %v", err)
	}
}

// A run in which query rows copy what stands before them is resumed bit for bit: which they
// are follows from the step alone.
func TestCopyResumes(t *testing.T) {
	first := t.TempDir()
	mustRun(t, newJob(t, first, nil))
	plain := plainLlama(t, first)
	job := func(dir string, how model.QueryInit) *training.Job {
		return newJob(t, dir, func(j *training.Job) {
			j.Init, j.Config.QueryInit, j.Config.Optimizer = plain, how, train.DefaultOptions(10)
			j.Config.Curriculum = training.Stages(order.DefaultCurriculum(30)) // three steps left to right
		})
	}
	whole, random := t.TempDir(), t.TempDir()
	mustRun(t, job(whole, model.QueryCopy))
	mustRun(t, job(random, model.QueryRandom))
	if want, got := left(t, random), left(t, whole); want["train.jsonl"] == got["train.jsonl"] {
		t.Error("nothing was copied: the losses are those of a random start")
	}

	stopped, stop := t.TempDir(), make(chan struct{})
	close(stop) // stops after each step
	for {
		j := job(stopped, model.QueryCopy)
		j.Stop = stop
		_, err := j.Run(t.Context())
		if err == nil {
			break
		}
		var s *training.StoppedError
		if !errors.As(err, &s) {
			t.Fatal(err)
		}
	}
	wantSame(t, "stopped after each step", left(t, whole), left(t, stopped))
}
