package decode

import (
	"context"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// commitDecided takes what the passes brought of each document, asks the strategy about
// those that have something to observe, and holds its answer to the contract.
func (r *run) commitDecided(ctx context.Context, flights []*flight) error {
	r.ready, r.ended = r.ready[:0], r.ended[:0]
	for _, f := range flights {
		if err := r.verified(ctx, f); err != nil {
			return err
		}
		if !f.done && len(f.session.proposal) > 0 {
			r.ready = append(r.ready, f)
		}
	}
	if len(r.ready) > 0 {
		if err := r.decide(ctx); err != nil {
			return err
		}
	}
	if len(r.ended) > 0 {
		return r.strategy.End(ctx, r.ended)
	}
	return nil
}

// verified goes on with a document whose draft was judged in the pass: it wants nothing
// any more.
func (r *run) verified(ctx context.Context, f *flight) error {
	if len(f.session.wanted) > 0 {
		return nil
	}
	if cause := r.judged(f); cause != nil || f.session.Done() {
		return r.end(ctx, f, cause)
	}
	return nil
}

// judged notes what stayed of a draft, and says what to look at next.
func (r *run) judged(f *flight) error {
	s := f.session
	if s.draft.err != nil {
		return s.draft.err
	}
	f.kept = int32(s.draft.accepted)
	if !s.Done() {
		s.Want(s.stillBlank(f.next), r.spec.Window)
		s.Bias(f.bias)
	}
	return nil
}

// stillBlank drops those positions that are not.
func (s *Session) stillBlank(positions []int32) []int32 {
	return slices.DeleteFunc(positions, func(p int32) bool { return !s.blank[p] })
}

// end releases a document, filled or failed.
func (r *run) end(ctx context.Context, f *flight, cause error) error {
	r.ended = append(r.ended, f.id)
	if cause != nil {
		return r.fail(f, cause)
	}
	return r.finish(ctx, f)
}

// decide asks the strategy about the documents that are ready.
func (r *run) decide(ctx context.Context) error {
	r.observe(r.ready)
	r.engine.team.Rest()
	dec, err := r.strategy.Next(ctx, &r.obs)
	failed := failures(err)
	if err != nil && failed == nil {
		return err
	}
	if dec == nil {
		return fmt.Errorf("strategy %q gave no decision", r.spec.Name)
	}
	if err := dec.CheckShape(r.spec.Name, len(r.ready)); err != nil {
		return err
	}
	for d, f := range r.ready {
		cause := failed[f.id]
		if cause == nil {
			cause = r.apply(dec.At(d), d, f)
		}
		s := f.session
		switch {
		case cause != nil:
			err = r.end(ctx, f, cause)
		case s.task == toPropose && s.Done():
			err = r.end(ctx, f, nil)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply does what was chosen for the d-th document of the observation.
func (r *run) apply(c strategy.Choice, d int, f *flight) error {
	s, vocab := f.session, int32(r.engine.model.Config.Vocab)
	f.ledger.Observe(&r.obs, d)
	if err := f.ledger.Check(r.spec.Name, &r.obs, d, c, vocab); err != nil {
		return err
	}
	f.ledger.Apply(c)
	f.kept = 0
	for i, t := range c.Token {
		if err := r.mayStand(f, c.Commit[i], t); err != nil {
			return err
		}
	}
	for i, t := range c.DraftToken {
		if err := r.mayStand(f, c.Draft[i], t); err != nil {
			return err
		}
	}
	if c.State != nil {
		f.state = append(f.state[:0], c.State...)
	}
	if len(c.Draft) > 0 {
		return r.verify(c, f)
	}
	if len(c.Commit) > 0 {
		if err := s.Commit(c.Commit, c.Token); err != nil {
			return err
		}
	} else {
		s.steps++
		s.spend()
	}
	if err := s.Reopen(c.Reopen); err != nil {
		return err
	}
	if len(c.Check) > 0 {
		return s.Check(c.Check)
	}
	if !s.Done() {
		s.Want(c.Propose, r.spec.Window)
		s.Bias(c.Bias)
	}
	return nil
}

// verify hands a draft to the next pass, or fills it at once if it is one position.
func (r *run) verify(c strategy.Choice, f *flight) error {
	f.next, f.bias = append(f.next[:0], c.Propose...), append(f.bias[:0], c.Bias...)
	if err := f.session.Verify(c.Draft, c.DraftToken); err != nil || f.session.task == toVerify {
		return err
	}
	return r.judged(f)
}

// mayStand holds a token of the strategy's own to what may stand at a position.
func (r *run) mayStand(f *flight, p, token int32) error {
	if token == strategy.KeepToken || r.engine.allowed(f.session.doc, p, token) {
		return nil
	}
	return &strategy.Violation{Strategy: r.spec.Name, Document: f.id, Rule: strategy.RuleToken,
		Detail: fmt.Sprintf("token %d may not stand at position %d", token, p)}
}

// known appends the tokens of the document, strategy.NoToken at blanks.
func (s *Session) known(to []int32) []int32 {
	for p, t := range s.tokens {
		if s.blank[p] {
			t = strategy.NoToken
		}
		to = append(to, t)
	}
	return to
}

// observe fills r.obs with what was subscribed to.
func (r *run) observe(flights []*flight) {
	o := &r.obs
	*o = strategy.Observation{
		Doc: o.Doc[:0], Step: o.Step[:0], Remain: o.Remain[:0], Offset: append(o.Offset[:0], 0), Position: o.Position[:0],
		Token: o.Token[:0], Prob: o.Prob[:0], MaxProb: o.MaxProb[:0], Entropy: o.Entropy[:0], Margin: o.Margin[:0],
		TopToken: o.TopToken[:0], TopLogProb: o.TopLogProb[:0],
	}
	for d, f := range flights {
		s := f.session
		o.Doc = append(o.Doc, f.id)
		o.Step = append(o.Step, int32(s.steps))
		o.Remain = append(o.Remain, int32(s.open))
		r.observeRows(s)
		o.Offset = append(o.Offset, int32(len(o.Position)))
		r.observeMore(f, d, len(flights))
	}
}

// observeRows appends the rows of a document.
func (r *run) observeRows(s *Session) {
	o, columns := &r.obs, r.spec.Columns
	has := func(c strategy.Columns) bool { return columns&c != 0 }
	for i := range s.proposal {
		p := &s.proposal[i]
		o.Position = append(o.Position, p.Position)
		if has(strategy.ColumnToken) {
			o.Token = append(o.Token, p.Token)
		}
		if has(strategy.ColumnProb) {
			o.Prob = append(o.Prob, p.Prob)
		}
		if has(strategy.ColumnMaxProb) {
			o.MaxProb = append(o.MaxProb, p.MaxProb)
		}
		if has(strategy.ColumnEntropy) {
			o.Entropy = append(o.Entropy, p.Entropy)
		}
		if has(strategy.ColumnMargin) {
			o.Margin = append(o.Margin, p.Margin)
		}
	}
	for _, t := range s.top {
		o.TopToken = append(o.TopToken, t.Token)
		o.TopLogProb = append(o.TopLogProb, t.LogProb)
	}
}

// observeMore sets what most documents do not have, in columns that are nil until one of
// the n documents has it.
func (r *run) observeMore(f *flight, d, n int) {
	o := &r.obs
	if f.session.checked {
		if o.Kind == nil {
			o.Kind = make([]strategy.Kind, n)
		}
		o.Kind[d] = strategy.Checked
	}
	if f.kept > 0 {
		if o.Accepted == nil {
			o.Accepted = make([]int32, n)
		}
		o.Accepted[d] = f.kept
	}
	if len(f.state) > 0 {
		if o.State == nil {
			o.State = make([][]byte, n)
		}
		o.State[d] = f.state
	}
	if r.spec.Text {
		o.Known = append(o.Known, f.session.known(nil))
	}
}
