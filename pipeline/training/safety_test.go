package training_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/pipeline/training"
)

// nervous makes every gradient above the median of those before a spike.
func nervous(skips int) func(*training.Job) {
	return func(j *training.Job) {
		j.Config.Optimizer = train.DefaultOptions(40)
		j.Config.Optimizer.Spike, j.Config.Optimizer.Skips = 1.000001, skips
		j.Config.SaveEvery = 4
		j.Config.Curriculum = nil
	}
}

// oneStage is a curriculum whose gradients are compared from the first to the last step.
func oneStage(t *testing.T, j *training.Job) {
	j.Config.Curriculum = training.Curriculum{stage(t, "all", 0, "ltr")}
}

// Steps with a gradient out of the ordinary are skipped, counted and logged, and a run that
// is stopped anywhere skips the same ones.
func TestSkippedStepsAreCounted(t *testing.T) {
	base := t.TempDir()
	skipped := 0
	out := mustRun(t, newJob(t, base, func(j *training.Job) {
		nervous(1000)(j)
		oneStage(t, j)
		j.Report = func(p training.Progress) {
			if p.Skipped != "" {
				skipped++
			}
		}
	}))
	if skipped == 0 || out.Run.Skipped != skipped || openModel(t, base).History[0].Skipped != skipped {
		t.Errorf("%d steps were skipped, the run has %d", skipped, out.Run.Skipped)
	}
	want := left(t, base)
	logged := 0
	for line := range strings.Lines(want["train.jsonl"]) {
		var l struct{ Skipped string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(l.Skipped, "times the median") {
			logged++
		}
	}
	if logged != skipped {
		t.Errorf("the log has %d skipped steps, want %d", logged, skipped)
	}

	dir := t.TempDir()
	again := func(j *training.Job) { nervous(1000)(j); oneStage(t, j) }
	stopAfter(t, dir, again, 3, 17, 19, 25)
	mustRun(t, newJob(t, dir, again))
	wantSame(t, "stopped", want, left(t, dir))
}

// A run that diverges says so, with what to do, and leaves its last checkpoint as it was,
// from which another run can start.
func TestDivergedRun(t *testing.T) {
	dir := t.TempDir()
	var last string
	diverge := func(j *training.Job) {
		nervous(0)(j)
		oneStage(t, j)
		j.Report = func(p training.Progress) { last = cmp.Or(p.Saved, last) }
	}
	var diverged *train.DivergedError
	_, err := newJob(t, dir, diverge).Run(t.Context())
	if !errors.As(err, &diverged) || last == "" || !strings.Contains(err.Error(), "the last checkpoint, "+last+", is as it was: start again in another directory, from that checkpoint (--init), with a lower lr") {
		t.Fatalf("error %v", err)
	}
	// The same again ends at the same step; with more skips it goes on.
	first := err.Error()
	if _, err := newJob(t, dir, diverge).Run(t.Context()); err == nil || err.Error() != first {
		t.Errorf("again: %v\nwant %s", err, first)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "step-*")); err != nil || len(kept) != 2 || kept[1] != last {
		t.Errorf("kept %v, %v", kept, err)
	}
	if out := mustRun(t, newJob(t, dir, func(j *training.Job) { nervous(1000)(j); oneStage(t, j) })); out.Resumed > diverged.Step || out.Resumed == 0 {
		t.Errorf("went on from step %d, before %d", out.Resumed, diverged.Step)
	}
}

// A checkpoint of adapters is no model that a run could start from.
func TestDivergedAdapters(t *testing.T) {
	first := t.TempDir()
	mustRun(t, newJob(t, first, nil))
	_, err := newJob(t, t.TempDir(), func(j *training.Job) {
		nervous(0)(j)
		oneStage(t, j)
		j.Init, j.Config.LoRA = openModel(t, first), &model.LoRA{Rank: 2, Alpha: 4}
	}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is as it was: start again in another directory, with a lower lr") {
		t.Errorf("error %v", err)
	}
}

// A loss that is no number ends the run with the weights of before.
func TestNotANumber(t *testing.T) {
	_, err := newJob(t, t.TempDir(), func(j *training.Job) {
		oneStage(t, j)
		o := &j.Config.Optimizer
		o.Rates = train.Rates{LR: 9.9, MinLR: 9.9, Schedule: train.Constant}
		o.Decay, o.Spike, o.Skips, o.Beta1, o.Beta2, o.Eps, o.Clip = 0.99, 0, 0, 0, 0, 1e-30, 0
		j.Config.SaveEvery = 100
	}).Run(t.Context())
	var diverged *train.DivergedError
	if !errors.As(err, &diverged) || !strings.Contains(err.Error(), "no checkpoint was written yet: start again in another directory, with a lower lr") {
		t.Errorf("error %v", err)
	}
}
