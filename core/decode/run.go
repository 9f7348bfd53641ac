package decode

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// run is one call of Run.
type run struct {
	engine   *Engine
	spec     strategy.Spec
	strategy strategy.Strategy // nil if planner is set
	planner  strategy.Planner
	emit     func(*Result) error
	active   []*flight // in order of admission
	nextID   uint64

	// Of a step, reused.
	chosen   []*flight
	sessions []*Session
	obs      strategy.Observation
}

// flight is a document in the running batch.
type flight struct {
	id      uint64
	session *Session
	plan    strategy.Plan // what is left of it, for planners
	done    bool
}

// receive takes documents while there is room; it waits only if nothing is active.
func (r *run) receive(ctx context.Context, in <-chan *Document) (admitted []*Document, open bool, err error) {
	for in != nil && len(r.active)+len(admitted) < r.engine.options.MaxDocuments {
		if len(r.active)+len(admitted) == 0 {
			r.engine.team.Rest()
			select {
			case doc, ok := <-in:
				if !ok {
					return admitted, false, nil
				}
				admitted = append(admitted, doc)
			case <-ctx.Done():
				return nil, true, ctx.Err()
			}
			continue
		}
		select {
		case doc, ok := <-in:
			if !ok {
				return admitted, false, nil
			}
			admitted = append(admitted, doc)
		default:
			return admitted, true, nil
		}
	}
	return admitted, in != nil, nil
}

// begin opens a session for each document and introduces it to the strategy.
func (r *run) begin(ctx context.Context, docs []*Document) error {
	var flights []*flight
	var intros []strategy.Document
	for _, doc := range docs {
		s, err := r.engine.NewSession(doc)
		if err != nil {
			if err := r.send(&Result{Document: doc, Err: err}); err != nil {
				return err
			}
			continue
		}
		f := &flight{id: r.nextID, session: s}
		r.nextID++
		if s.Done() {
			if err := r.finish(f); err != nil {
				return err
			}
			continue
		}
		s.Want(nil, r.spec.Window)
		flights = append(flights, f)
		intros = append(intros, strategy.Document{ID: f.id, Key: s.key, Length: int32(len(s.tokens)), Open: doc.Canvas.Blanks()})
	}
	if len(flights) == 0 {
		return nil
	}
	var err error
	r.engine.team.Rest()
	if r.planner != nil {
		var plans []strategy.Plan
		plans, err = r.planner.Plan(ctx, intros)
		if failed := failures(err); err != nil && failed == nil {
			return err
		}
		if len(plans) != len(intros) {
			return fmt.Errorf("strategy %q returned %d plans for %d documents", r.spec.Name, len(plans), len(intros))
		}
		for i, f := range flights {
			f.plan = plans[i]
		}
	} else {
		err = r.strategy.Begin(ctx, intros)
	}
	failed := failures(err)
	if err != nil && failed == nil {
		return err
	}
	r.active = append(r.active, flights...) // from here on close releases them
	for i, f := range flights {
		cause := failed[f.id]
		if r.planner != nil && cause == nil {
			cause = strategy.CheckPlan(r.spec.Name, intros[i], f.plan)
		}
		if cause != nil {
			if err := r.fail(f, cause); err != nil {
				return err
			}
			continue
		}
		if r.planner != nil {
			f.session.Want(f.plan[0], r.spec.Window)
		}
	}
	r.sweep()
	return nil
}

// sweep forgets the documents that are done.
func (r *run) sweep() {
	r.active = slices.DeleteFunc(r.active, func(f *flight) bool { return f.done })
}

// failures returns the failed documents of a strategy's answer, nil if the whole call
// failed or nothing did.
func failures(err error) map[uint64]error {
	var batch *strategy.BatchError
	if errors.As(err, &batch) {
		return batch.Failed
	}
	return nil
}

// step runs the model for as many documents as the row budget takes, oldest first, and
// commits what the strategy decides.
func (r *run) step(ctx context.Context) error {
	r.chosen, r.sessions = r.chosen[:0], r.sessions[:0]
	rows := 0
	for _, f := range r.active {
		n := f.session.pending()
		if len(r.chosen) > 0 && rows+n > r.engine.options.MaxRows {
			continue
		}
		rows += n
		r.chosen = append(r.chosen, f)
		r.sessions = append(r.sessions, f.session)
	}
	if len(r.chosen) == 0 {
		return ctx.Err()
	}
	if err := r.engine.propose(ctx, r.sessions, r.spec.Columns, r.planner == nil); err != nil {
		return err
	}
	var err error
	if r.planner != nil {
		err = r.commitPlanned(r.chosen)
	} else {
		err = r.commitDecided(ctx, r.chosen)
	}
	if err != nil {
		return err
	}
	r.sweep()
	return nil
}

func (r *run) commitPlanned(flights []*flight) error {
	for _, f := range flights {
		if err := f.session.Commit(f.plan[0], nil); err != nil {
			if err := r.fail(f, err); err != nil {
				return err
			}
			continue
		}
		f.plan = f.plan[1:]
		if f.session.Done() {
			if err := r.finish(f); err != nil {
				return err
			}
			continue
		}
		f.session.Want(f.plan[0], r.spec.Window)
	}
	return nil
}

// commitDecided asks the strategy and holds its answer to the contract.
func (r *run) commitDecided(ctx context.Context, flights []*flight) error {
	r.observe(flights)
	r.engine.team.Rest()
	dec, err := r.strategy.Next(ctx, &r.obs)
	failed := failures(err)
	if err != nil && failed == nil {
		return err
	}
	if dec == nil {
		return fmt.Errorf("strategy %q gave no decision", r.spec.Name)
	}
	if err := dec.Check(r.spec.Name, len(flights)); err != nil {
		return err
	}
	var ended []uint64
	for d, f := range flights {
		cause := failed[f.id]
		if cause == nil {
			cause = r.apply(dec, d, f)
		}
		switch {
		case cause != nil:
			ended = append(ended, f.id)
			err = r.fail(f, cause)
		case f.session.Done():
			ended = append(ended, f.id)
			err = r.finish(f)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if len(ended) > 0 {
		return r.strategy.End(ctx, ended)
	}
	return nil
}

// apply commits the d-th document's part of a decision.
func (r *run) apply(dec *strategy.Decision, d int, f *flight) error {
	s := f.session
	open := func(p int32) bool { return p >= 0 && int(p) < len(s.blank) && s.blank[p] }
	vocab := int32(r.engine.model.Config.Vocab)
	if err := strategy.CheckDecision(r.spec.Name, &r.obs, dec, d, vocab, open); err != nil {
		return err
	}
	from, to := dec.CommitOffset[d], dec.CommitOffset[d+1]
	var token []int32
	if dec.Token != nil {
		token = dec.Token[from:to]
		for i, t := range token {
			if t != strategy.KeepToken && !r.engine.allowed(s.doc, dec.Commit[from+int32(i)], t) {
				return &strategy.Violation{Strategy: r.spec.Name, Document: f.id, Rule: strategy.RuleToken,
					Detail: fmt.Sprintf("token %d may not stand at position %d", t, dec.Commit[from+int32(i)])}
			}
		}
	}
	if err := s.Commit(dec.Commit[from:to], token); err != nil {
		return err
	}
	var next []int32
	if dec.ProposeOffset != nil {
		next = dec.Propose[dec.ProposeOffset[d]:dec.ProposeOffset[d+1]]
	}
	if !s.Done() {
		s.Want(next, r.spec.Window)
	}
	return nil
}

// observe fills r.obs with the columns subscribed to.
func (r *run) observe(flights []*flight) {
	o := &r.obs
	*o = strategy.Observation{
		Doc: o.Doc[:0], Step: o.Step[:0], Remain: o.Remain[:0], Offset: append(o.Offset[:0], 0), Position: o.Position[:0],
		Token: o.Token[:0], Prob: o.Prob[:0], MaxProb: o.MaxProb[:0], Entropy: o.Entropy[:0], Margin: o.Margin[:0],
	}
	has := func(c strategy.Columns) bool { return r.spec.Columns&c != 0 }
	for _, f := range flights {
		s := f.session
		o.Doc = append(o.Doc, f.id)
		o.Step = append(o.Step, int32(s.steps))
		o.Remain = append(o.Remain, int32(s.open))
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
		o.Offset = append(o.Offset, int32(len(o.Position)))
	}
}

func (r *run) finish(f *flight) error {
	f.done = true
	f.session.Close()
	return r.send(f.session.Result())
}

func (r *run) fail(f *flight, cause error) error {
	f.done = true
	f.session.Close()
	result := f.session.Result()
	result.Err = cause
	return r.send(result)
}

// send hands a result to the caller, who may let it wait.
func (r *run) send(result *Result) error {
	r.engine.team.Rest()
	return r.emit(result)
}

// close releases what an interrupted run left.
func (r *run) close(ctx context.Context) {
	var ids []uint64
	for _, f := range r.active {
		f.session.Close()
		ids = append(ids, f.id)
	}
	if r.strategy != nil && len(ids) > 0 {
		r.engine.team.Rest()
		// The run has failed already; the strategy may well be what failed.
		_ = r.strategy.End(context.WithoutCancel(ctx), ids)
	}
}
