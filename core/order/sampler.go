package order

import (
	"github.com/any-order/a3/core/seq"
)

// Kind is a family of groupings.
type Kind uint8

// The kinds, by their names in the text form.
const (
	LTR      Kind = iota // "ltr": one token a group, left to right
	Blocks               // "blocks": contiguous groups, left to right
	Permuted             // "permuted": positions permuted at random, then cut in equal groups
	Uneven               // "uneven": as permuted, with group sizes drawn at random
	Spans                // "spans": blanks with context on both sides, filled in small groups
	Next                 // "next": as ltr, and the content stream predicts: a plain Llama's next-token loss
)

// Fill is the order in which the positions of blanks are filled.
type Fill uint8

// The orders of filling, by their names in the text form.
const (
	FillMixed  Fill = iota // "mixed": for each segment, one of the two by the toss of a coin
	FillRandom             // "random": all blank positions permuted
	FillLTR                // "ltr": ascending
)

// Sampler draws groupings of one kind. The zero value is LTR; Parse fills in the
// defaults of the other kinds.
type Sampler struct {
	Kind Kind

	// MinGroup and MaxGroup bound the number of positions of a predicted group; a
	// size is drawn for each group, uniformly. They are equal for Blocks and
	// Permuted, and 0 for LTR and Next.
	MinGroup, MaxGroup int

	// For Spans.
	MeanBlank          int  // mean of the geometric distribution of blank lengths
	MinShare, MaxShare int  // bounds of the share of blank positions, in percent
	Fill               Fill // order of filling
}

// The parts of a segment's key, one for each thing that is drawn.
const (
	drawSampler = iota + 1
	drawPermutation
	drawGroupSize
	drawShare
	drawLength
	drawLengthOrder
	drawSlot
	drawFill
)

// Key returns the key under which the grouping of a training segment is drawn: the
// chunk-th chunk of the document with the given key, in the given epoch.
func Key(seed, epoch, doc uint64, chunk int) seq.Key {
	return seq.NewKey(seed, uint64(seq.PurposeGrouping), epoch, doc, uint64(chunk))
}

// Sample draws the grouping of a segment of N = len(tokens) positions, the first
// of which is BOS.
//
// Group ids are 0 to G-1, each in use, given positions' groups first. Weight is 0
// for given positions and 1 for predicted ones. BOS is given and in group 0: alone
// there, unless the sampler gives other positions and given is GivenGroup. All
// kinds but Spans predict every position but BOS; Spans predicts at least one
// where N > 1. The result aliases tokens.
func (s Sampler) Sample(key seq.Key, tokens []int32, given Given) seq.Segment {
	n := len(tokens)
	seg := seq.Segment{Tokens: tokens, Group: make([]int32, n), Weight: make([]float32, n), Next: s.Kind == Next}
	if n == 0 {
		return seg
	}

	var predicted []int32 // positions to predict, in the order of prediction
	permute := false
	switch s.Kind {
	case Spans:
		predicted = s.blanks(key, n-1)
		permute = s.Fill == FillRandom || s.Fill == FillMixed && key.With(drawFill).Intn(0, 2) == 0
	default:
		predicted = make([]int32, n-1)
		for i := range predicted {
			predicted[i] = int32(i + 1)
		}
		permute = s.Kind == Permuted || s.Kind == Uneven
	}
	for _, p := range predicted {
		seg.Group[p], seg.Weight[p] = Open, 1
	}
	next := claim(seg.Group, given)
	if permute {
		seq.Shuffle(key.With(drawPermutation), predicted)
	}
	s.cut(key, seg.Group, predicted, next)
	return seg
}

// cut gives the positions group ids from next on, in their order, with a size
// drawn for each group.
func (s Sampler) cut(key seq.Key, group, positions []int32, next int32) {
	lo, hi := max(s.MinGroup, 1), max(s.MaxGroup, 1)
	sizes := key.With(drawGroupSize)
	for k := uint64(0); len(positions) > 0; k++ {
		size := min(lo+sizes.Intn(k, hi-lo+1), len(positions))
		for _, p := range positions[:size] {
			group[p] = next
		}
		positions = positions[size:]
		next++
	}
}
