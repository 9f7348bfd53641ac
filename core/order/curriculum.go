package order

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/any-order/a3/core/seq"
)

// Mixture draws each segment's grouping with one of several samplers.
type Mixture []Weighted

// Weighted is a sampler with its relative weight in a mixture, positive.
type Weighted struct {
	Sampler Sampler
	Weight  float64
}

// ParseMixture reads samplers with weights, as in "permuted:4=0.5,ltr=0.2,spans=0.3".
// Weights are relative. A sampler that stands alone needs none.
func ParseMixture(text string) (Mixture, error) {
	var m Mixture
	entries := strings.Split(text, ",")
	for _, entry := range entries {
		name, number, weighted := strings.Cut(entry, "=")
		w := Weighted{Weight: 1}
		var err error
		if w.Sampler, err = Parse(name); err != nil {
			return nil, fmt.Errorf("mixture %q: %w", text, err)
		}
		if weighted {
			w.Weight, err = strconv.ParseFloat(number, 64)
		} else if len(entries) > 1 {
			err = fmt.Errorf("no weight")
		}
		if err != nil || !validWeight(w.Weight) {
			return nil, fmt.Errorf("mixture %q: %q needs a positive weight, as in %s=0.5", text, entry, name)
		}
		m = append(m, w)
	}
	if len(m) == 1 {
		m[0].Weight = 1 // a weight without a rival says nothing
	}
	return m, m.Validate()
}

// validWeight bounds weights so that their sum is finite and no share vanishes.
func validWeight(w float64) bool { return w >= 1e-6 && w <= 1e6 }

// String returns the canonical text form, which ParseMixture reads back.
func (m Mixture) String() string {
	if len(m) == 1 {
		return m[0].Sampler.String()
	}
	entries := make([]string, len(m))
	for i, w := range m {
		entries[i] = w.Sampler.String() + "=" + strconv.FormatFloat(w.Weight, 'g', -1, 64)
	}
	return strings.Join(entries, ",")
}

// MarshalText is String, for configuration files and manifests.
func (m Mixture) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMixture.
func (m *Mixture) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMixture(string(text))
	return err
}

// Validate reports an empty mixture, a weight out of range, a sampler that is
// invalid or named twice.
func (m Mixture) Validate() error {
	if len(m) == 0 {
		return fmt.Errorf("mixture is empty; name at least one grouping, such as ltr")
	}
	for i, w := range m {
		if err := w.Sampler.Validate(); err != nil {
			return err
		}
		if !validWeight(w.Weight) {
			return fmt.Errorf("mixture: weight %v of %s is outside 1e-6 to 1e6", w.Weight, w.Sampler)
		}
		for _, earlier := range m[:i] {
			if earlier.Sampler == w.Sampler {
				return fmt.Errorf("mixture names %s twice; add the weights", w.Sampler)
			}
		}
	}
	return nil
}

// Pick returns the sampler that the key chooses.
func (m Mixture) Pick(key seq.Key) Sampler {
	var total float64
	for _, w := range m {
		total += w.Weight
	}
	// The conversion keeps the product from being fused with the subtraction on
	// machines that could: the choice must not depend on the machine.
	u := float64(key.With(drawSampler).Uniform(0) * total)
	for _, w := range m {
		if u < w.Weight {
			return w.Sampler
		}
		u -= w.Weight
	}
	return m[len(m)-1].Sampler // rounding left u at the very end
}

// Sample draws the grouping of a segment with the sampler that the key picks; see
// Sampler.Sample.
func (m Mixture) Sample(key seq.Key, tokens []int32, given Given) seq.Segment {
	return m.Pick(key).Sample(key, tokens, given)
}

// Stage is a part of a training run: it goes through its phases, each for an equal
// share of its steps. A group size that grows linearly is a list of phases.
type Stage struct {
	Name   string    `json:"name" yaml:"name"`
	Steps  int       `json:"steps" yaml:"steps"` // 0 = without end; the last stage only
	Phases []Mixture `json:"phases" yaml:"phases"`
}

// Curriculum is the stages of a training run, in order. When its steps are over,
// the last phase goes on.
type Curriculum []Stage

// DefaultCurriculum returns the progressive adaptation of the A3 paper for a run of
// the given number of steps: the autoregressive factorisation that a pretrained
// model knows (10 % of the steps), contiguous blocks growing from 1 to 4 (20 %),
// permuted groups of 4, then 8 (30 %), and last a mixture of what decoding will
// meet: blanks with context on both sides, small groups in any order, and some
// plain AR, so that it is not forgotten.
func DefaultCurriculum(steps int) Curriculum {
	phases := func(texts ...string) (list []Mixture) {
		for _, text := range texts {
			m, err := ParseMixture(text)
			if err != nil {
				panic(err) // the texts are the literals below
			}
			list = append(list, m)
		}
		return list
	}
	c := Curriculum{
		{Name: "left-to-right", Steps: steps / 10, Phases: phases("ltr")},
		{Name: "growing blocks", Steps: steps / 5, Phases: phases("blocks:1", "blocks:2", "blocks:3", "blocks:4")},
		{Name: "permuted groups", Steps: steps * 3 / 10, Phases: phases("permuted:4", "permuted:8")},
		{Name: "mixture", Phases: phases("spans=0.5,permuted:4=0.15,uneven=0.1,blocks:4=0.05,ltr=0.2")},
	}
	for i := range c[:len(c)-1] {
		c[i].Steps = max(c[i].Steps, len(c[i].Phases)) // each phase has a step in a run however short
	}
	return c
}

// At returns the index of the stage that a step (from 0) belongs to, and the mixture of
// its phase, if every stage takes its time; a Course knows those that do not. The
// curriculum must be valid.
func (c Curriculum) At(step int) (stage int, m Mixture) {
	stage, _, m = Course{Stages: c}.At(step)
	return stage, m
}

// phase returns the mixture at a step counted from the start of the stage.
func (s Stage) phase(step int) Mixture {
	if s.Steps == 0 {
		return s.Phases[0]
	}
	return s.Phases[step*len(s.Phases)/s.Steps]
}

// maxSteps keeps step * phases within an int.
const maxSteps = math.MaxInt32

// Validate reports the first rule that the curriculum breaks, naming the stage.
func (c Curriculum) Validate() error {
	if len(c) == 0 {
		return fmt.Errorf("curriculum is empty; give at least one stage")
	}
	for i, s := range c {
		if err := s.validate(i == len(c)-1); err != nil {
			return fmt.Errorf("curriculum stage %d (%s): %w", i+1, s.Name, err)
		}
	}
	return nil
}

func (s Stage) validate(last bool) error {
	switch {
	case len(s.Phases) == 0:
		return fmt.Errorf("phases is empty; name at least one mixture, such as ltr")
	case s.Steps < 0 || s.Steps > maxSteps:
		return fmt.Errorf("steps is %d; it must be 0 to %d", s.Steps, maxSteps)
	case s.Steps == 0 && !last:
		return fmt.Errorf("steps is 0, without end, but stages follow it")
	case s.Steps == 0 && len(s.Phases) > 1:
		return fmt.Errorf("steps is 0, without end, but it has %d phases", len(s.Phases))
	case s.Steps > 0 && s.Steps < len(s.Phases):
		return fmt.Errorf("%d steps are too few for %d phases", s.Steps, len(s.Phases))
	}
	for i, m := range s.Phases {
		if err := m.Validate(); err != nil {
			return fmt.Errorf("phase %d: %w", i+1, err)
		}
	}
	return nil
}

// String describes the curriculum on one line, stage by stage, for logs.
func (c Curriculum) String() string {
	stages := make([]string, len(c))
	for i, s := range c {
		steps := strconv.Itoa(s.Steps)
		if s.Steps == 0 {
			steps = "to the end"
		}
		stages[i] = fmt.Sprintf("%s (%s): %s", s.Name, steps, s.PhaseText())
	}
	return strings.Join(stages, "; ")
}

// PhaseText describes the phases in their order, as in "blocks:1 > blocks:2".
func (s Stage) PhaseText() string {
	phases := make([]string, len(s.Phases))
	for i, m := range s.Phases {
		phases[i] = m.String()
	}
	return strings.Join(phases, " > ")
}
