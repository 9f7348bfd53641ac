package order

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func mustMixture(t testing.TB, text string) Mixture {
	t.Helper()
	m, err := ParseMixture(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMixtureShares(t *testing.T) {
	m := mustMixture(t, "permuted:4=5,ltr=2,spans=3")
	const draws = 10000
	count := map[string]int{}
	for i := range draws {
		count[m.Pick(Key(1, 0, uint64(i), 0)).String()]++
	}
	for text, want := range map[string]float64{"permuted:4": 0.5, "ltr": 0.2, "spans": 0.3} {
		if got := float64(count[text]) / draws; got < want-0.02 || got > want+0.02 {
			t.Errorf("%s is picked in %.3f of the draws, want %.1f", text, got, want)
		}
	}
	key := Key(1, 0, 5, 0)
	got, want := m.Sample(key, make([]int32, 30), GivenCausal), m.Pick(key).Sample(key, make([]int32, 30), GivenCausal)
	if !slices.Equal(got.Group, want.Group) {
		t.Error("a mixture's sample is not that of the sampler it picks")
	}
}

func TestMixtureErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                "not known",
		"ltr,spans":       "needs a positive weight",
		"ltr=0":           "needs a positive weight",
		"ltr=-1,spans=2":  "needs a positive weight",
		"ltr=Inf,spans=1": "needs a positive weight",
		"ltr=1,ltr=2":     "twice",
		"ltr=1,blok=2":    "not known",
	} {
		if _, err := ParseMixture(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseMixture(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestCurriculumAt(t *testing.T) {
	c := DefaultCurriculum(100)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		step, stage int
		mixture     string
	}{
		{0, 0, "ltr"}, {9, 0, "ltr"},
		{10, 1, "blocks:1"}, {14, 1, "blocks:1"}, {15, 1, "blocks:2"}, {20, 1, "blocks:3"}, {29, 1, "blocks:4"},
		{30, 2, "permuted:4"}, {44, 2, "permuted:4"}, {45, 2, "permuted:8"}, {59, 2, "permuted:8"},
		{60, 3, "spans=0.5,permuted:4=0.15,uneven=0.1,blocks:4=0.05,ltr=0.2"},
		{1 << 40, 3, "spans=0.5,permuted:4=0.15,uneven=0.1,blocks:4=0.05,ltr=0.2"},
	} {
		if stage, m := c.At(at.step); stage != at.stage || m.String() != at.mixture {
			t.Errorf("step %d is in stage %d, %s; want %d, %s", at.step, stage, m, at.stage, at.mixture)
		}
	}

	ends := Curriculum{{Name: "only", Steps: 2, Phases: []Mixture{mustMixture(t, "ltr"), mustMixture(t, "blocks:2")}}}
	if stage, m := ends.At(7); stage != 0 || m.String() != "blocks:2" {
		t.Errorf("behind the end: stage %d, %s; want the last phase", stage, m)
	}
	for steps := range 40 { // every phase is reached, however short the run
		c := DefaultCurriculum(steps)
		if err := c.Validate(); err != nil {
			t.Fatalf("%d steps: %v", steps, err)
		}
		seen := map[string]bool{}
		for step := range 60 {
			_, m := c.At(step)
			seen[m.String()] = true
		}
		if len(seen) != 8 {
			t.Errorf("%d steps: %d mixtures are met, want 8", steps, len(seen))
		}
	}
}

func TestCurriculumValidate(t *testing.T) {
	ltr := []Mixture{mustMixture(t, "ltr")}
	for want, c := range map[string]Curriculum{
		"at least one stage":     nil,
		"phases is empty":        {{Name: "a", Steps: 3}},
		"stages follow it":       {{Name: "a", Phases: ltr}, {Name: "b", Phases: ltr}},
		"it must be 0 to":        {{Name: "a", Steps: -1, Phases: ltr}},
		"too few for 2 phases":   {{Name: "a", Steps: 1, Phases: []Mixture{ltr[0], ltr[0]}}},
		"but it has 2 phases":    {{Name: "a", Phases: []Mixture{ltr[0], ltr[0]}}},
		"phase 1: mixture is em": {{Name: "a", Phases: []Mixture{{}}}},
		"outside 1e-6":           {{Name: "a", Phases: []Mixture{{{Weight: -1}}}}},
		"stage 2 (b)":            {{Name: "a", Steps: 1, Phases: ltr}, {Name: "b"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want an error with %q", err, want)
		}
	}
}

func TestCurriculumText(t *testing.T) {
	c := DefaultCurriculum(100)
	blob, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Curriculum
	if err := json.Unmarshal(blob, &back); err != nil {
		t.Fatal(err)
	}
	if back.String() != c.String() {
		t.Errorf("%s\nreads back as\n%s", c, back)
	}
	const want = "left-to-right (10): ltr; growing blocks (20): blocks:1 > blocks:2 > blocks:3 > blocks:4; " +
		"permuted groups (30): permuted:4 > permuted:8; " +
		"mixture (to the end): spans=0.5,permuted:4=0.15,uneven=0.1,blocks:4=0.05,ltr=0.2"
	if c.String() != want {
		t.Errorf("String = %s", c)
	}
}
