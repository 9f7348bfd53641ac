package decode

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/strategy"
)

// Engine decodes documents with one model. Its methods are called by one goroutine at a
// time; it computes on several.
type Engine struct {
	model   *model.Model
	options Options
	banned  [][]int32      // of each chunk of the vocabulary, ascending
	caches  []*model.Cache // not in use

	choice     choice
	candidates int  // how many are kept of a row
	nucleus    bool // top-p is the only filter
	top        int  // how many of the likeliest tokens are told of a row

	team    *parallel.Team // while something is computed
	workers []*worker      // of its members
	mates   []*model.Workspace
	step    step
	row     kernels.Rows // one, for logProbOf
}

// New returns an engine. It keeps nothing of documents between jobs.
func New(m *model.Model, o Options) (*Engine, error) {
	if err := o.Validate(m.Config.Vocab); err != nil {
		return nil, err
	}
	e := &Engine{model: m, options: o, banned: make([][]int32, m.Config.Chunks())}
	banned := slices.Clone(o.Banned)
	slices.Sort(banned)
	for _, id := range slices.Compact(banned) {
		chunk, _ := m.Config.ChunkOf(int(id))
		e.banned[chunk] = append(e.banned[chunk], id)
	}
	if !e.leavesChoice(nil) {
		return nil, errors.New("decoding: every token of the vocabulary is banned")
	}
	e.choice, e.candidates = choiceOf(&o, m.Config.Vocab)
	e.nucleus = e.choice == chooseCandidate && e.candidates != o.TopK
	for range o.Threads {
		w := &worker{ws: m.NewWorkspace(), sampler: sampler{k: m.Kernels(), engine: e}}
		e.workers, e.mates = append(e.workers, w), append(e.mates, w.ws)
	}
	return e, nil
}

// assemble starts the team, and returns what ends it.
func (e *Engine) assemble() func() {
	e.team = parallel.NewTeam(e.options.Threads)
	return func() {
		e.team.Close()
		e.team = nil
	}
}

// acquireCache returns an empty cache for at least n tokens: the smallest that is free, or
// a new one in place of the smallest, since not more than MaxDocuments are to be held.
func (e *Engine) acquireCache(n int) *model.Cache {
	slices.SortFunc(e.caches, func(a, b *model.Cache) int { return a.Cap() - b.Cap() })
	for i, c := range e.caches {
		if c.Cap() >= n {
			e.caches = slices.Delete(e.caches, i, i+1)
			c.Truncate(0)
			return c
		}
	}
	if len(e.caches) > 0 {
		e.caches = slices.Delete(e.caches, 0, 1)
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
	e.top = r.spec.Top
	defer e.assemble()()
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
	return (set == nil || set.Has(token)) && !e.isBanned(token)
}

func (e *Engine) isBanned(token int32) bool {
	chunk, _ := e.model.Config.ChunkOf(int(token))
	_, found := slices.BinarySearch(e.banned[chunk], token)
	return found
}

// leavesChoice reports whether a set, nil for all tokens, holds one that is not banned.
func (e *Engine) leavesChoice(set *TokenSet) bool {
	for id := range int32(e.model.Config.Vocab) {
		if (set == nil || set.Has(id)) && !e.isBanned(id) {
			return true
		}
	}
	return false
}
