package decode

import (
	"context"
	"fmt"
	"slices"
)

// Reopen makes filled positions blank again. The groups after the first of theirs have
// seen them, and so have their mates: all of those are encoded anew, in their order,
// without them. What was committed after them was predicted from them, too: its
// likelihoods are no longer those of the result's groups, and Rescore computes them. After
// an error nothing is reopened.
func (s *Session) Reopen(positions []int32) error {
	if err := s.allFilled(positions); err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	if len(positions) == 0 {
		return nil
	}
	first := len(s.groups)
	for _, p := range positions {
		first = min(first, int(s.commit[p]))
	}
	cut := s.rankOf(first)
	for _, p := range positions {
		s.noteLater(Reopened, p, 0)
		s.blank[p], s.tokens[p] = true, s.doc.Canvas.Tokens[p]
		s.logProb[p], s.commit[p] = 0, -1
	}
	s.open += len(positions)
	s.reopened += len(positions)

	rest := slices.Clone(s.groups[first:])
	s.groups = s.groups[:first]
	s.sequence, s.end = slices.Clone(s.sequence[:cut]), s.end[:cut] // groups are parts of the old sequence
	rank := s.rankOf(0)
	for g, group := range s.groups {
		s.groups[g] = slices.Clip(s.sequence[rank : rank+len(group)])
		rank += len(group)
	}
	for g, group := range rest {
		known := len(s.sequence)
		for _, p := range group {
			if !s.blank[p] {
				s.sequence = append(s.sequence, p)
				s.commit[p] = int32(len(s.groups))
			}
		}
		survivors := slices.Clone(s.sequence[known:])
		if len(survivors) == 0 {
			continue
		}
		for range survivors {
			s.end = append(s.end, int32(len(s.sequence)))
		}
		s.groups = append(s.groups, survivors)
		s.stale = s.stale || g > 0 // mates of the first group were predicted before it
	}
	if s.cache != nil && s.cache.Len() > cut {
		s.cache.Truncate(cut)
	}
	return nil
}

// allFilled reports the first of the positions that was not filled here, or that occurs
// twice.
func (s *Session) allFilled(positions []int32) error {
	seen := slices.Clone(positions)
	slices.Sort(seen)
	for i, p := range seen {
		if p < 0 || int(p) >= len(s.commit) || s.commit[p] < 0 {
			return fmt.Errorf("position %d was not filled here", p)
		}
		if i > 0 && p == seen[i-1] {
			return fmt.Errorf("position %d is named twice", p)
		}
	}
	return nil
}

// rankOf returns the first rank of a group, and the number of ranks if there is no such
// group.
func (s *Session) rankOf(group int) int {
	rank := len(s.sequence)
	for _, g := range s.groups[group:] {
		rank -= len(g)
	}
	return rank
}

// Rescore brings the log-probabilities of a session from which tokens were reopened to
// those of its final groups, in one pass over all of them. It counts as a model call.
func (e *Engine) Rescore(ctx context.Context, s *Session) error {
	if !s.stale || e.options.Regroup == RegroupPublished {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := e.workers[0]
	w.ws.Share(nil, nil)
	b := &w.batch
	b.Reset()
	rank := s.rankOf(0)
	seen := s.rankOf(len(s.groups) - 1) // nobody sees the last group
	s.addKnown(b, 0, seen)
	for _, group := range s.groups {
		for _, p := range group {
			b.QueryPos = append(b.QueryPos, p)
			b.QueryEnd = append(b.QueryEnd, int32(rank))
			b.Target = append(b.Target, s.tokens[p])
			b.Weight = append(b.Weight, 1)
		}
		rank += len(group)
	}
	b.Segments = append(b.Segments, segment(seen, len(b.QueryPos), nil))
	for i, lp := range w.ws.LogProbs(b) {
		s.logProb[b.QueryPos[i]] = lp
	}
	s.calls++
	s.rows += seen + len(b.QueryPos)
	s.stale, s.rescored = false, true
	return nil
}
