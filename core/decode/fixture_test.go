package decode

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tiny is a network whose vocabulary is one chunk of the head, and broad one that a team
// shares: three chunks, products of several panels.
func tiny(vocab int, residual model.Residual) model.Config {
	return model.Config{
		Vocab: vocab, Hidden: 16, FFN: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 4,
		NormEps: 1e-5, RopeTheta: 100, MaxPositions: 128, Residual: residual, PadToken: -1,
	}
}

func broad() model.Config {
	return model.Config{
		Vocab: 1300, Hidden: 120, FFN: 250, Layers: 2, Heads: 6, KVHeads: 3, HeadDim: 24,
		NormEps: 1e-5, RopeTheta: 100, MaxPositions: 256, Residual: model.ResidualLlama, PadToken: -1,
	}
}

// newModel returns a tiny network.
func newModel(t testing.TB, k *kernels.Kernels, vocab int, residual model.Residual, seed uint64) *model.Model {
	t.Helper()
	m, err := model.New(tiny(vocab, residual), k, kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	fill(m.Params, 0.4, seed)
	m.Pack()
	return m
}

// fill draws weights large enough that distributions are far from uniform.
func fill(p *model.Params, size float64, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 41))
	for _, tensor := range p.Tensors {
		for i := range tensor.Data {
			tensor.Data[i] = float32(size * rng.NormFloat64())
			if tensor.IsNorm() {
				tensor.Data[i]++
			}
		}
	}
}

// loaded returns a network as it is read from a file.
func loaded(tb testing.TB, p *model.Params, c model.Config, k *kernels.Kernels, t kernels.Type) *model.Model {
	tb.Helper()
	var file bytes.Buffer
	file.Grow(4*len(p.Flat) + 1<<20)
	if err := checkpoint.Write(&file, p.SafeTensors(), nil); err != nil {
		tb.Fatal(err)
	}
	weights, err := checkpoint.Parse(file.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	defer weights.Close()
	m, err := model.Load(c, weights, k, t)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

const vocab = 11

var types = []kernels.Type{kernels.Float32, kernels.BF16, kernels.Int8}

// models are tiny networks of both residuals and of all types on every level of this
// machine.
func models(t testing.TB) []*model.Model {
	t.Helper()
	var all []*model.Model
	for _, level := range kernels.Levels() {
		k, err := kernels.Open(level)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, newModel(t, k, vocab, model.ResidualOfficial, 2))
		c := tiny(vocab, model.ResidualLlama)
		p := model.NewParams(&c)
		fill(p, 0.4, 1)
		for _, typ := range types {
			all = append(all, loaded(t, p, c, k, typ))
		}
	}
	return all
}

// broadModels are broad networks of all types on the best level.
func broadModels(t testing.TB) []*model.Model {
	t.Helper()
	var all []*model.Model
	c := broad()
	p := model.NewParams(&c)
	fill(p, 0.15, 3)
	for _, typ := range types {
		all = append(all, loaded(t, p, c, kernels.Best(), typ))
	}
	return all
}

func newEngine(t testing.TB, m *model.Model, o Options) *Engine {
	t.Helper()
	e, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// feed returns a closed channel that holds the documents.
func feed(docs ...*Document) <-chan *Document {
	in := make(chan *Document, len(docs))
	for _, d := range docs {
		in <- d
	}
	close(in)
	return in
}

// decodeAll runs the documents and returns their results in the order of docs, however
// they were emitted.
func decodeAll(ctx context.Context, e *Engine, d Decider, docs []*Document) ([]*Result, error) {
	found := make(map[*Document]*Result, len(docs))
	err := e.Run(ctx, feed(docs...), d, func(r *Result) error {
		if found[r.Document] != nil {
			return fmt.Errorf("document %v came twice", r.Document.Tag)
		}
		found[r.Document] = r
		return nil
	})
	results := make([]*Result, len(docs))
	for i, doc := range docs {
		results[i] = found[doc]
		if err == nil && results[i] == nil {
			err = fmt.Errorf("document %d never came", i)
		}
	}
	return results, err
}

// drawDocument draws a canvas and a key: any known tokens, any blanks, with BOS or not.
func drawDocument(t *rapid.T, longest int) *Document {
	c := &seq.Canvas{}
	n := rapid.IntRange(1, longest).Draw(t, "positions")
	share := rapid.Float64Range(0, 1).Draw(t, "share of blanks")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "document"), 3))
	for range n {
		if rng.Float64() < share {
			c.AppendBlank(1)
		} else {
			c.AppendKnown(int32(rng.IntN(vocab)))
		}
	}
	return &Document{Key: rng.Uint64(), Canvas: c}
}

// drawOptions draws how tokens are chosen and how given ones see each other.
func drawOptions(t *rapid.T) Options {
	o := DefaultOptions()
	o.Seed = rapid.Uint64().Draw(t, "seed")
	o.Sample = rapid.Uint64Range(0, 3).Draw(t, "sample")
	o.Given = rapid.SampledFrom([]order.Given{order.GivenCausal, order.GivenGroup}).Draw(t, "given")
	if o.Greedy = rapid.Bool().Draw(t, "greedy"); !o.Greedy {
		o.Temperature = rapid.SampledFrom([]float64{1, 0.3, 2}).Draw(t, "temperature")
		o.TopK = rapid.SampledFrom([]int{0, 1, 4}).Draw(t, "top_k")
		o.TopP = rapid.SampledFrom([]float64{1, 0.8, 0.01}).Draw(t, "top_p")
	}
	o.Banned = rapid.SampledFrom([][]int32{nil, {0}, {3, 7, 10}}).Draw(t, "banned")
	return o
}

// drawDecider draws a strategy: a plan in random groups, the k surest positions, or all
// that the contract allows.
func drawDecider(t *rapid.T) Decider {
	switch rapid.IntRange(0, 2).Draw(t, "strategy") {
	case 0:
		return &planned{rapid.IntRange(1, 7).Draw(t, "group")}
	case 1:
		return &wild{window: rapid.IntRange(0, 12).Draw(t, "window")}
	}
	return &surest{
		k: rapid.IntRange(1, 5).Draw(t, "k"), window: rapid.IntRange(0, 12).Draw(t, "window"),
		propose: rapid.Bool().Draw(t, "propose"),
	}
}

// planned fills the positions in an order drawn from the document's key, in groups of
// at most the given size; size 0 is left to right, one at a time.
type planned struct{ size int }

func (p *planned) Spec() strategy.Spec { return strategy.Spec{Name: "planned", Planned: true} }

func (p *planned) Plan(_ context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	for i, d := range docs {
		open, size := slices.Clone(d.Open), 1
		if p.size > 0 {
			size = p.size
			seq.Shuffle(d.Key.With(uint64(seq.PurposeOrder)), open)
		}
		for group := range slices.Chunk(open, size) {
			plans[i] = append(plans[i], group)
		}
	}
	return plans, nil
}

// surest commits the k proposed positions of largest probability, ties to the left.
type surest struct {
	k, window int
	propose   bool // ask for what is left of the window, instead of the next window
	own       func(position, step int32) (token int32, ok bool)

	mu   sync.Mutex
	live map[uint64]bool // begun and not ended
	next func(obs *strategy.Observation) error
}

func (s *surest) Spec() strategy.Spec {
	return strategy.Spec{Name: "surest", Columns: strategy.ColumnMaxProb, Window: s.window}
}

func (s *surest) Begin(_ context.Context, docs []strategy.Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range docs {
		if s.live == nil {
			s.live = make(map[uint64]bool)
		}
		if s.live[d.ID] {
			return fmt.Errorf("document %d began twice", d.ID)
		}
		s.live[d.ID] = true
	}
	return nil
}

func (s *surest) End(_ context.Context, ids []uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.live, id)
	}
	return nil
}

func (s *surest) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	if err := obs.Check(s.Spec()); err != nil {
		return nil, err
	}
	var err error
	if s.next != nil {
		err = s.next(obs)
	}
	failed := failures(err)
	if err != nil && failed == nil {
		return nil, err
	}
	dec := &strategy.Decision{CommitOffset: []int32{0}, ProposeOffset: []int32{0}}
	for d, id := range obs.Doc {
		if failed[id] == nil {
			s.decide(dec, obs, d)
		}
		dec.CommitOffset = append(dec.CommitOffset, int32(len(dec.Commit)))
		dec.ProposeOffset = append(dec.ProposeOffset, int32(len(dec.Propose)))
	}
	return dec, err
}

func (s *surest) decide(dec *strategy.Decision, obs *strategy.Observation, d int) {
	from, to := obs.Rows(d)
	rows := make([]int, to-from)
	for i := range rows {
		rows[i] = from + i
	}
	slices.SortStableFunc(rows, func(a, b int) int { return cmp.Compare(obs.MaxProb[b], obs.MaxProb[a]) })
	k := min(s.k, len(rows))
	for _, r := range rows[:k] {
		dec.Commit = append(dec.Commit, obs.Position[r])
		token := strategy.KeepToken
		if s.own != nil {
			if t, ok := s.own(obs.Position[r], obs.Step[d]); ok {
				token = t
			}
		}
		dec.Token = append(dec.Token, token)
	}
	if s.propose {
		for _, r := range rows[k:] {
			dec.Propose = append(dec.Propose, obs.Position[r])
		}
	}
}

// segmentOf is the segment in which scoring predicts what was decoded, under the groups
// it was decoded with.
func segmentOf(t fataler, r *Result, given order.Given) seq.Segment {
	s, err := order.Planned(&seq.Canvas{Tokens: r.Tokens, Blank: r.Document.Canvas.Blank}, given, r.Groups)
	if err != nil {
		t.Fatalf("the groups of a result: %v", err)
	}
	return s
}

// fataler is what testing and rapid have in common.
type fataler interface{ Fatalf(string, ...any) }

// sameResults compares what a document's result promises not to depend on anything else.
func sameResults(t fataler, what string, got, want []*Result) {
	for i, w := range want {
		g := got[i]
		if (g.Err == nil) != (w.Err == nil) {
			t.Fatalf("%s: document %d has error %v, want %v", what, i, g.Err, w.Err)
		}
		if !slices.Equal(g.Tokens, w.Tokens) || !slices.Equal(g.Order, w.Order) || g.Steps != w.Steps || g.ModelCalls != w.ModelCalls {
			t.Fatalf("%s: document %d is\n%v by %v in %d steps and %d calls, want\n%v by %v in %d and %d",
				what, i, g.Tokens, g.Order, g.Steps, g.ModelCalls, w.Tokens, w.Order, w.Steps, w.ModelCalls)
		}
		sameBits(t, fmt.Sprintf("%s: log-probabilities of document %d", what, i), g.LogProb, w.LogProb)
		for j := range w.Groups {
			if !slices.Equal(g.Groups[j], w.Groups[j]) {
				t.Fatalf("%s: document %d has groups %v, want %v", what, i, g.Groups, w.Groups)
			}
		}
	}
}

func sameBits(t fataler, what string, got, want []float64) {
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Fatalf("%s: number %d is %v, want the bits of %v", what, i, got[i], want[i])
		}
	}
}
