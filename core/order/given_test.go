package order

import (
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/seq"
)

func testCanvas() *seq.Canvas {
	c := seq.NewCanvas(1, 10)
	c.AppendBlank(2)
	c.AppendKnown(11)
	c.AppendBlank(1)
	return c
}

func TestGroups(t *testing.T) {
	group, next := Groups(testCanvas(), GivenCausal)
	if want := []int32{0, 1, Open, Open, 2, Open}; !slices.Equal(group, want) || next != 3 {
		t.Errorf("causal: %v, next %d; want %v, 3", group, next, want)
	}
	group, next = Groups(testCanvas(), GivenGroup)
	if want := []int32{0, 0, Open, Open, 0, Open}; !slices.Equal(group, want) || next != 1 {
		t.Errorf("group: %v, next %d; want %v, 1", group, next, want)
	}
	if group, next = Groups(seq.NewCanvas(), GivenGroup); len(group) != 0 || next != 0 {
		t.Errorf("empty canvas: %v, next %d", group, next)
	}
}

func TestPlanned(t *testing.T) {
	s, err := Planned(testCanvas(), GivenCausal, [][]int32{{5}, {3, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []int32{0, 1, 4, 4, 2, 3}; !slices.Equal(s.Group, want) {
		t.Errorf("groups %v, want %v", s.Group, want)
	}
	if want := []float32{0, 0, 1, 1, 0, 1}; !slices.Equal(s.Weight, want) {
		t.Errorf("weights %v, want %v", s.Weight, want)
	}
	for want, plan := range map[string][][]int32{
		"group 1 of the plan is empty":             {{2}, {}, {3, 5}},
		"position 6; the document has 6":           {{2, 3, 5, 6}},
		"position -1":                              {{-1}},
		"position 4, which is given":               {{2, 3}, {4, 5}},
		"group 1 of the plan holds position 2 a s": {{2, 3}, {2, 5}},
		"position 5 is blank and in no group":      {{2, 3}},
	} {
		if _, err := Planned(testCanvas(), GivenCausal, plan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Planned(%v) = %v, want an error with %q", plan, err, want)
		}
	}
}

// TestPlannedAgreesWithSample: a sampled grouping, taken apart into given positions
// and a plan, is the same grouping again. Training and scoring mean the same.
func TestPlannedAgreesWithSample(t *testing.T) {
	s := mustParse(t, "spans")
	for _, given := range []Given{GivenCausal, GivenGroup} {
		seg := s.Sample(Key(1, 0, 1, 0), make([]int32, 90), given)
		c := seq.NewCanvas(seg.Tokens...)
		plan := make([][]int32, slices.Max(seg.Group)+1)
		for p, id := range seg.Group {
			if c.Blank[p] = seg.Weight[p] == 1; c.Blank[p] {
				plan[id] = append(plan[id], int32(p))
			}
		}
		plan = slices.DeleteFunc(plan, func(g []int32) bool { return g == nil })
		back, err := Planned(c, given, plan)
		if err != nil || !slices.Equal(back.Group, seg.Group) || !slices.Equal(back.Weight, seg.Weight) {
			t.Errorf("%s: %v\nwant %v (%v)", given, back.Group, seg.Group, err)
		}
	}
}

func TestGivenText(t *testing.T) {
	for _, g := range []Given{GivenCausal, GivenGroup} {
		var back Given
		text, _ := g.MarshalText()
		if err := back.UnmarshalText(text); err != nil || back != g {
			t.Errorf("%s reads back as %s, %v", g, back, err)
		}
	}
	if _, err := ParseGiven("both"); err == nil || !strings.Contains(err.Error(), "causal or group") {
		t.Errorf("ParseGiven(both) = %v", err)
	}
}
