package decode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

func tinyModel(t testing.TB) *model.Model {
	return newModel(t, kernels.Best(), vocab, model.ResidualLlama, 1)
}

// documents returns n documents of different lengths, all with blanks.
func documents(n int) []*Document {
	docs := make([]*Document, n)
	for i := range docs {
		c := seq.NewCanvas(1, int32(i%vocab))
		c.AppendBlank(3 + i%7)
		c.AppendKnown(2)
		c.AppendBlank(i % 3)
		docs[i] = &Document{Key: uint64(i), Canvas: c, Tag: i}
	}
	return docs
}

// Documents that cannot be decoded come back with the reason; the others are as alone.
func TestDocumentsAtTheEdge(t *testing.T) {
	m := tinyModel(t)
	long := seq.NewCanvas(1)
	long.AppendBlank(128)
	fits := seq.NewCanvas(1)
	fits.AppendBlank(127)
	crooked := seq.NewCanvas(1, 2)
	crooked.Blank = crooked.Blank[:1]
	docs := []*Document{
		{Canvas: long}, {Canvas: &seq.Canvas{}}, {Canvas: seq.NewCanvas(1, 2, 3)}, {Canvas: seq.NewCanvas(1, vocab)},
		{Canvas: crooked}, {Canvas: fits}, {Canvas: canvasOf("_")},
	}
	for _, d := range []Decider{&planned{3}, &surest{k: 3}} {
		results, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), d, docs)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"129 positions; the model takes 1 to 128", "0 positions", "", "token 11 at position 1", "2 tokens and 1 blank", "", ""} {
			r := results[i]
			if want == "" && r.Err != nil || want != "" && (r.Err == nil || !strings.Contains(r.Err.Error(), want)) {
				t.Errorf("document %d: got error %v, want %q", i, r.Err, want)
			}
		}
		if r := results[2]; r.Steps != 0 || r.Rows != 0 || !slices.Equal(r.Tokens, []int32{1, 2, 3}) {
			t.Errorf("without blanks: %+v", r)
		}
		if r := results[5]; len(r.Tokens) != 128 || slices.Contains(r.Order[1:], -1) {
			t.Errorf("a document that fills the context: %+v", r)
		}
		if r := results[6]; r.Order[0] != 0 {
			t.Errorf("a single blank: %+v", r)
		}
	}
}

// A strategy that gives up on one document leaves the others as they were.
func TestBatchErrorFailsOneDocument(t *testing.T) {
	m, docs := tinyModel(t), documents(9)
	want, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &surest{k: 2}, docs)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("cannot go on")
	for step := range int32(2) {
		s := &surest{k: 2}
		s.next = func(obs *strategy.Observation) error {
			failed := make(map[uint64]error)
			for d, id := range obs.Doc {
				if id%4 == 1 && obs.Step[d] == step { // ids count from 1
					failed[id] = broken
				}
			}
			if len(failed) > 0 {
				return &strategy.BatchError{Failed: failed}
			}
			return nil
		}
		got, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), s, docs)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if i%4 == 0 {
				if !errors.Is(r.Err, broken) || r.Steps != int(step) || len(r.Groups) != int(step) {
					t.Errorf("document %d: %+v", i, r)
				}
				continue
			}
			sameResults(t, "beside one that failed", got[i:i+1], want[i:i+1])
		}
		if len(s.live) != 0 {
			t.Errorf("documents %v were never ended", s.live)
		}
	}
}

// failsPlan is a planner that fails, or breaks the contract, for one document.
type failsPlan struct {
	planned
	spoil func(plans []strategy.Plan) ([]strategy.Plan, map[int]error)
}

func (f *failsPlan) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans, err := f.planned.Plan(ctx, docs)
	if err != nil {
		return nil, err
	}
	plans, failed := f.spoil(plans)
	if failed == nil {
		return plans, nil
	}
	batch := &strategy.BatchError{Failed: make(map[uint64]error)}
	for i, err := range failed {
		batch.Failed[docs[i].ID] = err
	}
	return plans, batch
}

func TestPlansThatFail(t *testing.T) {
	m, docs := tinyModel(t), documents(5)
	want, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &planned{2}, docs)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(plans []strategy.Plan) ([]strategy.Plan, map[int]error){
		"cannot plan": func(p []strategy.Plan) ([]strategy.Plan, map[int]error) {
			p[2] = nil
			return p, map[int]error{2: errors.New("cannot plan")}
		},
		"is not open": func(p []strategy.Plan) ([]strategy.Plan, map[int]error) { p[2][0][0] = 0; return p, nil },
		"missing":     func(p []strategy.Plan) ([]strategy.Plan, map[int]error) { p[2] = p[2][1:]; return p, nil },
	} {
		got, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &failsPlan{planned{2}, spoil}, docs)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if i == 2 {
				if r.Err == nil || !strings.Contains(r.Err.Error(), name) || r.Steps != 0 {
					t.Errorf("%s: %+v", name, r)
				}
				continue
			}
			sameResults(t, name, got[i:i+1], want[i:i+1])
		}
	}
	short := &failsPlan{planned{2}, func(p []strategy.Plan) ([]strategy.Plan, map[int]error) { return p[1:], nil }}
	if _, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), short, docs); err == nil || !strings.Contains(err.Error(), "4 plans for 5 documents") {
		t.Errorf("a plan too few: %v", err)
	}
}

// Errors that are about no single document end the run; documents in flight are
// released, and the engine is as good as new.
func TestRunFails(t *testing.T) {
	m, docs := tinyModel(t), documents(6)
	want, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &surest{k: 2}, docs)
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	for name, c := range map[string]func(e *Engine, ctx context.Context, cancel func()) (*surest, error){
		"the strategy fails": func(e *Engine, ctx context.Context, _ func()) (*surest, error) {
			s := &surest{k: 2, next: func(obs *strategy.Observation) error {
				if obs.Step[0] == 1 {
					return boom
				}
				return nil
			}}
			_, err := decodeAll(ctx, e, s, docs)
			return s, err
		},
		"emit fails": func(e *Engine, ctx context.Context, _ func()) (*surest, error) {
			s := &surest{k: 2}
			return s, e.Run(ctx, feed(docs...), s, func(*Result) error { return boom })
		},
		"emit fails at once": func(e *Engine, ctx context.Context, _ func()) (*surest, error) {
			s := &surest{k: 2}
			return s, e.Run(ctx, feed(append([]*Document{{Canvas: &seq.Canvas{}}}, docs...)...), s, func(*Result) error { return boom })
		},
		"cancelled by the strategy": func(e *Engine, ctx context.Context, cancel func()) (*surest, error) {
			s := &surest{k: 1, next: func(obs *strategy.Observation) error {
				if obs.Step[0] == 1 {
					cancel()
				}
				return nil
			}}
			_, err := decodeAll(ctx, e, s, docs)
			return s, err
		},
		"cancelled from the start": func(e *Engine, ctx context.Context, cancel func()) (*surest, error) {
			cancel()
			s := &surest{k: 1}
			_, err := decodeAll(ctx, e, s, docs)
			return s, err
		},
		"cancelled while waiting": func(e *Engine, ctx context.Context, cancel func()) (*surest, error) {
			s, in, left := &surest{k: 1}, make(chan *Document, len(docs)), len(docs)
			for _, d := range docs {
				in <- d
			}
			return s, e.Run(ctx, in, s, func(*Result) error {
				if left--; left == 0 {
					cancel() // nothing in flight, and the input stays open
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			o.Threads = 2
			e := newEngine(t, m, o)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := c(e, ctx, cancel)
			if !errors.Is(err, boom) && !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v", err)
			}
			if len(s.live) != 0 {
				t.Errorf("documents %v were never ended", s.live)
			}
			again, err := decodeAll(t.Context(), e, &surest{k: 2}, docs)
			if err != nil {
				t.Fatal(err)
			}
			sameResults(t, "the same engine afterwards", again, want)
		})
	}
}

// answers is a strategy that gives prepared decisions.
type answers struct {
	surest
	decide func(obs *strategy.Observation) *strategy.Decision
}

func (a *answers) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	return a.decide(obs), nil
}

// A strategy that breaks the contract for a document fails that document; one whose
// answer has no shape fails the run.
func TestViolations(t *testing.T) {
	m, docs := tinyModel(t), documents(2)
	commit := func(obs *strategy.Observation, token int32) *strategy.Decision {
		dec := &strategy.Decision{CommitOffset: []int32{0}}
		for d := range obs.Doc {
			from, to := obs.Rows(d)
			dec.Commit = append(dec.Commit, obs.Position[from:to]...)
			for range to - from {
				dec.Token = append(dec.Token, strategy.KeepToken)
			}
			if obs.Doc[d] == 1 {
				dec.Token[len(dec.Token)-1] = token
			}
			dec.CommitOffset = append(dec.CommitOffset, int32(len(dec.Commit)))
		}
		return dec
	}
	o := DefaultOptions()
	o.Banned = []int32{4}
	var want []*Result
	for _, c := range []struct {
		token int32
		rule  strategy.Rule // "" = valid
	}{{5, ""}, {4, strategy.RuleToken}, {vocab, strategy.RuleToken}, {-7, strategy.RuleToken}, {6, strategy.RuleToken}} {
		docs[0].Allow = map[int32]*TokenSet{}
		if c.token == 6 {
			last := docs[0].Canvas.Blanks()
			docs[0].Allow[last[len(last)-1]] = NewTokenSet(vocab, []int32{4, 5})
		}
		a := &answers{decide: func(obs *strategy.Observation) *strategy.Decision { return commit(obs, c.token) }}
		got, err := decodeAll(t.Context(), newEngine(t, m, o), a, docs)
		if err != nil {
			t.Fatal(err)
		}
		if c.rule == "" {
			want = got
		}
		var v *strategy.Violation
		if (c.rule != "") != errors.As(got[0].Err, &v) || c.rule != "" && v.Rule != c.rule {
			t.Errorf("token %d: %v", c.token, got[0].Err)
		}
		sameResults(t, "the other document", got[1:], want[1:])
	}
	for name, dec := range map[string]*strategy.Decision{
		"gave no decision": nil,
		"columns":          {CommitOffset: []int32{0, 1}, Commit: []int32{2}},
	} {
		a := &answers{decide: func(*strategy.Observation) *strategy.Decision { return dec }}
		if _, err := decodeAll(t.Context(), newEngine(t, m, o), a, docs); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type neither struct{}

func (neither) Spec() strategy.Spec { return strategy.Spec{Name: "neither"} }

type nameless struct{ planned }

func (nameless) Spec() strategy.Spec { return strategy.Spec{} }

func TestDecidersThatAreNone(t *testing.T) {
	e := newEngine(t, tinyModel(t), DefaultOptions())
	for _, d := range []Decider{neither{}, &nameless{}} {
		if err := e.Run(t.Context(), feed(), d, nil); err == nil {
			t.Errorf("%T runs", d)
		}
	}
	if err := e.Run(t.Context(), feed(), &planned{}, nil); err != nil {
		t.Errorf("no documents: %v", err)
	}
}

// Documents join and leave the running batch while it runs.
func TestStreaming(t *testing.T) {
	m, docs := tinyModel(t), documents(20)
	want, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &surest{k: 1}, docs)
	if err != nil {
		t.Fatal(err)
	}
	o := DefaultOptions()
	o.MaxDocuments = 3
	in, done := make(chan *Document), make(chan error, 1)
	got := make(map[*Document]*Result)
	finished := make(chan struct{}, len(docs))
	e := newEngine(t, m, o)
	go func() {
		done <- e.Run(t.Context(), in, &surest{k: 1}, func(r *Result) error {
			if got[r.Document] != nil {
				return fmt.Errorf("document %v came twice", r.Document.Tag)
			}
			got[r.Document] = r
			finished <- struct{}{}
			return nil
		})
	}()
	seen := 0
	for i, d := range docs {
		for i == 10 && seen < i { // in the middle the run has nothing to do and waits
			<-finished
			seen++
		}
		in <- d
	}
	close(in)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, d := range docs {
		sameResults(t, "streamed", []*Result{got[d]}, want[i:i+1])
	}
	if n := len(e.caches); n == 0 || n > o.MaxDocuments {
		t.Errorf("%d caches are kept, at most %d documents were in flight", n, o.MaxDocuments)
	}
}

// Keys and values take room for the document, and are used again.
func TestCaches(t *testing.T) {
	o := DefaultOptions()
	o.MaxDocuments = 3
	e := newEngine(t, tinyModel(t), o)
	var held []*model.Cache
	for _, n := range []int{100, 20, 60, 70} {
		c := e.acquireCache(n)
		if c.Cap() < n || c.Cap() >= n+32 {
			t.Errorf("room for %d tokens where %d are asked for", c.Cap(), n)
		}
		held = append(held, c)
	}
	for _, c := range held {
		e.releaseCache(c)
	}
	if len(e.caches) != 3 {
		t.Fatalf("%d caches are kept for 3 documents", len(e.caches))
	}
	if c := e.acquireCache(40); c != held[2] {
		t.Errorf("the cache for 40 tokens has room for %d", c.Cap())
	}
	if c := e.acquireCache(200); c.Cap() != 224 || len(e.caches) != 1 || e.caches[0] != held[0] {
		t.Errorf("room for %d tokens; %d are free", c.Cap(), len(e.caches)) // that for 20 makes room
	}
}

// A document that joins with many rows does not hold up those that are there, and comes
// to its turn.
func TestJoiningDocuments(t *testing.T) {
	long := seq.NewCanvas(make([]int32, 100)...)
	long.AppendBlank(3)
	docs := documents(6)
	docs = append(docs[:3:3], append([]*Document{{Key: 50, Canvas: long}}, docs[3:]...)...)
	o := DefaultOptions()
	o.MaxRows = 60
	steps := 0
	s := &surest{k: 1, window: 2, next: func(obs *strategy.Observation) error {
		for d, id := range obs.Doc {
			if id < 4 && int(obs.Step[d]) != steps { // of documents 1, 2 and 3 in each step, or done
				return fmt.Errorf("document %d is in step %d of %d", id, obs.Step[d], steps)
			}
		}
		steps++
		return nil
	}}
	results, err := decodeAll(t.Context(), newEngine(t, tinyModel(t), o), s, docs)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil || r.Steps != len(docs[i].Canvas.Blanks()) {
			t.Errorf("document %d: %v after %d steps", i, r.Err, r.Steps)
		}
	}
}
