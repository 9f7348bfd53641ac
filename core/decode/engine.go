package decode

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/strategy"
)

// Engine decodes documents with one model. Its methods are called by one goroutine at a
// time; it computes on several.
type Engine struct {
	model   *model.Model
	options Options
	workers []*worker
	caches  []*model.Cache // not in use
}

// New returns an engine. It keeps nothing of documents between jobs.
func New(m *model.Model, o Options) (*Engine, error) {
	if err := o.Validate(m.Config.Vocab); err != nil {
		return nil, err
	}
	e := &Engine{model: m, options: o}
	if !e.leavesChoice(nil) {
		return nil, errors.New("decoding: every token of the vocabulary is banned")
	}
	for range o.Threads {
		e.workers = append(e.workers, &worker{ws: m.NewWorkspace(), sampler: sampler{k: m.Kernels()}})
	}
	return e, nil
}

// acquireCache returns an empty cache for at least n tokens.
func (e *Engine) acquireCache(n int) *model.Cache {
	for i, c := range e.caches {
		if c.Cap() >= n {
			e.caches[i] = e.caches[len(e.caches)-1]
			e.caches = e.caches[:len(e.caches)-1]
			c.Truncate(0)
			return c
		}
	}
	return e.model.NewCache(n)
}

func (e *Engine) releaseCache(c *model.Cache) {
	if len(e.caches) < e.options.MaxDocuments {
		e.caches = append(e.caches, c)
	}
}

// Decider is what chooses positions: a strategy.Strategy or a strategy.Planner.
type Decider interface{ Spec() strategy.Spec }

// Run decodes the documents that arrive on in until it is closed, and hands every
// result to emit as soon as its document is done, from the same goroutine. Documents
// join and leave the running batch independently. A document that fails comes back
// with Result.Err; Run itself returns when ctx ends, emit fails or the strategy as a
// whole does.
func (e *Engine) Run(ctx context.Context, in <-chan *Document, decider Decider, emit func(*Result) error) error {
	r := &run{engine: e, emit: emit, spec: decider.Spec(), nextID: 1}
	if err := r.spec.Validate(); err != nil {
		return err
	}
	if r.spec.Window == 0 {
		r.spec.Window = strategy.DefaultWindow
	}
	switch d := decider.(type) {
	case strategy.Planner:
		r.planner = d
	case strategy.Strategy:
		r.strategy = d
	default:
		return fmt.Errorf("strategy %q is neither a strategy.Strategy nor a strategy.Planner", r.spec.Name)
	}
	defer r.close(ctx)
	for in != nil || len(r.active) > 0 {
		admitted, open, err := r.receive(ctx, in)
		if err != nil {
			return err
		}
		if !open {
			in = nil
		}
		if err := r.begin(ctx, admitted); err != nil {
			return err
		}
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// allowed reports whether a token may stand at a blank position.
func (e *Engine) allowed(doc *Document, p, token int32) bool {
	set := doc.Allow[p]
	return (set == nil || set.Has(token)) && !slices.Contains(e.options.Banned, token)
}

// leavesChoice reports whether a set, nil for all tokens, holds one that is not banned.
func (e *Engine) leavesChoice(set *TokenSet) bool {
	for id := range int32(e.model.Config.Vocab) {
		if (set == nil || set.Has(id)) && !slices.Contains(e.options.Banned, id) {
			return true
		}
	}
	return false
}
