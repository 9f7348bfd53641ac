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
		c, kept := w.settle(s, j, final, at)
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
// the draft's token. The query rows of the positions behind the first begin at row at of
// final.
func (w *worker) settle(s *Session, j int, final kernels.Rows, at int) (c chosen, kept bool) {
	d := &s.draft
	x, position := d.token[j], d.position[j]
	switch {
	case j == 0 && !d.own[0]:
		return chosen{position, x, d.first}, true
	case s.engine.options.Greedy: // p and q hold all their mass on one token
		c = chosen{position, d.best, d.first}
		if j > 0 {
			c.token, c.logProb = s.proposal[j-1].Token, s.proposal[j-1].LogProb
		}
		return c, c.token == x
	case j == 0: // no more is known of q than was of p
		row := w.draftRows(s, 0, 1)
		token, kept := w.acceptOrDraw(s, 0, w.logits(s.engine, row, kernels.Rows{}), nil)
		return chosen{position, token, w.ws.LogProb(row, 0, token)}, kept
	}
	q, p := w.judged(s, j, final, at)
	token, kept := w.acceptOrDraw(s, j, q, p)
	return chosen{position, token, float64(q[token]) - s.proposal[j-1].log}, kept
}

// acceptOrDraw keeps the j-th token of a draft with probability min(1, q/p), or draws
// from the residual. It is given the logits of both, [V]; p is not read of a token of the
// strategy's own.
func (w *worker) acceptOrDraw(s *Session, j int, qLogits, pLogits []float32) (token int32, kept bool) {
	d := &s.draft
	x, position := d.token[j], d.position[j]
	key := s.key.With(uint64(position), uint64(s.steps))
	w.target = append(w.target[:0], w.distribution(s, position, qLogits)...)
	q := w.target
	var p []float32 // nil = all mass on x
	if !d.own[j] {
		p = w.distribution(s, position, pLogits)
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

// draftRows returns the final rows of positions of a draft at its proposal, from the
// first to before the last.
func (w *worker) draftRows(s *Session, first, last int) kernels.Rows {
	m := s.engine.model
	n := m.Config.Hidden
	w.rows.Resize(m.Type, last-first, n)
	m.Kernels().Convert(w.rows, kernels.NewMat(s.draft.hidden[first*n:last*n], last-first, n))
	return w.rows
}

// judgedRows is how many positions of a draft are judged with one product: both sides of
// them are wholeRows.
const judgedRows = wholeRows / 2

// judged returns the logits of the j-th position of a draft, j > 0, given the tokens before
// it and at its proposal, [V] each. They are valid until the next position is judged. What
// takes long is reading the weights: the next positions, which may never be judged, are
// computed along with the first.
func (w *worker) judged(s *Session, j int, final kernels.Rows, at int) (q, p []float32) {
	i := (j - 1) % judgedRows
	first := j - i
	n := min(judgedRows, len(s.draft.position)-first)
	if i == 0 {
		w.logits(s.engine, final.Slice(at+first-1, at+first-1+n), w.draftRows(s, first, first+n))
	}
	vocab := s.engine.model.Config.Vocab
	return w.whole[i*vocab : (i+1)*vocab], w.whole[(n+i)*vocab : (n+i+1)*vocab]
}

// logits returns the logits of rows over the whole vocabulary, those of a and then those of
// b, [rows, V]: w.whole, until it is used again.
func (w *worker) logits(e *Engine, a, b kernels.Rows) []float32 {
	c := &e.model.Config
	w.whole = slices.Grow(w.whole[:0], (a.N+b.N)*c.Vocab)[:(a.N+b.N)*c.Vocab]
	for chunk := range c.Chunks() {
		at := w.whole
		for _, rows := range []kernels.Rows{a, b} {
			if rows.N == 0 {
				continue
			}
			logits, first := w.ws.Chunk(rows, chunk)
			for r := range rows.N {
				copy(at[first:], logits.Row(r))
				at = at[c.Vocab:]
			}
		}
	}
	return w.whole
}

// distribution returns the probabilities from which the engine draws at a position, [V]:
// those of its logits after bans, bias, temperature and filters. It is valid until the
// next call.
func (w *worker) distribution(s *Session, position int32, logits []float32) []float32 {
	a := ask{session: s, allow: s.doc.Allow[position], bias: s.biasAt(position)}
	return w.sampler.fromLogits(&a, logits)
}
