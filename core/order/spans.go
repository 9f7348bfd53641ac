package order

import (
	"slices"

	"github.com/any-order/a3/core/seq"
)

// blanks draws the blank positions of a segment, ascending, among positions 1 to
// m: the task of infilling.
//
// The number of blank positions is uniform between the bounds of the share; it is
// split into blanks of geometric lengths, the last one cut short so that the
// number is met; the blanks then go to distinct slots between the given positions
// (slot i lies before the i-th of them), all sets of slots being equally likely.
// So blanks do not touch, and one may stand at the very end, as a continuation
// does.
func (s Sampler) blanks(key seq.Key, m int) []int32 {
	if m == 0 {
		return nil
	}
	least := max((m*s.MinShare+99)/100, 1)
	most := max(m*s.MaxShare/100, least)
	total := least + key.With(drawShare).Intn(0, most-least+1)

	slots := m - total + 1
	lengths := s.lengths(key.With(drawLength), total, slots)
	seq.Shuffle(key.With(drawLengthOrder), lengths) // the one cut short stands anywhere
	at := choose(key.With(drawSlot), len(lengths), slots)

	blank := make([]int32, 0, total)
	for i, slot := range at {
		// Before this blank stand BOS, slot given positions and the blanks so far.
		p := int32(1 + slot + len(blank))
		for range lengths[i] {
			blank = append(blank, p)
			p++
		}
	}
	return blank
}

// lengths draws geometric lengths with mean MeanBlank that sum to total, at most
// most of them: what is left over then makes the last one longer.
func (s Sampler) lengths(key seq.Key, total, most int) []int {
	stop := 1 / float64(s.MeanBlank)
	var lengths []int
	for draw := uint64(0); total > 0; {
		n := 1
		if len(lengths) == most-1 {
			n = total
		}
		// Tossing the coin, instead of inverting the distribution by logarithms,
		// gives the same lengths on every machine.
		for ; n < total; n++ {
			draw++
			if key.Uniform(draw) < stop {
				break
			}
		}
		lengths = append(lengths, n)
		total -= n
	}
	return lengths
}

// choose draws k of the numbers 0 to n-1, ascending, all sets equally likely
// (Floyd's algorithm). k must be at most n.
func choose(key seq.Key, k, n int) []int {
	chosen := make([]int, 0, k)
	taken := make(map[int]bool, k)
	for j := n - k; j < n; j++ {
		pick := key.Intn(uint64(j), j+1)
		if taken[pick] {
			pick = j
		}
		taken[pick] = true
		chosen = append(chosen, pick)
	}
	slices.Sort(chosen)
	return chosen
}
