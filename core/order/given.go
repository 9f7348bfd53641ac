package order

import (
	"fmt"

	"github.com/any-order/a3/core/seq"
)

// Given says how the given positions of a segment stand to each other. It is a
// property of the model: it must be the same in training, decoding and scoring.
type Given uint8

const (
	// GivenCausal puts each given position in a group of its own, left to right:
	// what a pretrained Llama has seen, and what a K/V cache can extend.
	GivenCausal Given = iota
	// GivenGroup puts all given positions, BOS with them, in one bidirectional
	// group, as the published code does.
	GivenGroup
)

// String returns "causal" or "group".
func (g Given) String() string {
	if g == GivenGroup {
		return "group"
	}
	return "causal"
}

// ParseGiven reads what String writes.
func ParseGiven(text string) (Given, error) {
	switch text {
	case "causal":
		return GivenCausal, nil
	case "group":
		return GivenGroup, nil
	}
	return 0, fmt.Errorf("given: %q is not known; use causal or group", text)
}

// MarshalText is String, for configuration files and manifests.
func (g Given) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText is ParseGiven.
func (g *Given) UnmarshalText(text []byte) (err error) {
	*g, err = ParseGiven(string(text))
	return err
}

// Open is the group id of a position that no group has claimed yet.
const Open int32 = -1

// Groups returns the group ids [N] of a canvas before any blank is filled: given
// positions have theirs, blanks have Open. next is the id of the first group to
// be filled: the number of groups that the given positions take.
func Groups(c *seq.Canvas, given Given) (group []int32, next int32) {
	group = make([]int32, c.Len())
	for p, blank := range c.Blank {
		if blank {
			group[p] = Open
		}
	}
	return group, claim(group, given)
}

// claim numbers the positions of group that are not Open and returns the next
// free id.
func claim(group []int32, given Given) (next int32) {
	for p, id := range group {
		switch {
		case id == Open:
		case given == GivenGroup:
			group[p], next = 0, 1
		default:
			group[p] = next
			next++
		}
	}
	return next
}

// Planned returns the segment in which the blanks of a canvas are predicted, with
// weight 1, in the given groups of positions, in their order: for scoring what
// was decoded, under the grouping it was decoded with. The canvas holds the
// tokens of its blanks too. Each blank must occur exactly once and no group may be
// empty. The segment's tokens alias the canvas.
func Planned(c *seq.Canvas, given Given, groups [][]int32) (seq.Segment, error) {
	group, next := Groups(c, given)
	s := seq.Segment{Tokens: c.Tokens, Group: group, Weight: make([]float32, c.Len())}
	for k, positions := range groups {
		if len(positions) == 0 {
			return seq.Segment{}, fmt.Errorf("group %d of the plan is empty", k)
		}
		for _, p := range positions {
			switch {
			case p < 0 || int(p) >= c.Len():
				return seq.Segment{}, fmt.Errorf("group %d of the plan holds position %d; the document has %d", k, p, c.Len())
			case !c.Blank[p]:
				return seq.Segment{}, fmt.Errorf("group %d of the plan holds position %d, which is given", k, p)
			case group[p] != Open:
				return seq.Segment{}, fmt.Errorf("group %d of the plan holds position %d a second time", k, p)
			}
			group[p], s.Weight[p] = next, 1
		}
		next++
	}
	for p, id := range group {
		if id == Open {
			return seq.Segment{}, fmt.Errorf("position %d is blank and in no group of the plan", p)
		}
	}
	return s, nil
}
