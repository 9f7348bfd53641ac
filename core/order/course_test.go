package order

import (
	"strings"
	"testing"
)

func TestCourseAt(t *testing.T) {
	c := DefaultCurriculum(100) // 10, 20 and 30 steps, then to the end
	plain := Course{Stages: c}
	early := Course{Stages: c, Taken: []int{10, 7}}
	for _, at := range []struct {
		course            Course
		step, stage, into int
		mixture           string
	}{
		{plain, 9, 0, 9, "ltr"}, {plain, 29, 1, 19, "blocks:4"}, {plain, 30, 2, 0, "permuted:4"}, {plain, 1000, 3, 940, c[3].Phases[0].String()},
		{early, 9, 0, 9, "ltr"}, {early, 16, 1, 6, "blocks:2"}, {early, 17, 2, 0, "permuted:4"},
		{early, 46, 2, 29, "permuted:8"}, {early, 47, 3, 0, c[3].Phases[0].String()},
	} {
		stage, into, m := at.course.At(at.step)
		if stage != at.stage || into != at.into || m.String() != at.mixture {
			t.Errorf("step %d: stage %d, its step %d, %s; want %d, %d, %s", at.step, stage, into, m, at.stage, at.into, at.mixture)
		}
		if start := at.course.Start(stage); start != at.step-at.into {
			t.Errorf("stage %d starts with step %d, want %d", stage, start, at.step-at.into)
		}
	}
}

func TestCourseValidate(t *testing.T) {
	c := DefaultCurriculum(100)
	if err := (Course{Stages: c, Taken: []int{10, 1, 30}}).Validate(); err != nil {
		t.Error(err)
	}
	for want, course := range map[string]Course{
		"curriculum is empty":                             {},
		"4 stages have ended, of a curriculum of 4":       {Stages: c, Taken: []int{10, 20, 30, 40}},
		"stage 2 (growing blocks): it took 0 steps":       {Stages: c, Taken: []int{10, 0}},
		"stage 1 (left-to-right): it took 11 steps, want": {Stages: c, Taken: []int{11}},
	} {
		if err := course.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want an error with %q", err, want)
		}
	}
}
