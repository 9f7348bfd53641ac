package training_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/pipeline/training"
)

// stage returns a stage of one phase.
func stage(t *testing.T, name string, steps int, mixture string) training.Stage {
	t.Helper()
	m, err := order.ParseMixture(mixture)
	if err != nil {
		t.Fatal(err)
	}
	return training.Stage{Stage: order.Stage{Name: name, Steps: steps, Phases: []order.Mixture{m}}}
}

func TestStageLengths(t *testing.T) {
	tokens, share := stage(t, "tokens", 0, "ltr"), stage(t, "share", 0, "blocks:2")
	tokens.Tokens, share.Share = 1000, 0.25 // in batches of 256: 4 steps; of 20 steps: 5
	c := config()
	c.Curriculum = training.Curriculum{tokens, share, stage(t, "rest", 0, "spans")}
	given := c.Curriculum
	for range 2 { // what is complete stays as it is
		if err := c.Complete(); err != nil {
			t.Fatal(err)
		}
		if got, want := c.Curriculum.String(), "tokens (4): ltr; share (5): blocks:2; rest (to the end): spans"; got != want || c.Optimizer.Steps != 20 {
			t.Errorf("%d steps of %s\nwant %s", c.Optimizer.Steps, got, want)
		}
	}
	if given[0].Steps != 0 {
		t.Error("the caller's curriculum was changed")
	}

	c = config()
	c.Optimizer.Steps, c.Optimizer.Warmup = 0, 50
	c.Curriculum = training.Curriculum{tokens, stage(t, "steps", 36, "spans")}
	if err := c.Complete(); err != nil || c.Optimizer.Steps != 40 || c.Optimizer.Warmup != 2 {
		t.Errorf("%d steps, warm-up %d, %v; want those of the stages and a twentieth", c.Optimizer.Steps, c.Optimizer.Warmup, err)
	}
}

func TestStageRefuses(t *testing.T) {
	minus, long := -1.0, 1000
	advance := training.Advance{Order: "ltr", Patience: 2, Every: 1}
	for want, change := range map[string]func(*training.Stage){
		"tokens and share are both given":        func(s *training.Stage) { s.Steps, s.Tokens, s.Share = 0, 1, 0.1 },
		"tokens is -1":                           func(s *training.Stage) { s.Tokens = -1 },
		"share is 1.5":                           func(s *training.Stage) { s.Share = 1.5 },
		"steps is 4, and its tokens or share ma": func(s *training.Stage) { s.Tokens = 10000 },
		"lr is -1":                               func(s *training.Stage) { s.LR = -1 },
		"min_lr is -1":                           func(s *training.Stage) { s.MinLR = &minus },
		"schedule is \"zigzag\"":                 func(s *training.Stage) { s.Schedule = "zigzag" },
		"order is \"rtl\", want one of ltr, next": func(s *training.Stage) {
			a := advance
			a.Order = "rtl"
			s.Advance = &a
		},
		"patience is 0":   func(s *training.Stage) { a := advance; a.Patience = 0; s.Advance = &a },
		"min_delta is -1": func(s *training.Stage) { a := advance; a.MinDelta = -1; s.Advance = &a },
		"every is missin": func(s *training.Stage) { a := advance; a.Every = 0; s.Advance = &a },
	} {
		c := config()
		c.Curriculum = training.Curriculum{stage(t, "first", 4, "ltr"), stage(t, "second", 0, "spans")}
		change(&c.Curriculum[0])
		if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "curriculum stage 1 (first): ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	c := config()
	c.Curriculum = training.Curriculum{stage(t, "only", 4, "ltr")}
	c.Curriculum[0].Advance = &advance
	if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "no stage follows") {
		t.Errorf("the last stage ends early: %v", err)
	}
	c = config()
	c.Curriculum = training.Curriculum{stage(t, "first", 4, "ltr"), stage(t, "second", 0, "spans")}
	c.Curriculum[0].Warmup = &long // longer than the stage: it would never reach its rate
	if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "warmup is 1000") {
		t.Errorf("a warm-up beyond its stage: %v", err)
	}
}

// A stage without rates goes on with the run's schedule; one with rates has its own.
func TestStageRates(t *testing.T) {
	var rates []float64
	mustRun(t, newJob(t, t.TempDir(), func(j *training.Job) {
		o := &j.Config.Optimizer
		o.Rates = train.Rates{LR: 0.01, MinLR: 0.001, Warmup: 2, Schedule: train.Linear}
		warmup := 0
		first, second, third := stage(t, "first", 5, "ltr"), stage(t, "second", 5, "ltr"), stage(t, "third", 0, "ltr")
		second.LR, second.Warmup = 0.004, &warmup
		third.Schedule = train.Constant
		j.Config.Curriculum = training.Curriculum{first, second, third}
		j.Report = func(p training.Progress) { rates = append(rates, p.Rate) }
	}))
	run := train.Options{Steps: 20, Rates: train.Rates{LR: 0.01, MinLR: 0.001, Warmup: 2, Schedule: train.Linear}}
	own := train.Rates{LR: 0.004, MinLR: 0.0004, Schedule: train.Linear}
	want := make([]float64, 20)
	for i := range want {
		switch {
		case i < 5:
			want[i] = run.Rate(i)
		case i < 10:
			want[i] = own.At(i-5, 5)
		default:
			want[i] = min(0.01, 0.005*float64(i-9)) // a warm-up of its own, then constant
		}
	}
	for i := range want {
		if d := rates[i] - want[i]; d > 1e-12 || d < -1e-12 {
			t.Fatalf("rates\n%v\nwant\n%v", rates, want)
		}
	}
}

// plateaus is a run whose first two stages end early: no loss falls by so much.
func plateaus(t *testing.T) func(*training.Job) {
	return func(j *training.Job) {
		first, second, third := stage(t, "first", 9, "ltr"), stage(t, "second", 8, "blocks:2"), stage(t, "third", 0, "spans")
		first.Advance = &training.Advance{Order: "ltr", Patience: 2, MinDelta: 100, Every: 2}
		second.Advance = &training.Advance{Order: "spans", Patience: 1, MinDelta: 100, Every: 3}
		j.Config.Curriculum = training.Curriculum{first, second, third}
		j.Config.SaveEvery = 10
	}
}

func TestAdvance(t *testing.T) {
	base := t.TempDir()
	var stages []string
	out := mustRun(t, newJob(t, base, func(j *training.Job) {
		plateaus(t)(j)
		j.Report = func(p training.Progress) { stages = append(stages, p.Stage) }
	}))
	// Measured after steps 2, 4 and 6: a first loss and two without a gain; then 3 and 6.
	want := slices.Concat(slices.Repeat([]string{"first"}, 6), slices.Repeat([]string{"second"}, 6), slices.Repeat([]string{"third"}, 8))
	if !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	var tokens int64
	for i, s := range out.Run.Stages {
		if s.Early != (i < 2) || len(s.HeldOut) != len(training.Orders()) {
			t.Errorf("stage %+v", s)
		}
		tokens += s.Tokens
	}
	if got := positions(t, base); tokens != got {
		t.Errorf("the stages have %d tokens, the log %d", tokens, got)
	}
	m := openModel(t, base)
	if len(m.History) != 1 || m.History[0].Stages[1].Steps != 6 || !m.History[0].Stages[1].Early || m.History[0].Seed != 1 {
		t.Errorf("the model's history is %+v", m.History)
	}

	// What was decided is in the checkpoints: stopped anywhere, the run is the same.
	stopped := t.TempDir()
	stopAfter(t, stopped, plateaus(t), 1, 4, 6, 9, 12, 15)
	mustRun(t, newJob(t, stopped, plateaus(t)))
	wantSame(t, "stopped", left(t, base), left(t, stopped))

	// A recording has the decisions too, and must agree.
	recorded, recording := t.TempDir(), filepath.Join(t.TempDir(), "batches")
	mustRun(t, newJob(t, recorded, func(j *training.Job) { plateaus(t)(j); j.RecordTo = recording }))
	replayed := t.TempDir()
	mustRun(t, newJob(t, replayed, func(j *training.Job) { plateaus(t)(j); j.ReplayOf = recording }))
	wantSame(t, "replayed", left(t, base), left(t, replayed))
	_, err := newJob(t, t.TempDir(), func(j *training.Job) {
		plateaus(t)(j)
		j.Config.Curriculum[0].Advance.Patience = 1
		j.ReplayOf = recording
	}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "has step 4 in stage 1 of the curriculum, this run in stage 2: stages ended at other steps") {
		t.Errorf("replayed with another patience: %v", err)
	}

	// A loss that falls ends nothing.
	out = mustRun(t, newJob(t, t.TempDir(), func(j *training.Job) {
		plateaus(t)(j)
		j.Config.Curriculum[0].Advance.MinDelta = 0
		j.Config.Curriculum[1].Advance = nil
	}))
	if s := out.Run.Stages[0]; s.Early || s.Steps != 9 {
		t.Errorf("a stage that learns ended early: %+v", s)
	}
}

func TestAdvanceNeedsHeldOut(t *testing.T) {
	_, err := newJob(t, t.TempDir(), func(j *training.Job) { plateaus(t)(j); j.Config.HeldOut = 0 }).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no document is held out") {
		t.Errorf("error %v", err)
	}
}

// positions sums the positions of a log.
func positions(t *testing.T, dir string) (sum int64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "train.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var l struct{ Positions int64 }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		sum += l.Positions
	}
	return sum
}

// The best checkpoint by a held-out loss is kept beside the last ones.
func TestKeepBest(t *testing.T) {
	dir := t.TempDir()
	losses := map[string]float64{}
	mustRun(t, newJob(t, dir, func(j *training.Job) {
		j.Config.KeepBest, j.Config.Keep, j.Config.SaveEvery = "ltr", 1, 2
		j.Config.Curriculum = training.Curriculum{stage(t, "first", 10, "ltr"), stage(t, "second", 0, "spans")}
		j.Config.Curriculum[1].LR = 0.5 // forgets what it knew
		j.Report = func(p training.Progress) {
			if p.Saved != "" {
				losses[p.Saved] = p.HeldOut["ltr"]
			}
		}
	}))
	best, last := "", filepath.Join(dir, "step-00000020")
	for dir, loss := range losses {
		if best == "" || loss < losses[best] {
			best = dir
		}
	}
	if len(losses) != 10 || best == last {
		t.Fatalf("losses %v: the last is the best, which proves nothing", losses)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "step-*")); err != nil || !slices.Equal(kept, []string{best, last}) {
		t.Errorf("kept %v (%v), want %s and %s", kept, err, best, last)
	}
}

// The residual of the initial model is converted only if the settings say so; the
// history of the initial model goes on.
func TestInitialResidualAndHistory(t *testing.T) {
	first := t.TempDir()
	mustRun(t, newJob(t, first, nil))
	initial := openModel(t, first)
	for residual, want := range map[string]string{"": checkpoint.ResidualLlama, "official": checkpoint.ResidualOfficial} {
		dir := t.TempDir()
		mustRun(t, newJob(t, dir, func(j *training.Job) { j.Init, j.Config.Model.Residual = initial, residual }))
		m := openModel(t, dir)
		if m.Config.Residual != want {
			t.Errorf("residual %q makes %s, want %s", residual, m.Config.Residual, want)
		}
		digest, err := initial.Digest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(m.History) != 2 || m.History[0].Init != "" || m.History[1].Init != digest.String() {
			t.Errorf("history %+v", m.History)
		}
	}
}
