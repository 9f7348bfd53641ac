package train

import (
	"fmt"
	"slices"
)

// Health is what a trainer remembers of the gradients before, to tell one that is out of
// the ordinary. It belongs into a checkpoint: the next step depends on it.
type Health struct {
	Norms   []float64 `json:"norms,omitempty"` // L2 norms of the last steps taken, the oldest first, in one stage
	InRow   int       `json:"in_row"`          // steps skipped in a row, up to now
	Skipped int       `json:"skipped"`         // steps skipped in all
}

// The median is that of the last normWindow norms; with fewer than normsNeeded it says
// too little of what is ordinary.
const (
	normWindow  = 64
	normsNeeded = 16
)

// NewStage forgets the norms: another task has gradients of another size.
func (h *Health) NewStage() { h.Norms = nil }

// unusual says why a step must not be taken, or nothing.
func (h *Health) unusual(loss, norm, spike float64) string {
	if !finite(loss) || !finite(norm) {
		return fmt.Sprintf("loss %v, gradient norm %v", loss, norm)
	}
	if spike == 0 || len(h.Norms) < normsNeeded {
		return ""
	}
	sorted := slices.Sorted(slices.Values(h.Norms))
	if median := sorted[len(sorted)/2]; norm > spike*median {
		return fmt.Sprintf("gradient norm %.4g, above %g times the median of the last steps, %.4g", norm, spike, median)
	}
	return ""
}

// taken notes the norm of a step that was taken.
func (h *Health) taken(norm float64) {
	h.InRow = 0
	if len(h.Norms) == normWindow {
		h.Norms = slices.Delete(h.Norms, 0, 1)
	}
	h.Norms = append(h.Norms, norm)
}

// DivergedError is returned by Step when more steps in a row than Options.Skips had a loss
// or a gradient that is not finite, or a gradient beyond Options.Spike. The weights are as
// before the first of them.
type DivergedError struct {
	Step   int    // the last of them
	InRow  int    // how many
	Reason string // of the last one
}

func (e *DivergedError) Error() string {
	if e.InRow == 1 {
		return fmt.Sprintf("training step %d: %s; the weights are those before it", e.Step, e.Reason)
	}
	return fmt.Sprintf("training step %d: %s, the last of %d such steps in a row; the weights are those before them", e.Step, e.Reason, e.InRow)
}
