package training_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/pipeline/training"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var progress []training.Progress
	j := newJob(t, dir, func(j *training.Job) {
		j.Config.Optimizer.Steps, j.Config.Optimizer.Warmup = 60, 2
		j.Report = func(p training.Progress) { progress = append(progress, p) }
	})
	out := mustRun(t, j)
	if len(progress) != 60 || out.Resumed != 0 {
		t.Fatalf("%d steps from %d on", len(progress), out.Resumed)
	}

	mean := func(steps []training.Progress) (loss float64) {
		for _, p := range steps {
			loss += p.Loss / float64(len(steps))
		}
		return loss
	}
	// The mixture at the end is harder than the left-to-right order at the beginning.
	if first, last := mean(progress[:6]), mean(progress[54:]); !(last < first-1) {
		t.Errorf("the loss went from %.3f to %.3f", first, last)
	}
	orders := []string{"blocks:4", "ltr", "next", "permuted:4", "spans"}
	var measured []int
	for _, p := range progress {
		if p.HeldOut != nil {
			measured = append(measured, p.Step+1)
			if got := slices.Sorted(maps.Keys(p.HeldOut)); !slices.Equal(got, orders) {
				t.Errorf("step %d: held-out losses of %v", p.Step, got)
			}
		}
		if p.Steps != 60 || p.Positions <= 0 || p.Positions > j.Config.Batch || p.Stage == "" {
			t.Errorf("progress %+v", p)
		}
		if saved := p.Saved != ""; saved != ((p.Step+1)%4 == 0) {
			t.Errorf("step %d: saved %q", p.Step, p.Saved)
		}
	}
	if want := []int{6, 18, 36, 60}; !slices.Equal(measured, want) { // ends of 10 %, 20 %, 30 % and all
		t.Errorf("held-out losses after the steps %v, want %v", measured, want)
	}
	if fmt.Sprint(final(out)) != fmt.Sprint(progress[59].HeldOut) {
		t.Errorf("the outcome has %v, the last step %v", final(out), progress[59].HeldOut)
	}

	checkLog(t, filepath.Join(dir, "train.jsonl"), progress)
	last, torn, err := checkpoint.Latest(t.Context(), dir)
	if err != nil || len(torn) > 0 {
		t.Fatal(err, torn)
	}
	defer last.Close()
	if m := last.Manifest; m.Step != 60 || m.Losses["train"] != progress[59].Loss || m.Losses["held_out/ltr"] != final(out)["ltr"] || m.Tool != "test" {
		t.Errorf("manifest %+v", m)
	}
	if steps, err := filepath.Glob(filepath.Join(dir, "step-*")); err != nil || len(steps) != j.Config.Keep {
		t.Errorf("checkpoints %v, %v", steps, err)
	}
	m, err := checkpoint.OpenModel(out.Model)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := model.Load(model.ConfigOf(m.Config), m.Weights, kernels.Best(), kernels.Float32); err != nil {
		t.Error(err)
	}
	if m.Config.Given != checkpoint.GivenCausal || m.Config.TorchDType != "bfloat16" || !strings.Contains(m.Card, "Trained for 60 steps") {
		t.Errorf("given %v, type %s, card\n%s", m.Config.Given, m.Config.TorchDType, m.Card)
	}
}

func checkLog(t *testing.T, path string, progress []training.Progress) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	var before struct {
		Step    int
		HeldOut map[string]float64 `json:"held_out"`
	}
	if err := d.Decode(&before); err != nil || before.Step != -1 || len(before.HeldOut) == 0 {
		t.Errorf("the line before the first step is %+v, %v", before, err)
	}
	for i, p := range progress {
		var line struct {
			Step    int
			Stage   string
			Loss    float64
			HeldOut map[string]float64 `json:"held_out"`
		}
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Step != i || line.Loss != p.Loss || line.Stage != p.Stage || len(line.HeldOut) != len(p.HeldOut) {
			t.Errorf("log line %+v for %+v", line, p)
		}
	}
	if d.More() {
		t.Error("the log goes on")
	}
}

func TestEvalEvery(t *testing.T) {
	var measured []int
	mustRun(t, newJob(t, t.TempDir(), func(j *training.Job) {
		j.Config.EvalEvery = 5
		j.Report = func(p training.Progress) {
			if p.HeldOut != nil {
				measured = append(measured, p.Step+1)
			}
		}
	}))
	if want := []int{2, 5, 6, 10, 12, 15, 20}; !slices.Equal(measured, want) {
		t.Errorf("held-out losses after the steps %v, want %v", measured, want)
	}
}

// Threads, and the order in which documents are read, change no bit.
func TestSameBits(t *testing.T) {
	base := t.TempDir()
	want := newJob(t, base, nil)
	mustRun(t, want)
	for what, change := range map[string]func(*training.Job){
		"again":         nil,
		"one thread":    func(j *training.Job) { j.Threads = 1 },
		"three threads": func(j *training.Job) { j.Threads = 3 },
		"documents in another order": func(j *training.Job) {
			docs := stories(60)
			slices.Reverse(docs)
			j.Corpus, _ = corpus(t, docs)
		},
		"other checkpoints": func(j *training.Job) { j.Config.SaveEvery, j.Config.Keep = 7, 1 },
	} {
		dir := t.TempDir()
		mustRun(t, newJob(t, dir, change))
		a, b := left(t, base), left(t, dir)
		if what == "other checkpoints" { // manifests hold the settings
			maps.DeleteFunc(a, func(name, _ string) bool { return strings.HasSuffix(name, "manifest.json") })
		}
		wantSame(t, what, a, b)
	}
	dir := t.TempDir()
	mustRun(t, newJob(t, dir, func(j *training.Job) { j.Config.Seed = 2 }))
	if left(t, base)["model/model.safetensors"] == left(t, dir)["model/model.safetensors"] {
		t.Error("another seed gives the same model")
	}
}

// A run that is stopped, or cut off, at every step ends as one that was left alone.
func TestResumeIsExact(t *testing.T) {
	base := t.TempDir()
	mustRun(t, newJob(t, base, nil))
	want := left(t, base)

	stopped := t.TempDir()
	stop := make(chan struct{})
	close(stop) // stops after each step
	for step := 1; ; step++ {
		_, err := newJob(t, stopped, func(j *training.Job) { j.Stop = stop }).Run(t.Context())
		if err == nil {
			if step != 20 {
				t.Errorf("complete after %d runs", step)
			}
			break
		}
		var s *training.StoppedError
		if !errors.As(err, &s) || s.Step != step || s.Steps != 20 {
			t.Fatalf("run %d: %v", step, err)
		}
	}
	wantSame(t, "stopped after each step", want, left(t, stopped))

	cut := t.TempDir()
	for _, after := range []int{1, 4, 5, 7, 6} { // steps that this process takes
		ctx, cancel := context.WithCancel(t.Context())
		taken := 0
		_, err := newJob(t, cut, func(j *training.Job) {
			j.Report = func(training.Progress) {
				if taken++; taken == after {
					cancel()
				}
			}
		}).Run(ctx)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut off after %d steps: %v", after, err)
		}
	}
	out := mustRun(t, newJob(t, cut, nil))
	if out.Resumed == 0 {
		t.Error("nothing was resumed")
	}
	wantSame(t, "cut off", want, left(t, cut))

	// A complete run again: nothing is trained, the same files.
	again := newJob(t, cut, func(j *training.Job) {
		j.Report = func(p training.Progress) { t.Errorf("step %d is taken again", p.Step) }
	})
	if out := mustRun(t, again); out.Resumed != 20 {
		t.Errorf("resumed at %d", out.Resumed)
	}
	wantSame(t, "complete", want, left(t, cut))
}

func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	base, dir := t.TempDir(), t.TempDir()
	mustRun(t, newJob(t, base, nil))
	mustRun(t, newJob(t, dir, nil))
	newest := filepath.Join(dir, "step-00000020")
	damage := map[string]func(path string) error{
		"optimizer.safetensors": func(path string) error { return flipLastByte(path) },
		"model.safetensors":     func(path string) error { return os.Truncate(path, 1000) },
	}
	for file, hurt := range damage {
		if err := hurt(filepath.Join(newest, file)); err != nil {
			t.Fatal(err)
		}
		var warned []string
		out := mustRun(t, newJob(t, dir, func(j *training.Job) { j.Warn = func(text string) { warned = append(warned, text) } }))
		if len(warned) != 1 || !strings.Contains(warned[0], "step-00000020") || !strings.Contains(warned[0], file) {
			t.Errorf("%s: warned %q", file, warned)
		}
		if out.Resumed != 16 {
			t.Errorf("%s: resumed at %d", file, out.Resumed)
		}
		wantSame(t, file, left(t, base), left(t, dir))
		torn, err := filepath.Glob(filepath.Join(dir, "torn-*"))
		if err != nil || len(torn) != 1 {
			t.Fatalf("%v, %v", torn, err)
		}
		if err := os.RemoveAll(torn[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func flipLastByte(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	content[len(content)-1] ^= 1
	return os.WriteFile(path, content, 0o644)
}

// A run records its batches, also over a stop; a run that replays them is the same run.
func TestRecordAndReplay(t *testing.T) {
	base, dir, recording := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "batches")
	mustRun(t, newJob(t, base, nil))
	taken, stop := 0, make(chan struct{})
	_, err := newJob(t, dir, func(j *training.Job) {
		j.RecordTo, j.Stop = recording, stop
		j.Report = func(training.Progress) {
			if taken++; taken == 6 {
				close(stop)
			}
		}
	}).Run(t.Context())
	var s *training.StoppedError
	if !errors.As(err, &s) {
		t.Fatal(err)
	}
	mustRun(t, newJob(t, dir, func(j *training.Job) { j.RecordTo = recording }))
	wantSame(t, "recorded", left(t, base), left(t, dir))

	again := t.TempDir()
	mustRun(t, newJob(t, again, func(j *training.Job) { j.ReplayOf = recording }))
	wantSame(t, "replayed", left(t, base), left(t, again))

	var mismatch *training.MismatchError
	_, err = newJob(t, t.TempDir(), func(j *training.Job) { j.ReplayOf, j.Config.Seed = recording, 5 }).Run(t.Context())
	if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), `seed was "1", is "5"`) {
		t.Errorf("another seed: %v", err)
	}
	_, err = newJob(t, t.TempDir(), func(j *training.Job) { j.ReplayOf = t.TempDir() }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no recorded batches") {
		t.Errorf("an empty recording: %v", err)
	}
	_, err = newJob(t, t.TempDir(), func(j *training.Job) {
		j.Config.Curriculum = training.Stages(order.DefaultCurriculum(20))
		j.Config.Optimizer.Steps = 25
		j.ReplayOf = recording
	}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the recording ends before step 20") {
		t.Errorf("a recording that is too short: %v", err)
	}
}

func TestTwoTrainersInOneDirectory(t *testing.T) {
	dir := t.TempDir()
	store, err := checkpoint.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := newJob(t, dir, nil).Run(t.Context()); !errors.Is(err, checkpoint.ErrLocked) {
		t.Errorf("error %v", err)
	}
}
