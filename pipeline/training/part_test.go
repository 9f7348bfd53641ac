package training_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/pipeline/training"
)

// A run that trains adapters alone is resumed bit for bit from checkpoints that hold
// nothing else, and leaves a whole model, in which they are merged.
func TestAdapters(t *testing.T) {
	first := t.TempDir()
	mustRun(t, newJob(t, first, func(j *training.Job) { j.Config.Optimizer.Steps = 4 }))
	from := openModel(t, first)
	job := func(dir string, typ kernels.Type, change func(*training.Job)) *training.Job {
		j := newJob(t, dir, change)
		j.Init, j.Compute = from, typ
		if change == nil {
			j.Config.LoRA = &model.LoRA{Rank: 2, Alpha: 4, Targets: []model.Part{"q", "v", "up"}}
		}
		j.Config.Optimizer = train.DefaultOptions(10)
		return j
	}
	for _, typ := range []kernels.Type{kernels.Float32, kernels.BF16} {
		whole, stopped, stop := t.TempDir(), t.TempDir(), make(chan struct{})
		out := mustRun(t, job(whole, typ, nil))
		close(stop) // stops after each step
		for {
			j := job(stopped, typ, nil)
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

		saved, err := checkpoint.Open(filepath.Join(whole, "step-00000010", "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range saved.Names() {
			if !strings.Contains(name, ".lora_") && name != model.QueryEmbed {
				t.Errorf("the checkpoint holds %s", name)
			}
		}
		if n := len(saved.Names()); n != 1+2*3 {
			t.Errorf("the checkpoint holds %d tensors, want those of three adapters and the query embedding", n)
		}
		if err := saved.Close(); err != nil {
			t.Fatal(err)
		}

		after := openModel(t, whole)
		for _, name := range from.Weights.Names() {
			changed := !slices.Equal(floats(t, from, name), floats(t, after, name))
			want := name == model.QueryEmbed || strings.Contains(name, "q_proj") || strings.Contains(name, "v_proj") || strings.Contains(name, "up_proj")
			if changed != want {
				t.Errorf("%s changed: %v", name, changed)
			}
		}
		still := mustRun(t, newJob(t, t.TempDir(), func(j *training.Job) {
			j.Init, j.Compute = after, typ
			j.Config.Optimizer.Steps, j.Config.Optimizer.Warmup = 1, 0
			j.Config.Optimizer.LR, j.Config.Optimizer.MinLR = 1e-9, 0
		}))
		for name, want := range final(out) { // the model is stored in bfloat16
			if got := final(still)[name]; math.Abs(got-want) > 0.01*want {
				t.Errorf("%s: the model that was written has a loss of %v, want %v", name, got, want)
			}
		}

		var mismatch *training.MismatchError
		_, err = job(whole, typ, func(j *training.Job) {
			j.Config.LoRA = &model.LoRA{Rank: 3, Alpha: 4, Targets: []model.Part{"q", "v", "up"}}
		}).Run(t.Context())
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "lora.rank was 2, is 3") {
			t.Errorf("resumed with another rank: %v", err)
		}
	}
}

func TestPartsNeedAModel(t *testing.T) {
	for want, change := range map[string]func(*training.Job){
		"name it with --init":            func(j *training.Job) { j.Config.Freeze = []model.Part{model.PartEmbed} },
		"for a run that starts":          func(j *training.Job) { j.Config.LoRA = &model.LoRA{Rank: 2, Alpha: 4} },
		"training: freeze and lora are ": func(j *training.Job) { j.Config.Freeze = []model.Part{"x"} },
	} {
		if _, err := newJob(t, t.TempDir(), change).Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}
