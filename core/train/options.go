package train

import (
	"fmt"
	"math"
)

// Schedule names how the learning rate falls after the warm-up.
type Schedule string

// The schedules. Each reaches its end value at Options.Steps.
const (
	Cosine   Schedule = "cosine"   // half a cosine from LR to MinLR
	Linear   Schedule = "linear"   // a straight line from LR to MinLR
	Constant Schedule = "constant" // LR throughout
)

// Options are the settings of the optimizer. They are part of a checkpoint's manifest.
type Options struct {
	Steps    int      `json:"steps" yaml:"steps"`   // optimizer steps of the whole run
	LR       float64  `json:"lr" yaml:"lr"`         // peak learning rate
	MinLR    float64  `json:"min_lr" yaml:"min_lr"` // at the last step
	Warmup   int      `json:"warmup" yaml:"warmup"` // steps over which the rate rises from 0
	Schedule Schedule `json:"schedule" yaml:"schedule"`

	Beta1 float64 `json:"beta1" yaml:"beta1"`
	Beta2 float64 `json:"beta2" yaml:"beta2"`
	Eps   float64 `json:"eps" yaml:"eps"`
	Decay float64 `json:"decay" yaml:"decay"` // decoupled weight decay
	Clip  float64 `json:"clip" yaml:"clip"`   // largest norm of the gradient; 0 = no clipping
	// DecayNorms applies the decay to the scales of norms too.
	DecayNorms bool `json:"decay_norms" yaml:"decay_norms"`

	// Shards is how many parts a batch is cut into. Their gradients are summed in a
	// fixed order, so that the result does not depend on the number of threads; it does
	// depend on Shards.
	Shards int `json:"shards" yaml:"shards"`

	// Recompute computes the activations of a layer a second time in the backward
	// instead of keeping them: less memory for 5 to 13 % more time (MODEL.md). It changes
	// no bit of the result.
	Recompute bool `json:"recompute" yaml:"recompute"`
}

// DefaultOptions returns settings that train a small model from scratch.
func DefaultOptions(steps int) Options {
	return Options{
		Steps: steps, LR: 2e-3, MinLR: 2e-4, Warmup: max(1, steps/50), Schedule: Cosine,
		Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: 0.1, Clip: 1, Shards: 8,
	}
}

// Validate reports the first setting that cannot work, by its name in configurations.
func (o *Options) Validate() error {
	switch {
	case o.Steps < 1:
		return fmt.Errorf("training: steps is %d, want at least 1", o.Steps)
	case !(o.LR > 0 && o.LR < 10):
		return fmt.Errorf("training: lr is %v, want above 0 and below 10", o.LR)
	case !(o.MinLR >= 0 && o.MinLR <= o.LR):
		return fmt.Errorf("training: min_lr is %v, want 0 to lr (%v)", o.MinLR, o.LR)
	case o.Warmup < 0 || o.Warmup > o.Steps:
		return fmt.Errorf("training: warmup is %d, want 0 to steps (%d)", o.Warmup, o.Steps)
	case o.Schedule != Cosine && o.Schedule != Linear && o.Schedule != Constant:
		return fmt.Errorf("training: schedule is %q, want %s, %s or %s", o.Schedule, Cosine, Linear, Constant)
	case !(o.Beta1 >= 0 && o.Beta1 < 1 && o.Beta2 >= 0 && o.Beta2 < 1):
		return fmt.Errorf("training: beta1 %v and beta2 %v, want 0 to below 1", o.Beta1, o.Beta2)
	case !(o.Eps >= 1e-30):
		return fmt.Errorf("training: eps is %v, want at least 1e-30", o.Eps)
	case !(o.Decay >= 0 && o.Decay < 1):
		return fmt.Errorf("training: decay is %v, want 0 to below 1", o.Decay)
	case !(o.Clip >= 0):
		return fmt.Errorf("training: clip is %v, want 0 (off) or a norm", o.Clip)
	case o.Shards < 1 || o.Shards > 1024:
		return fmt.Errorf("training: shards is %d, want 1 to 1024", o.Shards)
	}
	return nil
}

// Rate returns the learning rate of a step, counted from 0.
func (o *Options) Rate(step int) float64 {
	if step < o.Warmup {
		return o.LR * float64(step+1) / float64(o.Warmup)
	}
	left := float64(o.Steps - o.Warmup)
	done := math.Min(1, float64(step-o.Warmup)/math.Max(1, left))
	switch o.Schedule {
	case Cosine:
		return o.MinLR + (o.LR-o.MinLR)*(1+math.Cos(math.Pi*done))/2
	case Linear:
		return o.LR + (o.MinLR-o.LR)*done
	}
	return o.LR
}
