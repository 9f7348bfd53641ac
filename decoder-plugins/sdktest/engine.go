package sdktest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Open returns a fresh instance of the strategy under test, and a function that ends
// it.
type Open func(ctx context.Context) (sdk.Instance, func() error, error)

// engine fills documents with a strategy, checking every answer on the way.
type engine struct {
	open Open

	// partial lets a step serve only some of the documents, chosen by a key; restart
	// replaces the instance before each of the first steps and some later ones. Neither
	// may change an outcome.
	partial bool
	restart bool

	instance sdk.Instance
	end      func() error
	text     bool // the strategy reads
}

// fill fills all documents.
func (e *engine) fill(ctx context.Context, docs []*document) (err error) {
	if err := e.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.end()) }()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the strategy panics: %v", v)
		}
	}()
	switch s := e.instance.(type) {
	case strategy.Strategy:
		err = e.stepAll(ctx, docs)
	case strategy.Planner:
		err = e.planAll(ctx, s, docs)
	default:
		err = fmt.Errorf("%T is neither a Strategy nor a Planner", s)
	}
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := d.check(); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) start(ctx context.Context) (err error) {
	if e.instance, e.end, err = e.open(ctx); err == nil {
		e.text = e.instance.Spec().Text
	}
	return err
}

// check reports a document that is not filled, or whose given tokens changed.
func (d *document) check() error {
	if left := d.open(); len(left) > 0 {
		return fmt.Errorf("document %d: positions %v stay blank", d.intro.ID, left)
	}
	for p, t := range d.given {
		if t >= 0 && d.tokens[p] != t {
			return fmt.Errorf("document %d: the given token at position %d changed", d.intro.ID, p)
		}
	}
	return nil
}

func (e *engine) planAll(ctx context.Context, s strategy.Planner, docs []*document) error {
	plans, err := s.Plan(ctx, introduce(docs, e.text))
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if len(plans) != len(docs) {
		return fmt.Errorf("%d plans for %d documents", len(plans), len(docs))
	}
	for i, d := range docs {
		if err := strategy.CheckPlan(s.Spec().Name, d.intro, plans[i]); err != nil {
			return err
		}
		for _, group := range plans[i] {
			d.commit(group, d.tokensOf(group, nil))
		}
	}
	return nil
}

// introduce returns introductions whose memory the strategy may not keep.
func introduce(docs []*document, text bool) []strategy.Document {
	intros := make([]strategy.Document, len(docs))
	for i, d := range docs {
		intros[i] = d.intro
		intros[i].Open = slices.Clone(d.intro.Open)
		if text {
			intros[i].Tokens = slices.Clone(d.given)
		}
	}
	return intros
}

func (e *engine) stepAll(ctx context.Context, docs []*document) error {
	live := slices.DeleteFunc(slices.Clone(docs), func(d *document) bool { return len(d.open()) == 0 })
	if err := e.begin(ctx, live); err != nil {
		return err
	}
	for step := uint64(0); len(live) > 0; step++ {
		if e.restart && step > 0 && (step < 4 || step%8 == 0) {
			if err := e.again(ctx, live); err != nil {
				return err
			}
		}
		batch := live
		if e.partial {
			batch = someOf(live, step)
		}
		if err := stepOnce(ctx, e.instance.(strategy.Strategy), batch); err != nil {
			return err
		}
		var finished []uint64
		live = slices.DeleteFunc(live, func(d *document) bool {
			if !d.done() {
				return false
			}
			finished = append(finished, d.intro.ID)
			return true
		})
		if len(finished) > 0 {
			if err := e.instance.(strategy.Strategy).End(ctx, finished); err != nil {
				return fmt.Errorf("end: %w", err)
			}
		}
	}
	return nil
}

// again replaces the instance in the middle of documents. A host that restarts processes
// does it by itself.
func (e *engine) again(ctx context.Context, live []*document) error {
	if p, ok := e.instance.(interface{ Restart(context.Context) error }); ok {
		return p.Restart(ctx)
	}
	if err := e.end(); err != nil {
		return err
	}
	if err := e.start(ctx); err != nil {
		return err
	}
	return e.begin(ctx, live)
}

// someOf chooses at least one document, in an order of its own.
func someOf(live []*document, step uint64) []*document {
	batch := slices.Clone(live)
	key := seq.NewKey(99, step)
	seq.Shuffle(key, batch)
	return batch[:1+key.Intn(1<<20, len(batch))]
}

func (e *engine) begin(ctx context.Context, docs []*document) error {
	given := introduce(docs, e.text)
	if err := e.instance.(strategy.Strategy).Begin(ctx, given); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if !reflect.DeepEqual(given, introduce(docs, e.text)) {
		return errors.New("method Begin modifies its argument, which belongs to the caller")
	}
	for _, d := range given {
		scribble(d.Open)
		scribble(d.Tokens)
	}
	return nil
}

// stepOnce takes one step with each document of the batch.
func stepOnce(ctx context.Context, s strategy.Strategy, batch []*document) error {
	spec := s.Spec()
	obs := observe(batch, spec)
	given := observe(batch, spec)
	decision, err := s.Next(ctx, given)
	if err != nil {
		return fmt.Errorf("next: %w", err)
	}
	if !reflect.DeepEqual(obs, given) {
		return errors.New("method Next modifies its argument, which belongs to the caller")
	}
	if decision == nil {
		return errors.New("method Next returns no decision and no error")
	}
	if err := decision.CheckShape(spec.Name, len(batch)); err != nil {
		return err
	}
	for i, d := range batch {
		d.ledger.Observe(obs, i)
		c := decision.At(i)
		if err := d.ledger.Check(spec.Name, obs, i, c, vocab); err != nil {
			return err
		}
		d.ledger.Apply(c)
		d.apply(c)
	}
	// A strategy that keeps its argument finds nonsense in it.
	scribble(given.Position)
	scribble(given.Offset)
	scribble(given.Prob)
	for _, known := range given.Known {
		scribble(known)
	}
	for _, state := range given.State {
		clear(state)
	}
	return nil
}

// observe builds an observation as the specification wants it.
func observe(batch []*document, spec strategy.Spec) *strategy.Observation {
	window := spec.Window
	if window == 0 {
		window = strategy.DefaultWindow
	}
	o := &strategy.Observation{Offset: []int32{0}}
	for i, d := range batch {
		o.Doc = append(o.Doc, d.intro.ID)
		o.Step = append(o.Step, d.steps)
		o.Remain = append(o.Remain, int32(len(d.open())))
		for _, p := range d.rows(window) {
			o.Position = append(o.Position, p)
			r := d.observe(p)
			o.Token = appendIf(spec.Columns&strategy.ColumnToken, o.Token, r.token)
			o.Prob = appendIf(spec.Columns&strategy.ColumnProb, o.Prob, r.prob)
			o.MaxProb = appendIf(spec.Columns&strategy.ColumnMaxProb, o.MaxProb, r.maxProb)
			o.Entropy = appendIf(spec.Columns&strategy.ColumnEntropy, o.Entropy, r.entropy)
			o.Margin = appendIf(spec.Columns&strategy.ColumnMargin, o.Margin, r.margin)
			for k := range spec.Top {
				token, logProb := d.likeliest(p, k, r.maxProb)
				o.TopToken, o.TopLogProb = append(o.TopToken, token), append(o.TopLogProb, logProb)
			}
		}
		o.Offset = append(o.Offset, int32(len(o.Position)))
		if spec.Text {
			o.Known = append(o.Known, slices.Clone(d.tokens))
		}
		d.observeMore(o, i, len(batch))
	}
	return o
}

// observeMore sets what most documents do not have.
func (d *document) observeMore(o *strategy.Observation, i, n int) {
	if len(d.checked) > 0 {
		if o.Kind == nil {
			o.Kind = make([]strategy.Kind, n)
		}
		o.Kind[i] = strategy.Checked
	}
	if d.kept > 0 {
		if o.Accepted == nil {
			o.Accepted = make([]int32, n)
		}
		o.Accepted[i] = d.kept
	}
	if len(d.state) > 0 {
		if o.State == nil {
			o.State = make([][]byte, n)
		}
		o.State[i] = slices.Clone(d.state)
	}
}

func appendIf[T any](subscribed strategy.Columns, column []T, v T) []T {
	if subscribed == 0 {
		return nil
	}
	return append(column, v)
}

func scribble[T int32 | float32](s []T) {
	for i := range s {
		s[i] = -12345
	}
}
