package train

import "fmt"

// Options are the settings of the optimizer. They are part of a checkpoint's manifest.
type Options struct {
	Steps int `json:"steps" yaml:"steps"` // optimizer steps of the whole run
	Rates `yaml:",inline"`

	Beta1 float64 `json:"beta1" yaml:"beta1"`
	Beta2 float64 `json:"beta2" yaml:"beta2"`
	Eps   float64 `json:"eps" yaml:"eps"`
	Decay float64 `json:"decay" yaml:"decay"` // decoupled weight decay
	Clip  float64 `json:"clip" yaml:"clip"`   // largest norm of the gradient; 0 = no clipping
	// DecayNorms applies the decay to the scales of norms too.
	DecayNorms bool `json:"decay_norms" yaml:"decay_norms"`

	// A step whose loss or gradient is not finite, or whose gradient has a norm above Spike
	// times the median of the last steps (0 = any), is skipped: it changes nothing. More
	// than Skips in a row end the run.
	Spike float64 `json:"spike,omitempty" yaml:"spike"`
	Skips int     `json:"skips,omitempty" yaml:"skips"`

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
		Steps: steps, Rates: Rates{LR: 2e-3, MinLR: 2e-4, Warmup: max(1, steps/50), Schedule: Cosine},
		Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: 0.1, Clip: 1, Spike: 10, Skips: 5, Shards: 8,
	}
}

// Resize sets the steps of the run. The warm-up takes a twentieth of them at most.
func (o *Options) Resize(steps int) {
	o.Steps, o.Warmup = steps, min(o.Warmup, max(1, steps/20))
}

// Validate reports the first setting that cannot work, by its name in configurations.
func (o *Options) Validate() error {
	if o.Steps < 1 {
		return fmt.Errorf("training: steps is %d, want at least 1", o.Steps)
	}
	if err := o.Rates.Validate(o.Steps); err != nil {
		return fmt.Errorf("training: %w", err)
	}
	switch {
	case !(o.Beta1 >= 0 && o.Beta1 < 1 && o.Beta2 >= 0 && o.Beta2 < 1):
		return fmt.Errorf("training: beta1 %v and beta2 %v, want 0 to below 1", o.Beta1, o.Beta2)
	case !(o.Eps >= 1e-30):
		return fmt.Errorf("training: eps is %v, want at least 1e-30", o.Eps)
	case !(o.Decay >= 0 && o.Decay < 1):
		return fmt.Errorf("training: decay is %v, want 0 to below 1", o.Decay)
	case !(o.Clip >= 0):
		return fmt.Errorf("training: clip is %v, want 0 (off) or a norm", o.Clip)
	case o.Spike != 0 && !(o.Spike > 1 && finite(o.Spike)):
		return fmt.Errorf("training: spike is %v, want 0 (off) or a factor above 1", o.Spike)
	case o.Skips < 0:
		return fmt.Errorf("training: skips is %d, want 0 or more steps", o.Skips)
	case o.Shards < 1 || o.Shards > 1024:
		return fmt.Errorf("training: shards is %d, want 1 to 1024", o.Shards)
	}
	return nil
}

// Rate returns the learning rate of a step, counted from 0.
func (o *Options) Rate(step int) float64 { return o.Rates.At(step, o.Steps) }
