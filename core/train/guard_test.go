package train

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestUnusual(t *testing.T) {
	var h Health
	for i := range normsNeeded {
		if reason := h.unusual(1, 1e9, 10); reason != "" {
			t.Errorf("after %d steps: %s", i, reason)
		}
		h.taken(float64(1 + i%3)) // the median is 2
	}
	for _, c := range []struct {
		loss, norm, spike float64
		want              string
	}{
		{1, 20, 10, ""}, {1, 20.5, 10, "gradient norm 20.5, above 10 times the median of the last steps, 2"}, {1, 1e9, 0, ""},
		{math.NaN(), 1, 10, "loss NaN"}, {1, math.Inf(1), 0, "gradient norm +Inf"},
	} {
		if got := h.unusual(c.loss, c.norm, c.spike); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("loss %v, norm %v, spike %v: %q, want %q", c.loss, c.norm, c.spike, got, c.want)
		}
	}
	for range 1000 {
		h.taken(7)
	}
	if len(h.Norms) != normWindow {
		t.Errorf("%d norms are kept", len(h.Norms))
	}
	if h.NewStage(); h.unusual(1, 1e9, 10) != "" {
		t.Error("the norms of another stage count")
	}
}

// A step with an exploding gradient changes nothing but its number; too many in a row end
// the run with the weights before them. Steps between them begin the count anew.
func TestSkippedSteps(t *testing.T) {
	options := DefaultOptions(100)
	options.Skips = 2
	trainer := newTrainer(t, options, 2)
	steps(t, trainer, 0, 4)
	trainer.Health.Norms = slices.Repeat([]float64{1e-6}, normsNeeded) // what is ordinary makes all steps spikes
	for range 2 {
		before := stateOf(trainer)
		stats, err := trainer.Step(t.Context(), segmentsOf(t, 4, 13))
		if err != nil || !strings.Contains(stats.Skipped, "above 10 times the median") {
			t.Fatalf("stats %+v, %v", stats, err)
		}
		before.done++
		before.health.InRow++
		before.health.Skipped++
		sameState(t, "skipped", stateOf(trainer), before)
	}
	before := stateOf(trainer)
	_, err := trainer.Step(t.Context(), segmentsOf(t, 4, 13))
	var diverged *DivergedError
	if !errors.As(err, &diverged) || diverged.Step != 6 || diverged.InRow != 3 || !strings.Contains(err.Error(), "the last of 3 such steps in a row") {
		t.Fatalf("error %v", err)
	}
	sameState(t, "stopped", stateOf(trainer), before)

	trainer.Health.NewStage()
	steps(t, trainer, 6, 7)
	if h := trainer.Health; h.InRow != 0 || h.Skipped != 2 || len(h.Norms) != 1 {
		t.Errorf("health %+v", h)
	}
}
