package training_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/pipeline/training"
	"github.com/any-order/a3/tokenize"
)

// What a directory holds is gone on with only by the run that it is of; the text says
// what differs and what to do, and nothing is changed.
func TestMismatch(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, newJob(t, dir, nil))
	want := left(t, dir)
	level := string(kernels.Best().Level())
	for what, c := range map[string]struct {
		change func(*training.Job)
		want   string
	}{
		"a setting":     {func(j *training.Job) { j.Config.Optimizer.LR = 0.5 }, "was trained with other settings: optimizer.lr was 0.01, is 0.5; resume with those, or train into another directory"},
		"steps":         {func(j *training.Job) { j.Config.Optimizer.Steps = 40 }, "optimizer.steps was 20, is 40"},
		"many settings": {func(j *training.Job) { j.Config.Optimizer.Steps, j.Config.Seed, j.Config.HeldOut = 40, 9, 1 }, "more; resume with those"},
		"the shape":     {func(j *training.Job) { j.Config.Model.FFN = 32 }, "model.ffn was 24, is 32"},
		"the documents": {func(j *training.Job) { j.Corpus, _ = corpus(t, stories(61)) }, "was trained on other documents (digest "},
		"the tokenizer": {func(j *training.Job) { j.Tokenizer = otherTokenizer(t) }, "has another tokenizer; leave --tokenizer out"},
		"the level": {func(j *training.Job) {
			k, err := kernels.Open(kernels.Portable)
			if err != nil {
				t.Fatal(err)
			}
			j.Kernels = k
		}, "was trained on CPU level " + level + ", this run uses portable, and equal bits need equal levels; pin it with --cpu " + level},
	} {
		if what == "the level" && level == string(kernels.Portable) {
			continue // there is no other one
		}
		_, err := newJob(t, dir, c.change).Run(t.Context())
		var mismatch *training.MismatchError
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "step-00000020") {
			t.Errorf("%s: %v\nwant %s", what, err, c.want)
		}
		wantSame(t, what, want, left(t, dir))
	}
}

// otherTokenizer has as many tokens, but for one other letter.
func otherTokenizer(t *testing.T) *tokenize.Tokenizer {
	t.Helper()
	text, err := vocabulary(t).JSON()
	if err != nil {
		t.Fatal(err)
	}
	other, err := tokenize.Parse([]byte(strings.ReplaceAll(string(text), "<|eos|>", "<|end|>")))
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// Settings that change no weight may be others when a run goes on, and so may the CPU
// level, if that is asked for.
func TestHarmlessChanges(t *testing.T) {
	base, dir := t.TempDir(), t.TempDir()
	mustRun(t, newJob(t, base, nil))
	taken, stop := 0, make(chan struct{})
	_, err := newJob(t, dir, func(j *training.Job) {
		j.Stop = stop
		j.Report = func(training.Progress) {
			if taken++; taken == 7 {
				close(stop)
			}
		}
	}).Run(t.Context())
	var stopped *training.StoppedError
	if !errors.As(err, &stopped) {
		t.Fatal(err)
	}
	out := mustRun(t, newJob(t, dir, func(j *training.Job) {
		j.Config.SaveEvery, j.Config.Keep, j.Config.EvalEvery = 3, 5, 6
		j.AnyLevel = true
	}))
	if out.Resumed != 8 {
		t.Errorf("resumed at %d", out.Resumed)
	}
	if a, b := left(t, base)["model/model.safetensors"], left(t, dir)["model/model.safetensors"]; a != b {
		t.Error("other weights")
	}
}

func TestAnyLevel(t *testing.T) {
	if len(kernels.Levels()) < 2 {
		t.Skip("this machine offers one CPU level")
	}
	dir := t.TempDir()
	mustRun(t, newJob(t, dir, nil))
	other, err := kernels.Open(kernels.Portable)
	if err != nil {
		t.Fatal(err)
	}
	if out := mustRun(t, newJob(t, dir, func(j *training.Job) { j.Kernels, j.AnyLevel = other, true })); out.Resumed != 20 {
		t.Errorf("resumed at %d", out.Resumed)
	}
}
