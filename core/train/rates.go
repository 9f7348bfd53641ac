package train

import (
	"fmt"
	"math"
)

// Schedule names how the learning rate falls after the warm-up.
type Schedule string

// The schedules. Each reaches its end value at the last step.
const (
	Cosine   Schedule = "cosine"   // half a cosine from LR to MinLR
	Linear   Schedule = "linear"   // a straight line from LR to MinLR
	Constant Schedule = "constant" // LR throughout
)

// Rates is how the learning rate goes over the steps of a run, or of a part of one.
type Rates struct {
	LR       float64  `json:"lr" yaml:"lr"`         // peak learning rate
	MinLR    float64  `json:"min_lr" yaml:"min_lr"` // at the last step
	Warmup   int      `json:"warmup" yaml:"warmup"` // steps over which the rate rises from 0
	Schedule Schedule `json:"schedule" yaml:"schedule"`
}

// Validate reports the first setting that cannot work over so many steps.
func (r Rates) Validate(steps int) error {
	switch {
	case !(r.LR > 0 && r.LR < 10):
		return fmt.Errorf("lr is %v, want above 0 and below 10", r.LR)
	case !(r.MinLR >= 0 && r.MinLR <= r.LR):
		return fmt.Errorf("min_lr is %v, want 0 to lr (%v)", r.MinLR, r.LR)
	case r.Warmup < 0 || r.Warmup > steps:
		return fmt.Errorf("warmup is %d, want 0 to steps (%d)", r.Warmup, steps)
	case r.Schedule != Cosine && r.Schedule != Linear && r.Schedule != Constant:
		return fmt.Errorf("schedule is %q, want %s, %s or %s", r.Schedule, Cosine, Linear, Constant)
	}
	return nil
}

// At returns the learning rate of a step, counted from 0, of so many.
func (r Rates) At(step, steps int) float64 {
	if step < r.Warmup {
		return r.LR * float64(step+1) / float64(r.Warmup)
	}
	left := float64(steps - r.Warmup)
	done := math.Min(1, float64(step-r.Warmup)/math.Max(1, left))
	switch r.Schedule {
	case Cosine:
		return r.MinLR + (r.LR-r.MinLR)*(1+math.Cos(math.Pi*done))/2
	case Linear:
		return r.LR + (r.MinLR-r.LR)*done
	}
	return r.LR
}
