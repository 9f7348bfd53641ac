package order

import "fmt"

// Course is a curriculum as a run goes through it: a stage may end before its time, and
// those behind it then begin sooner. The last one goes on as long as the run does.
type Course struct {
	Stages Curriculum
	Taken  []int // steps that the stages which have ended took, in order
}

// At returns the index of the stage that a step (from 0) belongs to, the step counted
// from the start of that stage, and the mixture of its phase. The course must be valid.
func (c Course) At(step int) (stage, into int, m Mixture) {
	last := len(c.Stages) - 1
	for i, s := range c.Stages[:last] {
		steps := c.steps(i)
		if step < steps {
			return i, step, s.phase(step)
		}
		step -= steps
	}
	s := c.Stages[last]
	if s.Steps > 0 {
		return last, step, s.phase(min(step, s.Steps-1))
	}
	return last, step, s.phase(step)
}

// steps returns how long a stage that is not the last one takes.
func (c Course) steps(stage int) int {
	if stage < len(c.Taken) {
		return c.Taken[stage]
	}
	return c.Stages[stage].Steps
}

// Start returns the step with which a stage begins.
func (c Course) Start(stage int) (step int) {
	for i := range stage {
		step += c.steps(i)
	}
	return step
}

// Validate reports an invalid curriculum, and steps taken that are not those of its
// stages: each takes at least one step and at most its own; the last one has no end.
func (c Course) Validate() error {
	if err := c.Stages.Validate(); err != nil {
		return err
	}
	if len(c.Taken) >= len(c.Stages) {
		return fmt.Errorf("%d stages have ended, of a curriculum of %d; the last one does not end before the run", len(c.Taken), len(c.Stages))
	}
	for i, steps := range c.Taken {
		if s := c.Stages[i]; steps < 1 || steps > s.Steps {
			return fmt.Errorf("curriculum stage %d (%s): it took %d steps, want 1 to %d", i+1, s.Name, steps, s.Steps)
		}
	}
	return nil
}
