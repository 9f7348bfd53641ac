package decode

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

func segmentsOf(t *testing.T, results []*Result, given order.Given) []seq.Segment {
	t.Helper()
	out := make([]seq.Segment, len(results))
	for i, r := range results {
		out[i] = segmentOf(t, r, given)
	}
	return out
}

func newSession(t *testing.T, e *Engine, text string) *Session {
	t.Helper()
	s, err := e.NewSession(&Document{Key: 1, Canvas: canvasOf(text)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func propose(t *testing.T, e *Engine, sessions ...*Session) {
	t.Helper()
	if err := e.Propose(t.Context(), sessions, strategy.ColumnAll); err != nil {
		t.Fatal(err)
	}
}

// A commit that is refused leaves the session as it was.
func TestCommitRefused(t *testing.T) {
	m := tinyModel(t)
	e := newEngine(t, m, DefaultOptions())
	untouched := newSession(t, e, "1____2")
	for name, c := range map[string]struct{ positions, token []int32 }{
		"no position":       {nil, nil},
		"twice":             {[]int32{2, 1, 2}, nil},
		"0 was not":         {[]int32{1, 0}, nil},
		"4 was not":         {[]int32{1, 4}, nil},
		"99 was not":        {[]int32{1, 99}, nil},
		"outside the vocab": {[]int32{1, 2}, []int32{3, vocab}},
	} {
		s := newSession(t, e, "1____2")
		if err := s.Commit([]int32{1}, nil); err == nil {
			t.Error("a commit before any proposal")
		}
		s.Want([]int32{3, 1, 2}, 0)
		if err := s.Commit([]int32{1}, nil); err == nil {
			t.Error("a commit before the proposal is computed")
		}
		propose(t, e, s)
		if err := s.Commit(c.positions, c.token); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", name, err)
		}
		if r, want := s.Result(), untouched.Result(); !slices.Equal(r.Order, want.Order) || r.Steps != 0 || len(r.Groups) != 0 || s.open != 4 {
			t.Errorf("%s: after the error %+v", name, r)
		}
		if err := s.Commit([]int32{2, 1}, []int32{strategy.KeepToken, 5}); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
		if r := s.Result(); !slices.Equal(r.Groups[0], []int32{1, 2}) || r.Tokens[1] != 5 {
			t.Errorf("%s: afterwards %+v", name, r)
		}
		if err := s.Commit([]int32{3}, nil); err == nil {
			t.Error("a commit of a proposal that is spent")
		}
		s.Close()
		s.Close() // twice is once
	}
}

// Proposing again, as after a cancellation, computes the same and disturbs nobody.
func TestProposeAgain(t *testing.T) {
	m := tinyModel(t)
	for _, noCache := range []bool{false, true} {
		o := DefaultOptions()
		o.NoCache = noCache
		e := newEngine(t, m, o)
		a, b := newSession(t, e, "12__3__"), newSession(t, e, "1_____")
		a.Want(nil, 3)
		b.Want([]int32{5, 2}, 0)
		propose(t, e, a, b)
		wantA, wantB := slices.Clone(a.Proposal()), slices.Clone(b.Proposal())
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Propose(dead, []*Session{a, b}, strategy.ColumnAll); !errors.Is(err, context.Canceled) {
			t.Errorf("a dead context gives %v", err)
		}
		a.Want(nil, 3)
		propose(t, e, a) // now b is as it was, a is new
		propose(t, e, b, a)
		if !slices.Equal(a.Proposal(), wantA) || !slices.Equal(b.Proposal(), wantB) {
			t.Errorf("no cache %v: proposals %+v and %+v, want %+v and %+v", noCache, a.Proposal(), b.Proposal(), wantA, wantB)
		}
		if err := b.Commit([]int32{5}, []int32{3}); err != nil {
			t.Fatal(err)
		}
		if lp := b.Result().LogProb[5]; !(lp < 0) {
			t.Errorf("log-probability %v", lp)
		}
	}
}

// A model that computes NaN fails the document instead of filling it with anything.
func TestNotANumber(t *testing.T) {
	m := tinyModel(t)
	m.Params.Norm[3] = float32(math.NaN())
	m.Pack()
	for name, o := range ways() {
		o.Banned = o.Banned[:min(len(o.Banned), 2)] // those of a small vocabulary
		results, err := decodeAll(t.Context(), newEngine(t, m, o), &planned{2}, documents(2))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err == nil || !strings.Contains(r.Err.Error(), "not a number") || r.Steps != 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// The canvas and the documents belong to the caller.
func TestDocumentsAreNotChanged(t *testing.T) {
	doc := &Document{Canvas: canvasOf("1__2_")}
	if _, err := decodeAll(t.Context(), newEngine(t, tinyModel(t), DefaultOptions()), &planned{2}, []*Document{doc}); err != nil {
		t.Fatal(err)
	}
	want := canvasOf("1__2_")
	if !slices.Equal(doc.Canvas.Tokens, want.Tokens) || !slices.Equal(doc.Canvas.Blank, want.Blank) {
		t.Errorf("canvas %+v", doc.Canvas)
	}
}

func TestScore(t *testing.T) {
	m := tinyModel(t)
	results, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &planned{2}, documents(7))
	if err != nil {
		t.Fatal(err)
	}
	list := append(segmentsOf(t, results, order.GivenCausal),
		seq.Segment{Tokens: []int32{0, 3, 5, 1}, Group: []int32{0, 1, 2, 3}, Weight: []float32{0, 1, 0, 2}, Next: true})
	var want [][]float64
	for _, threads := range []int{1, 3} {
		o := DefaultOptions()
		o.Threads = threads
		e := newEngine(t, m, o)
		got, err := e.Score(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i := range got {
			sameBits(t, "threads", got[i], want[i])
			for p, w := range list[i].Weight {
				if (w != 0) != (got[i][p] < 0) {
					t.Errorf("segment %d position %d with weight %v: %v", i, p, w, got[i][p])
				}
			}
		}
		if none, err := e.Score(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("nothing: %v, %v", none, err)
		}
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Score(dead, list); !errors.Is(err, context.Canceled) {
			t.Errorf("a dead context gives %v", err)
		}
		long := seq.Segment{Tokens: make([]int32, 129), Group: make([]int32, 129), Weight: make([]float32, 129)}
		for want, s := range map[string]seq.Segment{
			"segment 1: token 11": {Tokens: []int32{vocab}, Group: []int32{0}, Weight: []float32{0}},
			"segment 1: segment":  {Tokens: []int32{1}},
			"129 positions":       long,
		} {
			if _, err := e.Score(t.Context(), []seq.Segment{list[0], s}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v", want, err)
			}
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	m := tinyModel(t)
	nan := math.NaN()
	for _, c := range []struct {
		name  string
		spoil func(o *Options)
	}{
		{"temperature", func(o *Options) { o.Temperature = 0 }},
		{"temperature", func(o *Options) { o.Temperature = nan }},
		{"temperature", func(o *Options) { o.Temperature = math.Inf(1) }},
		{"top_k", func(o *Options) { o.TopK = -1 }},
		{"top_p", func(o *Options) { o.TopP = 0 }},
		{"top_p", func(o *Options) { o.TopP = nan }},
		{"top_p", func(o *Options) { o.TopP = 1.5 }},
		{"regroup", func(o *Options) { o.Regroup = "sometimes" }},
		{"0 documents", func(o *Options) { o.MaxDocuments = 0 }},
		{"0 rows", func(o *Options) { o.MaxRows = 0 }},
		{"0 threads", func(o *Options) { o.Threads = 0 }},
		{"banned token 11", func(o *Options) { o.Banned = []int32{vocab} }},
		{"banned token -1", func(o *Options) { o.Banned = []int32{-1} }},
		{"every token", func(o *Options) { o.Banned = []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10} }},
	} {
		o := DefaultOptions()
		c.spoil(&o)
		if e, err := New(m, o); err == nil || e != nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: got error %v", c.name, err)
		}
	}
}
