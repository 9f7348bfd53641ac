package decode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// What a check says of a token is its probability under the grouping in which it comes
// last of all and the other checked ones just before it, bit for bit.
func TestCheckIsLeaveOneOut(t *testing.T) {
	all := models(t)
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(all).Draw(t, "model")
		o := drawOptions(t)
		o.NoCache = rapid.Bool().Draw(t, "no cache")
		e := mustEngine(t, m, o)
		s, err := e.NewSession(drawDocument(t, 25))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for s.open > 0 {
			s.Want(nil, 6)
			if err := e.Propose(t.Context(), []*Session{s}, 0); err != nil {
				t.Fatal(err)
			}
			group := slices.Clone(s.wanted)[:rapid.IntRange(1, len(s.wanted)).Draw(t, "group")]
			if err := s.Commit(group, nil); err != nil {
				t.Fatal(err)
			}
		}
		filled := s.doc.Canvas.Blanks()
		if len(filled) == 0 {
			return
		}
		checked := rapid.SampledFrom(subsets(filled, 3)).Draw(t, "checked")
		before := s.Result()
		if err := s.Check(checked); err != nil {
			t.Fatal(err)
		}
		calls := s.calls
		for range checked {
			if err := e.Propose(t.Context(), []*Session{s}, strategy.ColumnAll); err != nil {
				t.Fatal(err)
			}
		}
		if s.calls != calls+len(checked) || len(s.Proposal()) != len(checked) || s.task != toPropose {
			t.Fatalf("%d calls for %d checked positions, %d rows", s.calls-calls, len(checked), len(s.Proposal()))
		}
		slices.Sort(checked)
		for i, p := range s.Proposal() {
			groups := append(without(s.groups, checked), without(only(s.groups, checked), []int32{checked[i]})...)
			groups = append(groups, []int32{checked[i]})
			segment, err := order.Planned(&seq.Canvas{Tokens: s.tokens, Blank: s.doc.Canvas.Blank}, o.Given, groups)
			if err != nil {
				t.Fatal(err)
			}
			scored, err := e.Score(t.Context(), []seq.Segment{segment})
			if err != nil {
				t.Fatal(err)
			}
			if p.Position != checked[i] || p.Token != s.tokens[checked[i]] {
				t.Fatalf("row %d is %+v, want position %d", i, p, checked[i])
			}
			sameBits(t, "leave one out", []float64{p.LogProb}, []float64{scored[0][checked[i]]})
		}
		after := s.Result()
		after.ModelCalls = before.ModelCalls
		sameResults(t, "after a check", []*Result{after}, []*Result{before})
	})
}

// subsets returns some sets of at most n of the positions.
func subsets(positions []int32, n int) [][]int32 {
	all := [][]int32{positions[:min(n, len(positions))], positions[max(0, len(positions)-n):]}
	for i := range positions {
		all = append(all, []int32{positions[i]}, []int32{positions[(7*i)%len(positions)]})
		if j := (5*i + 3) % len(positions); j != i {
			all = append(all, []int32{positions[i], positions[j]})
		}
	}
	return all
}

// without returns the groups without some positions, and only those with them alone.
func without(groups [][]int32, positions []int32) [][]int32 { return partsOf(groups, positions, false) }
func only(groups [][]int32, positions []int32) [][]int32    { return partsOf(groups, positions, true) }

func partsOf(groups [][]int32, positions []int32, inside bool) (parts [][]int32) {
	for _, group := range groups {
		var keep []int32
		for _, p := range group {
			if slices.Contains(positions, p) == inside {
				keep = append(keep, p)
			}
		}
		if keep != nil {
			parts = append(parts, keep)
		}
	}
	return parts
}

// speculative drafts the whole window, in ascending or descending order.
type speculative struct {
	surest
	k          int
	descending bool
	own        func(position int32) int32 // the draft's tokens; nil = the engine's
}

func (s *speculative) Spec() strategy.Spec { return strategy.Spec{Name: "speculative", Window: s.k} }

func (s *speculative) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	dec := &strategy.Decision{}
	for d := range obs.Doc {
		start, end := obs.Rows(d)
		c := strategy.Choice{Draft: slices.Clone(obs.Position[start:end])}
		if s.descending {
			slices.Reverse(c.Draft)
		}
		if s.own != nil {
			for _, p := range c.Draft {
				c.DraftToken = append(c.DraftToken, s.own(p))
			}
		}
		dec.Append(c)
	}
	return dec, nil
}

// Drafts give the distribution of filling one position at a time, by chi-square over all
// fillings, under temperature and filters, whoever wrote the draft; and never take more
// passes than tokens.
func TestDraftsAreExact(t *testing.T) {
	const draws, v = 5000, 3
	m := newModel(t, kernels.Best(), v, model.ResidualLlama, 8)
	canvas := canvasOf("0____1")
	calls := 0
	for _, c := range []struct {
		name        string
		temperature float64
		topP        float64
		strategy    *speculative
	}{
		{"self-draft", 1, 1, &speculative{k: 4}},
		{"pairs", 1, 1, &speculative{k: 2}},
		{"downwards", 1, 1, &speculative{k: 4, descending: true}},
		{"cold", 0.5, 1, &speculative{k: 4}},
		{"nucleus", 1, 0.7, &speculative{k: 4}},
		{"hot nucleus", 1.5, 0.8, &speculative{k: 3}},
		{"own tokens", 1, 1, &speculative{k: 4, own: func(p int32) int32 { return p % v }}},
		{"own tokens, nucleus", 0.8, 0.8, &speculative{k: 3, own: func(p int32) int32 { return 2 }}},
		{"own tokens, one by one", 1, 1, &speculative{k: 1, own: func(p int32) int32 { return 1 }}},
		{"some own tokens", 1, 1, &speculative{k: 4, own: func(p int32) int32 { return p%2*2 - 1 }}},
	} {
		o := DefaultOptions()
		o.Greedy, o.Seed, o.MaxDocuments = false, 41, 500
		o.Temperature, o.TopP = c.temperature, c.topP
		e := newEngine(t, m, o)
		docs := make([]*Document, draws)
		for i := range docs {
			docs[i] = &Document{Key: uint64(i), Canvas: canvas}
		}
		results, err := decodeAll(t.Context(), e, c.strategy, docs)
		if err != nil {
			t.Fatal(err)
		}
		counts := make([]int, int(math.Pow(v, 4)))
		for _, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			number := 0
			for _, p := range slices.Backward(canvas.Blanks()) {
				number = number*v + int(r.Tokens[p])
			}
			counts[number]++
			calls += r.ModelCalls
			if r.ModelCalls > 4 && c.strategy.own == nil || len(r.Groups) != 4 {
				t.Fatalf("%s: %d calls, groups %v", c.name, r.ModelCalls, r.Groups)
			}
		}
		fits(t, c.name, counts, sequential(t, e, canvas, c.strategy.descending))
	}
	if calls == 0 {
		t.Error("nobody called the model")
	}
}

// sequential returns the probability of each filling when positions are filled one at a
// time, ascending or descending, under the engine's temperature and top-p.
func sequential(t *testing.T, e *Engine, canvas *seq.Canvas, descending bool) []float64 {
	t.Helper()
	v := e.model.Config.Vocab
	out := make([]float64, int(math.Pow(float64(v), float64(len(canvas.Blanks())))))
	var walk func(s *seq.Canvas, groups [][]int32, number int, p float64)
	blanks := canvas.Blanks()
	walk = func(now *seq.Canvas, groups [][]int32, number int, prob float64) {
		open := now.Blanks()
		if len(open) == 0 {
			out[number] += prob
			return
		}
		position := open[0]
		if descending {
			position = open[len(open)-1]
		}
		session, err := e.NewSession(&Document{Canvas: canvas})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		for _, g := range groups {
			session.Want(g, 0)
			propose(t, e, session)
			if err := session.Commit(g, []int32{now.Tokens[g[0]]}); err != nil {
				t.Fatal(err)
			}
		}
		session.Want([]int32{position}, 0)
		propose(t, e, session)
		session.draft.hidden = session.hidden
		w := e.workers[0]
		q := slices.Clone(w.distribution(session, position, w.logits(e, w.draftRows(session, 0, 1), kernels.Rows{})))
		digit := int(math.Pow(float64(v), float64(slices.Index(blanks, position))))
		for token := range v {
			next := &seq.Canvas{Tokens: slices.Clone(now.Tokens), Blank: slices.Clone(now.Blank)}
			next.Tokens[position], next.Blank[position] = int32(token), false
			walk(next, append(slices.Clip(groups), []int32{position}), number+token*digit, prob*float64(q[token]))
		}
	}
	walk(canvas, nil, 0, 1)
	return out
}

// A greedy draft gives what greedy filling one at a time gives.
func TestGreedyDrafts(t *testing.T) {
	for _, m := range append(models(t), broadModels(t)...) {
		docs := documents(9)
		want, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &planned{}, docs)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []int{1, 2, 3, 7, 32} {
			for _, own := range []func(int32) int32{nil, func(p int32) int32 { return p % vocab }} {
				got, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &speculative{k: k, own: own}, docs)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range got {
					if r.Err != nil || !slices.Equal(r.Tokens, want[i].Tokens) {
						t.Fatalf("%s, drafts of %d: document %d is %v (%v), want %v", m.Type, k, i, r.Tokens, r.Err, want[i].Tokens)
					}
					sameBits(t, "drafted", r.LogProb, want[i].LogProb)
					if own == nil && r.ModelCalls > len(r.Groups) {
						t.Fatalf("%d calls for %d tokens", r.ModelCalls, len(r.Groups))
					}
				}
			}
		}
	}
}

// Long drafts are judged a few positions at a time: drawing among one token, they give what
// greedy filling gives, and the draft that has all but one right takes two rounds.
func TestLongDrafts(t *testing.T) {
	const blanks = 3*judgedRows + 5
	for _, m := range append(models(t), broadModels(t)...) {
		canvas := seq.NewCanvas(1, 2)
		canvas.AppendBlank(blanks)
		docs := []*Document{{Canvas: canvas}}
		want, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &planned{}, docs)
		if err != nil {
			t.Fatal(err)
		}
		right := func(p int32) int32 {
			if p == 2*judgedRows {
				return (want[0].Tokens[p] + 1) % vocab
			}
			return want[0].Tokens[p]
		}
		for name, own := range map[string]func(int32) int32{
			"own": right,
			"some": func(p int32) int32 {
				if p%3 == 0 {
					return strategy.KeepToken
				}
				return right(p)
			},
		} {
			o := DefaultOptions()
			o.Greedy, o.TopK = false, 1
			got, err := decodeAll(t.Context(), newEngine(t, m, o), &speculative{k: blanks, own: own}, docs)
			if err != nil {
				t.Fatal(err)
			}
			r := got[0]
			if r.Err != nil || !slices.Equal(r.Tokens, want[0].Tokens) {
				t.Fatalf("%s, %s: %v (%v), want %v", m.Type, name, r.Tokens, r.Err, want[0].Tokens)
			}
			sameBits(t, "drafted", r.LogProb, want[0].LogProb)
			if name == "own" && r.ModelCalls != 4 {
				t.Errorf("%s: %d calls, want two rounds", m.Type, r.ModelCalls)
			}
		}
	}
}

// Bias moves the choice and not the probabilities, in every way of choosing.
func TestBias(t *testing.T) {
	m := broadModels(t)[0]
	for name, o := range ways() {
		e := newEngine(t, m, o)
		e.top = 2
		choose := func(bias ...strategy.Bias) (Proposal, []Top) {
			s := newSession(t, e, "1__2")
			defer s.Close()
			s.Want(nil, 2)
			s.Bias(bias)
			propose(t, e, s)
			return s.Proposal()[0], slices.Clone(s.Likeliest()[:2])
		}
		plain, likeliest := choose()
		ban := strategy.Bias{Position: 1, Token: plain.Token, Value: float32(math.Inf(-1))}
		push := strategy.Bias{Position: 1, Token: 1200, Value: 1e4}
		for what, c := range map[string]struct {
			bias []strategy.Bias
			want func(token int32) bool
		}{
			"banned":             {[]strategy.Bias{ban}, func(t int32) bool { return t != plain.Token }},
			"pushed":             {[]strategy.Bias{push}, func(t int32) bool { return t == 1200 }},
			"elsewhere":          {[]strategy.Bias{{Position: 2, Token: plain.Token, Value: -1e4}}, func(t int32) bool { return t == plain.Token }},
			"pushed and banned":  {[]strategy.Bias{push, {Position: 1, Token: 1200, Value: float32(math.Inf(-1))}}, func(t int32) bool { return t != 1200 }},
			"a little of a ties": {[]strategy.Bias{{Position: 1, Token: plain.Token, Value: 0}}, func(t int32) bool { return t == plain.Token }},
		} {
			p, top := choose(c.bias...)
			if !c.want(p.Token) {
				t.Errorf("%s, %s: token %d, without bias %d", name, what, p.Token, plain.Token)
			}
			if p.MaxProb != plain.MaxProb || p.Entropy != plain.Entropy || p.Margin != plain.Margin || !slices.Equal(top, likeliest) {
				t.Errorf("%s, %s: the bias shows in %+v %v, without it %+v %v", name, what, p, top, plain, likeliest)
			}
			if want := e.logProbOf(hiddenOf(t, e, "1__2"), 0, p.Token); p.LogProb != want {
				t.Errorf("%s, %s: log-probability %v of token %d, want the model's %v", name, what, p.LogProb, p.Token, want)
			}
		}
	}
}

// hiddenOf returns the final rows of a proposal.
func hiddenOf(t *testing.T, e *Engine, text string) []float32 {
	s := newSession(t, e, text)
	defer s.Close()
	s.Want(nil, 2)
	propose(t, e, s)
	return s.hidden
}

// A position whose every token is banned fails its document.
func TestEverythingBanned(t *testing.T) {
	for name, o := range ways() {
		if o.Banned != nil {
			continue
		}
		e := newEngine(t, tinyModel(t), o)
		s := newSession(t, e, "1__2")
		var bias []strategy.Bias
		for token := range int32(vocab) {
			bias = append(bias, strategy.Bias{Position: 1, Token: token, Value: float32(math.Inf(-1))})
		}
		s.Want(nil, 2)
		s.Bias(bias)
		propose(t, e, s)
		if err := s.Commit([]int32{1}, nil); err == nil || !strings.Contains(err.Error(), "may take no token") {
			t.Errorf("%s: got %v", name, err)
		}
		if err := s.Commit([]int32{2}, nil); err != nil {
			t.Errorf("%s: the other position: %v", name, err)
		}
	}
}

// The likeliest tokens are those of all logits, whoever sees which chunk.
func TestLikeliest(t *testing.T) {
	for _, m := range broadModels(t) {
		for _, threads := range []int{1, 3} {
			for _, n := range []int{1, 5, 64} {
				o := DefaultOptions()
				o.Threads = threads
				e := newEngine(t, m, o)
				e.top = n
				s := newSession(t, e, "12__3_")
				propose(t, e, wantAll(s))
				hidden := s.hidden
				for i := range s.wanted {
					var all []Top
					for token := range int32(m.Config.Vocab) {
						all = append(all, Top{token, float32(e.logProbOf(hidden, i, token))})
					}
					slices.SortStableFunc(all, func(a, b Top) int {
						switch {
						case a.LogProb > b.LogProb:
							return -1
						case a.LogProb < b.LogProb:
							return 1
						}
						return 0
					})
					for j, got := range s.Likeliest()[i*n : (i+1)*n] {
						if got.LogProb != all[j].LogProb {
							t.Fatalf("%s, row %d: likeliest token %d is %v, want %v", m.Type, i, j, got, all[j])
						}
					}
				}
				s.Close()
			}
		}
	}
	o := DefaultOptions()
	e := newEngine(t, tinyModel(t), o)
	e.top = vocab + 2
	s := newSession(t, e, "12_")
	propose(t, e, wantAll(s))
	if top := s.Likeliest(); len(top) != vocab+2 || top[vocab-1].Token < 0 || top[vocab].Token != strategy.NoToken {
		t.Errorf("a small vocabulary shows %v", top)
	}
}

func wantAll(s *Session) *Session {
	s.Want(nil, 100)
	return s
}

// Operations that are refused leave the session as it was.
func TestOperationsRefused(t *testing.T) {
	e := newEngine(t, tinyModel(t), DefaultOptions())
	s := newSession(t, e, "1____2")
	defer s.Close()
	s.Want(nil, 3)
	propose(t, e, s)
	if err := s.Commit([]int32{1, 3}, nil); err != nil {
		t.Fatal(err)
	}
	s.Want(nil, 3)
	propose(t, e, s)
	want := fmt.Sprintf("%+v %v %v %v", s.Result(), s.wanted, s.proposal, s.sequence)
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"reopen", s.Reopen([]int32{1, 2}), "position 2 was not filled"},
		{"reopen given", s.Reopen([]int32{0}), "position 0 was not filled"},
		{"reopen outside", s.Reopen([]int32{-1}), "position -1 was not filled"},
		{"reopen twice", s.Reopen([]int32{3, 1, 3}), "position 3 is named twice"},
		{"reopen nothing", s.Reopen(nil), ""},
		{"check nothing", s.Check(nil), "no position"},
		{"check", s.Check([]int32{4}), "position 4 was not filled"},
		{"verify nothing", s.Verify(nil, nil), "no position"},
		{"verify filled", s.Verify([]int32{1}, nil), "position 1 of the draft was not proposed"},
		{"verify twice", s.Verify([]int32{2, 2}, nil), "position 2 of the draft was not proposed, or is in it twice"},
		{"verify token", s.Verify([]int32{2, 4}, []int32{-1, vocab}), "token 11 of the draft"},
	} {
		if c.want == "" != (c.err == nil) || c.err != nil && !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.what, c.err, c.want)
		}
		if got := fmt.Sprintf("%+v %v %v %v", s.Result(), s.wanted, s.proposal, s.sequence); got != want {
			t.Errorf("%s: after the error\n%s, want\n%s", c.what, got, want)
		}
	}
	o := DefaultOptions()
	o.Regroup = RegroupPublished
	e = newEngine(t, tinyModel(t), o)
	p := newSession(t, e, "1__")
	p.Want(nil, 2)
	propose(t, e, p)
	if err := p.Verify([]int32{1, 2}, nil); err == nil || !strings.Contains(err.Error(), "need regroup commit") {
		t.Errorf("a draft with published groups: %v", err)
	}
	if err := p.Commit([]int32{1}, nil); err != nil {
		t.Error(err)
	}
	if err := p.Check([]int32{1}); err == nil || !strings.Contains(err.Error(), "need regroup commit") {
		t.Errorf("a check with published groups: %v", err)
	}
}

// Reopening everything gives the document as it was.
func TestReopenAll(t *testing.T) {
	e := newEngine(t, tinyModel(t), DefaultOptions())
	s := newSession(t, e, "1__2__")
	defer s.Close()
	fill := func() {
		for s.open > 0 {
			s.Want(nil, 2)
			propose(t, e, s)
			if err := s.Commit(slices.Clone(s.wanted), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	want := s.Result()
	tokens, logProb := slices.Clone(want.Tokens), slices.Clone(want.LogProb)
	if err := s.Reopen([]int32{5, 1, 4, 2}); err != nil {
		t.Fatal(err)
	}
	if s.open != 4 || len(s.groups) != 0 || len(s.sequence) != 2 || s.cache.Len() > 2 || s.Done() {
		t.Errorf("%d open, groups %v, sequence %v, %d cached", s.open, s.groups, s.sequence, s.cache.Len())
	}
	fill()
	if err := e.Rescore(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r := s.Result()
	if !slices.Equal(r.Tokens, tokens) || r.Rescored || r.Reopened != 4 {
		t.Errorf("greedy filling again gives %v (rescored %v, reopened %d), want %v", r.Tokens, r.Rescored, r.Reopened, tokens)
	}
	sameBits(t, "filled again", r.LogProb, logProb)
	if err := s.Reopen([]int32{1}); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Rescore(cancelled, s); !errors.Is(err, context.Canceled) {
		t.Errorf("a dead context gives %v", err)
	}
}
