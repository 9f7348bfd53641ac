package decode

import (
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// Draft and verify: any-subset speculative decoding (ASSD). A draft is an order of
// proposed positions with a token for each, drawn independently from p_j, the
// distribution given what was known at the proposal. One pass, with the draft's tokens
// filled in, computes q_j, the distribution given those before it as well. Token x of the
// draft stays with probability min(1, q_j(x)/p_j(x)); the first that does not is drawn
// from the residual max(q_j - p_j, 0), normalised, and what follows is dropped. Then every
// token has the distribution of filling the positions one at a time in this order, since
//
//	p(x) min(1, q(x)/p(x)) + P(rejected) max(q(x)-p(x), 0)/sum(max(q-p, 0)) = q(x)
//
// (Leviathan et al. 2023, arXiv 2211.17192; any subset: arXiv 2504.20456). Temperature,
// filters, bans and bias apply to p and q alike. The first position has q = p: its token
// stays untested, so at least two positions are filled by two passes, and no document
// takes more passes than tokens. A token of the strategy's own has p(x) = 1.

// draft is what the next pass judges.
type draft struct {
	position, token []int32
	own             []bool    // the strategy's token, not one drawn from p
	hidden          []float32 // [k, H] final rows of the proposal, from which p follows
	first           float64   // log-probability of the first token
	best            int32     // the engine's choice for the first position

	accepted int   // of the last draft: how many tokens stayed
	err      error // why it could not be judged
}

// Verify takes proposed positions, in the order in which they are to be filled, and their
// tokens (nil, or strategy.KeepToken, for the proposed ones), and makes the next pass judge
// them. That pass commits, each position as a group of its own, and counts as the step of
// the decision; a single position is judged at once. After an error nothing is changed.
func (s *Session) Verify(positions, token []int32) error {
	if len(positions) == 0 {
		return errors.New("no position to verify")
	}
	if s.engine.options.Regroup == RegroupPublished {
		return fmt.Errorf("drafts need regroup %s: with %s the groups of known tokens change under them", RegroupCommit, RegroupPublished)
	}
	d := &s.draft
	hidden := s.engine.model.Config.Hidden
	d.position = append(d.position[:0], positions...)
	d.token, d.own, d.hidden = d.token[:0], d.own[:0], d.hidden[:0]
	for i, p := range positions {
		at, ok := slices.BinarySearch(s.wanted, p)
		if !ok || len(s.proposal) == 0 || s.task != toPropose || slices.Contains(positions[:i], p) {
			return fmt.Errorf("position %d of the draft was not proposed, or is in it twice", p)
		}
		proposed := &s.proposal[at]
		t := proposed.Token
		own := token != nil && token[i] != strategy.KeepToken
		if own {
			t = token[i]
		}
		if t < 0 || int(t) >= s.engine.model.Config.Vocab {
			return fmt.Errorf("position %d: token %d of the draft is outside the vocabulary of %d", p, t, s.engine.model.Config.Vocab)
		}
		if i == 0 {
			d.first, d.best = proposed.LogProb, proposed.Token
		}
		d.token, d.own = append(d.token, t), append(d.own, own)
		d.hidden = append(d.hidden, s.hidden[at*hidden:(at+1)*hidden]...)
	}
	s.task = toVerify
	s.wanted = append(s.wanted[:0], d.position[1:]...)
	s.proposal = s.proposal[:0]
	if len(positions) == 1 { // q = p: no pass is needed
		w := s.engine.workers[0]
		w.ws.Share(nil, nil) // the team may be at rest, or gone
		w.judge(s, kernels.Rows{}, 0)
	}
	return nil
}

// addDraft appends the rows that judge a draft: its tokens but for the last become
// content rows, each a group of its own, and each position after the first is asked for
// given the ones before.
func (s *Session) addDraft(b *model.Batch) {
	known, first := len(s.sequence), s.encoded()
	s.addKnown(b, first, known)
	for j, p := range s.wanted {
		before := s.draft.position[j]
		end := int32(known + j + 1)
		b.Token = append(b.Token, s.draft.token[j])
		b.ContentPos = append(b.ContentPos, before)
		b.ContentEnd = append(b.ContentEnd, end)
		b.QueryPos = append(b.QueryPos, p)
		b.QueryEnd = append(b.QueryEnd, end)
	}
	b.Segments = append(b.Segments, segment(known-first+len(s.wanted), len(s.wanted), s.cache))
}

// segment is one of content rows that all may be seen.
func segment(content, query int, cache *model.Cache) model.Segment {
	return model.Segment{Content: content, Keys: content, Query: query, Cache: cache}
}

// judge commits what stays of a session's draft. Its rows of final begin at row at.
func (w *worker) judge(s *Session, final kernels.Rows, at int) {
	d := &s.draft
	known := len(s.sequence)
	d.accepted, d.err = 0, nil
	for j := range d.position {
		row := kernels.Rows{}
		if j > 0 {
			row = final.Slice(at+j-1, at+j)
		}
		c, kept := w.settle(s, j, row)
		if d.err = c.check(); d.err != nil {
			break
		}
		kind := Accepted
		if !kept {
			kind = Committed
			s.noteRefused(j)
		}
		s.noteGroup(kind, []chosen{c})
		s.fill([]chosen{c})
		if !kept {
			break
		}
		d.accepted++
	}
	if s.cache != nil { // rows of tokens that did not stay
		s.cache.Truncate(min(s.cache.Len(), known+d.accepted))
	}
	s.steps++
	s.spend()
}

// settle returns what comes to stand at the j-th position of a draft, and whether that is
// the draft's token. row has the position's final query row, for j > 0.
func (w *worker) settle(s *Session, j int, row kernels.Rows) (c chosen, kept bool) {
	d, e := &s.draft, s.engine
	c = chosen{position: d.position[j], token: d.token[j]}
	if j == 0 && !d.own[0] {
		c.logProb = d.first
		return c, true
	}
	if j == 0 {
		row = w.draftRow(s, 0)
	}
	kept = true
	if e.options.Greedy { // p and q hold all their mass on one token
		best := d.best
		if j > 0 {
			best = s.proposal[j-1].Token
		}
		c.token, kept = best, best == c.token
	} else {
		c.token, kept = w.acceptOrDraw(s, j, row)
	}
	if c.token >= 0 {
		c.logProb = w.ws.LogProb(row, 0, c.token)
	}
	return c, kept
}

// acceptOrDraw keeps the j-th token of a draft with probability min(1, q/p), or draws
// from the residual.
func (w *worker) acceptOrDraw(s *Session, j int, row kernels.Rows) (token int32, kept bool) {
	d := &s.draft
	x, position := d.token[j], d.position[j]
	key := s.key.With(uint64(position), uint64(s.steps))
	w.target = append(w.target[:0], w.distribution(s, position, row)...)
	q := w.target
	var p []float32 // nil = all mass on x
	if !d.own[j] {
		p = w.distribution(s, position, w.draftRow(s, j))
	}
	px := 1.0
	if p != nil {
		px = float64(p[x])
	}
	if key.With(uint64(seq.PurposeAccept)).Uniform(0)*px < float64(q[x]) {
		return x, true
	}
	var left float32
	for i := range q {
		switch {
		case p != nil:
			w.residual(q, p, i)
		case int32(i) == x:
			q[i] = 0
		}
		left += q[i]
	}
	if !(left > 0) { // p = q but for rounding
		return x, true
	}
	return inverseCDF(q, key.With(uint64(seq.PurposeResidual)).Uniform(0)), false
}

// residual replaces q[i] by what p leaves of it.
func (*worker) residual(q, p []float32, i int) { q[i] = max(q[i]-p[i], 0) }

// draftRow returns the final row of the j-th position of a draft at its proposal.
func (w *worker) draftRow(s *Session, j int) kernels.Rows {
	m := s.engine.model
	n := m.Config.Hidden
	w.row.Resize(m.Type, 1, n)
	m.Kernels().Convert(w.row, kernels.NewMat(s.draft.hidden[j*n:(j+1)*n], 1, n))
	return w.row
}

// distribution returns the probabilities from which the engine draws at a position, [V]:
// those of a final row after bans, bias, temperature and filters. It is valid until the
// next call.
func (w *worker) distribution(s *Session, position int32, row kernels.Rows) []float32 {
	vocab := s.engine.model.Config.Vocab
	w.whole = slices.Grow(w.whole[:0], vocab)[:vocab]
	for c := range s.engine.model.Config.Chunks() {
		logits, first := w.ws.Chunk(row, c)
		copy(w.whole[first:], logits.Row(0))
	}
	a := ask{session: s, allow: s.doc.Allow[position], bias: s.biasAt(position)}
	return w.sampler.fromLogits(&a, w.whole)
}
