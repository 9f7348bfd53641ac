package train

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// The number of threads changes nothing, bit for bit.
func TestThreadsChangeNothing(t *testing.T) {
	for _, typ := range []kernels.Type{kernels.Float32, kernels.BF16} {
		one := newTrainerOf(t, typ, DefaultOptions(10), 1)
		want := steps(t, one, 0, 4)
		for _, threads := range []int{2, 5, 16} {
			trainer := newTrainerOf(t, typ, DefaultOptions(10), threads)
			if got := steps(t, trainer, 0, 4); !slices.Equal(got, want) {
				t.Errorf("%s, %d threads: %+v, want %+v", typ, threads, got, want)
			}
			sameState(t, "threads", stateOf(trainer), stateOf(one))
		}
	}
}

// Computing activations again instead of keeping them changes nothing, bit for bit, and
// takes less memory.
func TestRecompute(t *testing.T) {
	for _, typ := range []kernels.Type{kernels.Float32, kernels.BF16} {
		o := DefaultOptions(10)
		keeps := newTrainerOf(t, typ, o, 1)
		want := steps(t, keeps, 0, 3)
		o.Recompute = true
		trainer := newTrainerOf(t, typ, o, 1)
		if got := steps(t, trainer, 0, 3); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", typ, got, want)
		}
		sameState(t, "recomputed", stateOf(trainer), stateOf(keeps))
		if got, kept := trainer.workers[0].ws.Bytes(), keeps.workers[0].ws.Bytes(); got >= kept {
			t.Errorf("%s: %d bytes, %d if activations are kept", typ, got, kept)
		}
	}
}

// A trainer put together from what a checkpoint holds goes on as if never interrupted.
func TestResume(t *testing.T) {
	whole := newTrainer(t, DefaultOptions(8), 2)
	steps(t, whole, 0, 3)
	saved := stateOf(whole)
	want := steps(t, whole, 3, 8)

	resumed := newTrainer(t, DefaultOptions(8), 1)
	steps(t, resumed, 100, 101) // another history, which must leave no trace
	copy(resumed.Model.Params.Flat, saved.weights)
	copy(resumed.First.Flat, saved.first)
	copy(resumed.Second.Flat, saved.second)
	resumed.Done, resumed.Health = saved.done, saved.health
	resumed.Model.Pack()
	if got := steps(t, resumed, 3, 8); !slices.Equal(got, want) {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	sameState(t, "resumed", stateOf(resumed), stateOf(whole))
}

// A step whose loss or gradient is not finite changes nothing, and the trainer is as
// good as before.
func TestNotFinite(t *testing.T) {
	for name, spoil := range map[string]func(*Trainer){
		"a weight of the model":  func(t *Trainer) { t.Model.Params.Layers[1].Up.Data[3] = float32(math.Inf(1)) },
		"a scale that overflows": func(t *Trainer) { t.Model.Params.Norm[0] = 3e38 },
	} {
		t.Run(name, func(t *testing.T) {
			options := DefaultOptions(8)
			options.Skips = 0
			trainer := newTrainer(t, options, 2)
			steps(t, trainer, 0, 2)
			good := stateOf(trainer)
			spoil(trainer)
			trainer.Model.Pack()
			before := stateOf(trainer)
			stats, err := trainer.Step(t.Context(), segmentsOf(t, 2, 13))
			var diverged *DivergedError
			if !errors.As(err, &diverged) || diverged.Step != 2 || diverged.InRow != 1 || finite(stats.Loss) && finite(stats.GradNorm) {
				t.Fatalf("got error %v, stats %+v", err, stats)
			}
			if !strings.Contains(err.Error(), "step 2") {
				t.Errorf("the error %q does not name the step", err)
			}
			sameState(t, "after the error", stateOf(trainer), before)

			copy(trainer.Model.Params.Flat, good.weights)
			trainer.Model.Pack()
			steps(t, trainer, 2, 4)
			untouched := newTrainer(t, DefaultOptions(8), 2)
			steps(t, untouched, 0, 4)
			sameState(t, "going on", stateOf(trainer), stateOf(untouched))
		})
	}
}

// A cancelled step either happened or did not; the trainer goes on either way.
func TestCancellation(t *testing.T) {
	trainer, untouched := newTrainer(t, DefaultOptions(40), 3), newTrainer(t, DefaultOptions(40), 1)
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := trainer.Step(dead, segmentsOf(t, 0, 13)); !errors.Is(err, context.Canceled) {
		t.Fatalf("a dead context gives %v", err)
	}
	if _, _, err := trainer.Evaluate(dead, segmentsOf(t, 0, 13)); !errors.Is(err, context.Canceled) {
		t.Fatalf("evaluating in a dead context gives %v", err)
	}
	sameState(t, "cancelled", stateOf(trainer), stateOf(untouched))

	interrupted := 0
	for step := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel() // whenever it comes
		before := stateOf(trainer)
		_, err := trainer.Step(ctx, segmentsOf(t, step, 13))
		cancel()
		if err != nil {
			interrupted++
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			sameState(t, "cancelled on the way", stateOf(trainer), before)
			steps(t, trainer, step, step+1)
		}
		steps(t, untouched, step, step+1)
		sameState(t, "going on", stateOf(trainer), stateOf(untouched))
	}
	t.Logf("%d of 20 steps were interrupted", interrupted)
}

// Clipping scales the whole gradient, which the first moments of step 1 show.
func TestClipping(t *testing.T) {
	o := DefaultOptions(10)
	o.Clip = 0
	free := newTrainer(t, o, 1)
	whole := steps(t, free, 0, 1)[0]
	if whole.Clipped || math.Abs(norm(free.First.Flat)/(1-o.Beta1)/whole.GradNorm-1) > 1e-6 {
		t.Errorf("without clipping: %+v, moments %v", whole, norm(free.First.Flat))
	}
	for _, share := range []float64{0.5, 0.01, 2} {
		o.Clip = share * whole.GradNorm
		trainer := newTrainer(t, o, 1)
		stats := steps(t, trainer, 0, 1)[0]
		if stats.GradNorm != whole.GradNorm || stats.Clipped != (share < 1) {
			t.Errorf("clip at %v of the norm: %+v", share, stats)
		}
		if got, want := norm(trainer.First.Flat)/(1-o.Beta1), math.Min(1, share)*whole.GradNorm; math.Abs(got/want-1) > 1e-4 {
			t.Errorf("clip at %v of the norm: the gradient applied has norm %v, want %v", share, got, want)
		}
	}
}

// Scales of norms decay only if asked.
func TestDecayNorms(t *testing.T) {
	o := DefaultOptions(10)
	without := newTrainer(t, o, 1)
	o.DecayNorms = true
	with := newTrainer(t, o, 1)
	stats := steps(t, without, 0, 1)[0]
	steps(t, with, 0, 1)
	for i, tensor := range with.Model.Params.Tensors {
		other := without.Model.Params.Tensors[i].Data
		for j, v := range tensor.Data {
			want := float64(other[j])
			if tensor.IsNorm() { // it was 1 before
				want -= stats.Rate * o.Decay
			}
			if math.Abs(float64(v)-want) > 1e-6*stats.Rate+1e-7 {
				t.Fatalf("%s element %d: %v, want %v", tensor.Name, j, v, want)
			}
		}
	}
}

// A batch without anything to learn from is an error, not a division by zero.
func TestNothingToLearn(t *testing.T) {
	trainer := newTrainer(t, DefaultOptions(10), 2)
	before := stateOf(trainer)
	silent := segmentsOf(t, 0, 1)
	clear(silent[0].Weight)
	for name, list := range map[string][]seq.Segment{"no segment": nil, "an empty one": {{}}, "no weight": silent} {
		if _, err := trainer.Step(t.Context(), list); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	sameState(t, "nothing to learn", stateOf(trainer), before)
	// A silent segment beside others changes nothing but the row count.
	list := segmentsOf(t, 0, 3)
	alone, beside := newTrainer(t, DefaultOptions(10), 1), newTrainer(t, DefaultOptions(10), 1)
	a, err := alone.Step(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	b, err := beside.Step(t.Context(), append(list, silent...))
	if err != nil || math.Abs(a.Loss-b.Loss) > 1e-12 || a.Rows != b.Rows {
		t.Errorf("%+v, %v beside a silent segment, %+v alone", b, err, a)
	}
}

// A segment that no model can read is an error with its number, before anything runs.
func TestBadSegments(t *testing.T) {
	trainer := newTrainer(t, DefaultOptions(10), 2)
	before := stateOf(trainer)
	for name, spoil := range map[string]func(s *seq.Segment){
		"token 23":       func(s *seq.Segment) { s.Tokens[1] = 23 },
		"token -1":       func(s *seq.Segment) { s.Tokens[1] = -1 },
		"is NaN":         func(s *seq.Segment) { s.Weight[1] = float32(math.NaN()) },
		"groups and":     func(s *seq.Segment) { s.Group = s.Group[1:] },
		"and 0 weights":  func(s *seq.Segment) { s.Weight = nil },
		"position 1 in ": func(s *seq.Segment) { s.Weight[1] = float32(math.Inf(1)) },
	} {
		list := segmentsOf(t, 0, 3)
		spoil(&list[2])
		_, err := trainer.Step(t.Context(), list)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "segment 2") {
			t.Errorf("%s: Step gives %v", name, err)
		}
		if _, _, err := trainer.Evaluate(t.Context(), list); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: Evaluate gives %v", name, err)
		}
	}
	sameState(t, "bad segments", stateOf(trainer), before)
}

// Evaluate is the loss of a step, does not train, and does not depend on threads.
func TestEvaluate(t *testing.T) {
	list := segmentsOf(t, 0, 13)
	var want float64
	for _, threads := range []int{1, 4} {
		trainer := newTrainer(t, DefaultOptions(10), threads)
		before := stateOf(trainer)
		nll, weight, err := trainer.Evaluate(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		sameState(t, "evaluated", stateOf(trainer), before)
		if threads == 1 {
			want = nll
		} else if nll != want {
			t.Errorf("%v on 4 threads, %v on one", nll, want)
		}
		stats, err := trainer.Step(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if weight != stats.Weight || math.Abs(nll/weight-stats.Loss) > 1e-9 {
			t.Errorf("evaluated %v with weight %v, the step says %+v", nll/weight, weight, stats)
		}
	}
}

// A network that is shown the same documents learns them by heart, but for what the
// first groups cannot know: which of the documents it is.
func TestLearnsByHeart(t *testing.T) {
	o := DefaultOptions(150)
	o.LR, o.MinLR = 1e-2, 1e-3
	trainer := newTrainer(t, o, 2)
	list := segmentsOf(t, 0, 4)
	var first, last Stats
	for step := range o.Steps {
		stats, err := trainer.Step(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if step == 0 {
			first = stats
		}
		last = stats
	}
	// The first logits have a variance of about one, which costs half a nat.
	if math.Abs(first.Loss-math.Log(23)-0.5) > 0.1 || last.Loss > 0.4 {
		t.Errorf("loss %v at first, want about log 23 + 0.5; %v at last, want below 0.4", first.Loss, last.Loss)
	}
}

func norm(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
