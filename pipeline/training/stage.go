package training

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/train"
)

// Stage is a part of a run: what is learned, for how long, and how fast. Its length is
// given in steps, in tokens or as a share of the run; without one, the last stage goes on
// to the end. What it says of the learning rate makes a schedule of its own, over its own
// steps; without that, the run's schedule goes on.
type Stage struct {
	order.Stage `yaml:",inline"`
	Tokens      int64   `yaml:"tokens,omitempty" json:"tokens,omitempty"` // positions, in steps of a full batch
	Share       float64 `yaml:"share,omitempty" json:"share,omitempty"`   // of the run's steps

	LR       float64        `yaml:"lr,omitempty" json:"lr,omitempty"`             // peak learning rate; 0 = the run's
	MinLR    *float64       `yaml:"min_lr,omitempty" json:"min_lr,omitempty"`     // at its last step; nil = the same part of lr as in the run
	Warmup   *int           `yaml:"warmup,omitempty" json:"warmup,omitempty"`     // steps; nil = the run's
	Schedule train.Schedule `yaml:"schedule,omitempty" json:"schedule,omitempty"` // empty = the run's

	Advance *Advance `yaml:"advance,omitempty" json:"advance,omitempty"` // end early; nil = never
}

// Advance ends a stage before its time once a held-out loss no longer falls.
type Advance struct {
	Order    string  `yaml:"order" json:"order"`         // whose loss is watched: one of the held-out orders
	Patience int     `yaml:"patience" json:"patience"`   // measurements in a row without a gain that end the stage
	MinDelta float64 `yaml:"min_delta" json:"min_delta"` // a loss lower by more than this, in nats a token, is a gain
	Every    int     `yaml:"every" json:"every"`         // steps between measurements, from the stage's start; 0 = eval_every
}

// Curriculum is the stages of a run, in order.
type Curriculum []Stage

// Stages returns a curriculum whose stages have no rates of their own and take their time.
func Stages(plain order.Curriculum) Curriculum {
	c := make(Curriculum, len(plain))
	for i, s := range plain {
		c[i].Stage = s
	}
	return c
}

// orders returns what batches are drawn with.
func (c Curriculum) orders() order.Curriculum {
	plain := make(order.Curriculum, len(c))
	for i, s := range c {
		plain[i] = s.Stage
	}
	return plain
}

// Bounded says whether every stage has a length of its own, so that the run's is their sum.
func (c Curriculum) Bounded() bool {
	return len(c) > 0 && !slices.ContainsFunc(c, func(s Stage) bool { return s.Steps == 0 && s.Tokens == 0 })
}

// String describes the curriculum on one line.
func (c Curriculum) String() string { return c.orders().String() }

// complete fills the lengths of the stages and their settings that follow from the run's,
// and returns the steps of the run, which are those of all stages if none are given.
func (c Curriculum) complete(o train.Options, batch, evalEvery int) (steps int, err error) {
	if len(c) == 0 {
		return 0, errors.New("curriculum is empty; give at least one stage")
	}
	total := 0
	for i := range c {
		s := &c[i]
		if err := s.length(o.Steps, batch); err != nil {
			return 0, s.name(i, err)
		}
		total += s.Steps
	}
	steps = o.Steps
	if steps == 0 && c[len(c)-1].Steps > 0 {
		steps = total
	}
	if err := c.orders().Validate(); err != nil {
		return 0, err
	}
	for i := range c {
		s := &c[i]
		if err := s.advance(i == len(c)-1, evalEvery); err != nil {
			return 0, s.name(i, err)
		}
		// A rate that is the run's is validated with it.
		if s.ownRates() {
			if err := s.rates(o.Rates).Validate(cmp.Or(s.Steps, math.MaxInt)); err != nil {
				return 0, s.name(i, err)
			}
		}
	}
	return steps, nil
}

func (s *Stage) name(i int, err error) error {
	return fmt.Errorf("curriculum stage %d (%s): %w", i+1, s.Name, err)
}

// length converts tokens, or a share of so many steps, into steps.
func (s *Stage) length(steps, batch int) error {
	converted := s.Steps
	switch {
	case s.Tokens != 0 && s.Share != 0:
		return errors.New("tokens and share are both given; its length is one of steps, tokens and share")
	case s.Tokens < 0 || s.Tokens > math.MaxInt32*int64(batch):
		return fmt.Errorf("tokens is %d, want 1 to %d", s.Tokens, math.MaxInt32*int64(batch))
	case !(s.Share >= 0 && s.Share <= 1):
		return fmt.Errorf("share is %v, want a part of the run's steps, such as 0.1", s.Share)
	case s.Tokens > 0:
		converted = int((s.Tokens + int64(batch) - 1) / int64(batch))
	case s.Share > 0 && steps == 0:
		return errors.New("share is a part of the run's steps, which are not known: give --steps or optimizer.steps")
	case s.Share > 0:
		converted = max(1, len(s.Phases), int(math.Round(s.Share*float64(steps))))
	}
	if s.Steps != 0 && s.Steps != converted {
		return fmt.Errorf("steps is %d, and its tokens or share make %d; give one of them", s.Steps, converted)
	}
	s.Steps = converted
	return nil
}

func (s *Stage) advance(last bool, evalEvery int) error {
	a := s.Advance
	if a == nil {
		return nil
	}
	full := *a // the caller's curriculum stays as it was
	if full.Every == 0 {
		full.Every = evalEvery
	}
	s.Advance = &full
	switch {
	case last:
		return errors.New("advance: no stage follows; leave it out, or add a stage")
	case !slices.Contains(heldOutOrders, a.Order):
		return fmt.Errorf("advance: order is %q, want one of %s", a.Order, strings.Join(heldOutOrders, ", "))
	case a.Patience < 1:
		return fmt.Errorf("advance: patience is %d, want at least 1 measurement", a.Patience)
	case !(a.MinDelta >= 0) || math.IsInf(a.MinDelta, 1):
		return fmt.Errorf("advance: min_delta is %v, want 0 or more nats a token", a.MinDelta)
	case full.Every < 1:
		return errors.New("advance: every is missing: give the steps between measurements, here or as eval_every")
	}
	return nil
}

func (s *Stage) ownRates() bool {
	return s.LR != 0 || s.MinLR != nil || s.Warmup != nil || s.Schedule != ""
}

// rates returns the stage's learning rates, with those of the run where it has none.
func (s *Stage) rates(run train.Rates) train.Rates {
	own := run
	if s.LR != 0 {
		own.LR, own.MinLR = s.LR, s.LR*(run.MinLR/run.LR)
	}
	if s.MinLR != nil {
		own.MinLR = *s.MinLR
	}
	if s.Warmup != nil {
		own.Warmup = *s.Warmup
	} else if s.Steps > 0 {
		own.Warmup = min(own.Warmup, s.Steps)
	}
	if s.Schedule != "" {
		own.Schedule = s.Schedule
	}
	return own
}

// rate returns the learning rate of a step of a course.
func (c *Config) rate(course order.Course, step int) float64 {
	i, into, _ := course.At(step)
	s := &c.Curriculum[i]
	if !s.ownRates() {
		return c.Optimizer.Rate(step)
	}
	steps := s.Steps
	if i == len(c.Curriculum)-1 { // it goes on to the end of the run
		steps = c.Optimizer.Steps - (step - into)
	}
	return s.rates(c.Optimizer.Rates).At(into, steps)
}
