package training

import (
	"maps"
	"slices"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/train"
)

// state is what a checkpoint holds of a run beside weights, optimizer and settings: where
// it stands in the documents and in the curriculum, and all that later decisions look at.
// It is the manifest's cursor.
type state struct {
	batching.Cursor
	Tokens  int64                     `json:"tokens"`             // positions trained in this stage
	HeldOut map[string]float64        `json:"held_out,omitempty"` // losses before the first step
	Ended   []checkpoint.TrainedStage `json:"ended,omitempty"`    // stages
	Plateau plateau                   `json:"plateau"`            // of this stage
	Health  train.Health              `json:"health"`             // of the gradients

	// Of a run that learns from a topic:
	Documents int    `json:"documents,omitempty"`          // trained to their ends
	Held      uint64 `json:"held_digest,string,omitempty"` // Corpus.Digest of the held-out ones
}

// streams returns the topics that the run stands in, in order.
func (s *state) streams() []string {
	var names []string
	for _, m := range s.Marks {
		names = append(names, m.Stream)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// course returns the curriculum with the stages that have ended.
func (s *state) course(c Curriculum) order.Course {
	course := order.Course{Stages: c.orders()}
	for _, e := range s.Ended[:min(len(s.Ended), len(c)-1)] {
		course.Taken = append(course.Taken, e.Steps)
	}
	return course
}

// endStage notes that a stage has ended after so many steps.
func (s *state) endStage(stage order.Stage, steps int, early bool, losses map[string]float64) {
	s.Ended = append(s.Ended, checkpoint.TrainedStage{
		Name: stage.Name, Phases: stage.PhaseText(), Steps: steps, Tokens: s.Tokens, Early: early, HeldOut: maps.Clone(losses),
	})
	s.Tokens, s.Plateau = 0, plateau{}
}

// due says whether a stage is measured after so many of its steps.
func (a *Advance) due(steps int) bool { return a != nil && steps%a.Every == 0 }

// plateau watches a loss that should fall.
type plateau struct {
	Measured int     `json:"measured"` // how often
	Best     float64 `json:"best"`     // the lowest loss, if Measured > 0
	Since    int     `json:"since"`    // measurements since the last gain
}

// over takes a measurement and says whether the loss has stopped falling.
func (p *plateau) over(loss float64, a *Advance) bool {
	if p.Measured == 0 || loss < p.Best-a.MinDelta {
		p.Best, p.Since = loss, 0
	} else {
		p.Since++
	}
	p.Measured++
	return p.Since >= a.Patience
}

// undecided returns the first step behind the given one, which is the next to be taken,
// at which a stage may end early: what follows it is not known yet. 0 = there is none.
func undecided(c Curriculum, course order.Course, step int) int {
	stage, into, _ := course.At(step)
	start := step - into
	for ; stage < len(c)-1; stage++ {
		s := &c[stage]
		if a := s.Advance; a != nil {
			if measured := (into/a.Every + 1) * a.Every; measured < s.Steps {
				return start + measured
			}
		}
		start, into = start+s.Steps, 0
	}
	return 0
}
