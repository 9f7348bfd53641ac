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
	ready    []*flight // with something to observe
	ended    []uint64
	obs      strategy.Observation
}

// flight is a document in the running batch.
type flight struct {
	id      uint64
	session *Session
	plan    strategy.Plan // what is left of it, for planners
	done    bool

	// For strategies that decide step by step.
	ledger *strategy.Ledger
	state  []byte          // what the strategy wants handed back
	next   []int32         // positions to propose after a draft
	bias   []strategy.Bias // of that proposal
	kept   int32           // tokens of the last decision's draft that stayed
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
			if err := r.finish(ctx, f); err != nil {
				return err
			}
			continue
		}
		s.Want(nil, r.spec.Window)
		intro := strategy.Document{ID: f.id, Key: s.key, Length: int32(len(s.tokens)), Open: doc.Canvas.Blanks()}
		if r.spec.Text {
			intro.Tokens = s.known(nil)
		}
		f.ledger = strategy.NewLedger(f.id, intro.Open)
		flights = append(flights, f)
		intros = append(intros, intro)
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
		err = r.commitPlanned(ctx, r.chosen)
	} else {
		err = r.commitDecided(ctx, r.chosen)
	}
	if err != nil {
		return err
	}
	r.sweep()
	return nil
}

func (r *run) commitPlanned(ctx context.Context, flights []*flight) error {
	for _, f := range flights {
		if err := f.session.Commit(f.plan[0], nil); err != nil {
			if err := r.fail(f, err); err != nil {
				return err
			}
			continue
		}
		f.plan = f.plan[1:]
		if f.session.Done() {
			if err := r.finish(ctx, f); err != nil {
				return err
			}
			continue
		}
		f.session.Want(f.plan[0], r.spec.Window)
	}
	return nil
}

func (r *run) finish(ctx context.Context, f *flight) error {
	if err := r.engine.Rescore(ctx, f.session); err != nil {
		return err
	}
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
