package decode

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
)

// Leave-one-out checks: what does the model say of a filled position, given everything
// else? A content row that was encoded after the position was filled has seen it, so the
// probability would leak through every key behind it. Therefore the checked positions S
// are encoded last: first all others, in their order without S, then S in its order
// without the one that is asked for. Nothing that the query row sees has seen that token.
//
// Each position of S takes a pass over the keys from the first group of S on. The session
// stays as it was; what was cut off its cache is encoded anew by the next proposal.

// check is the checking of some positions.
type check struct {
	positions []int32 // ascending
	done      []Proposal
	top       []Top
	cut       int       // first rank that is not as it was: the begin of a group
	rest      [][]int32 // the groups from there on: others first, then those of positions
	order     []int32   // scratch
}

// Check makes the next passes look at filled positions, one each, without what stands
// there. Then Proposal has their rows: the token that stands there, and what the model
// says of it. After an error nothing is changed.
func (s *Session) Check(positions []int32) error {
	if len(positions) == 0 {
		return errors.New("no position to check")
	}
	if err := s.allFilled(positions); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if s.engine.options.Regroup == RegroupPublished {
		return fmt.Errorf("checks need regroup %s: with %s known tokens have no groups of their own", RegroupCommit, RegroupPublished)
	}
	c := &s.check
	c.positions = append(c.positions[:0], positions...)
	slices.Sort(c.positions)
	c.done, c.top, c.rest = c.done[:0], c.top[:0], c.rest[:0]
	first := len(s.groups)
	for _, p := range c.positions {
		first = min(first, int(s.commit[p]))
	}
	c.cut = s.rankOf(first)
	for _, checked := range []bool{false, true} {
		for _, group := range s.groups[first:] {
			part := slices.DeleteFunc(slices.Clone(group), func(p int32) bool {
				_, found := slices.BinarySearch(c.positions, p)
				return found != checked
			})
			if len(part) > 0 {
				c.rest = append(c.rest, part)
			}
		}
	}
	s.lookAt(0)
	return nil
}

// lookAt prepares the pass for the i-th checked position.
func (s *Session) lookAt(i int) {
	s.task = toCheck
	s.wanted = append(s.wanted[:0], s.check.positions[i])
	s.proposal = s.proposal[:0]
	if s.cache != nil {
		s.cache.Truncate(min(s.cache.Len(), s.check.cut))
	}
}

// addCheck appends the rows that ask for the wanted position given all others.
func (s *Session) addCheck(b *model.Batch) {
	c, first := &s.check, s.encoded()
	s.addKnown(b, first, c.cut)
	rank := c.cut
	for _, group := range c.rest {
		c.order = c.order[:0]
		for _, p := range group {
			if p != s.wanted[0] {
				c.order = append(c.order, p)
			}
		}
		rank += len(c.order)
		for _, p := range c.order {
			b.Token = append(b.Token, s.tokens[p])
			b.ContentPos = append(b.ContentPos, p)
			b.ContentEnd = append(b.ContentEnd, int32(rank))
		}
	}
	b.QueryPos = append(b.QueryPos, s.wanted[0])
	b.QueryEnd = append(b.QueryEnd, int32(rank))
	b.Segments = append(b.Segments, segment(rank-first, 1, s.cache))
}

// looked takes what a pass, whose query row is at, says of the wanted position, and goes
// on to the next one, or ends the check.
func (w *worker) looked(s *Session, final kernels.Rows, at int) {
	c := &s.check
	p := s.proposal[0]
	p.Token = s.tokens[p.Position]
	p.LogProb = w.ws.LogProb(final.Slice(at, at+1), 0, p.Token)
	p.Prob = float32(math.Exp(p.LogProb))
	s.noteLater(Checked, p.Position, p.LogProb)
	c.done, c.top = append(c.done, p), append(c.top, s.top...)
	if next := len(c.done); next < len(c.positions) {
		s.lookAt(next)
		return
	}
	if s.cache != nil {
		s.cache.Truncate(c.cut)
	}
	s.task = toPropose
	s.checked = true
	s.wanted = append(s.wanted[:0], c.positions...)
	s.proposal = append(s.proposal[:0], c.done...)
	s.top = append(s.top[:0], c.top...)
}
