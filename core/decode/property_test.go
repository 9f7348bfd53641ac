package decode

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// A document's result depends on the model, the document, the strategy and the seed:
// not on its batch mates, the order of arrival, threads, budgets, or whether keys and
// values are kept. Bit for bit.
func TestNothingElseMatters(t *testing.T) {
	all := models(t)
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(all).Draw(t, "model")
		o, d := drawOptions(t), drawDecider(t)
		_, wild := d.(*wild)
		if rapid.IntRange(0, 4).Draw(t, "published") == 0 && !wild {
			o.Regroup = RegroupPublished
		}
		docs := make([]*Document, rapid.IntRange(1, 6).Draw(t, "documents"))
		var alone []*Result
		for i := range docs {
			docs[i] = drawDocument(t, 40)
			r, err := decodeAll(t.Context(), mustEngine(t, m, o), d, docs[i:i+1])
			if err != nil || r[0].Err != nil {
				t.Fatalf("document %d alone: %v, %v", i, err, r[0].Err)
			}
			checkFilled(t, r[0], o, wild)
			alone = append(alone, r...)
		}

		o.NoCache = rapid.Bool().Draw(t, "no cache")
		o.Threads = rapid.IntRange(1, 3).Draw(t, "threads")
		o.MaxDocuments = rapid.IntRange(1, 7).Draw(t, "max documents")
		o.MaxRows = rapid.IntRange(1, 150).Draw(t, "max rows")
		arrival := rapid.Permutation(docs).Draw(t, "arrival")
		together, err := decodeAll(t.Context(), mustEngine(t, m, o), d, arrival)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]*Result, len(docs))
		for _, r := range together {
			got[slices.Index(docs, r.Document)] = r
		}
		sameResults(t, "together", got, alone)
	})
}

// mustEngine is newEngine for rapid, whose T is no testing.TB.
func mustEngine(t *rapid.T, m *model.Model, o Options) *Engine {
	e, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkFilled holds a result to what every result promises; a wild strategy may take more
// or fewer calls than groups.
func checkFilled(t *rapid.T, r *Result, o Options, wild bool) {
	c := r.Document.Canvas
	filled := 0
	for p, blank := range c.Blank {
		switch {
		case !blank && (r.Tokens[p] != c.Tokens[p] || r.Order[p] != -1 || r.LogProb[p] != 0):
			t.Fatalf("given position %d: token %d, order %d, log-probability %v", p, r.Tokens[p], r.Order[p], r.LogProb[p])
		case blank && (r.Order[p] < 0 || !(r.LogProb[p] < 0) || slices.Contains(o.Banned, r.Tokens[p])):
			t.Fatalf("blank %d: token %d, order %d, log-probability %v", p, r.Tokens[p], r.Order[p], r.LogProb[p])
		case blank:
			filled++
			if !slices.Contains(r.Groups[r.Order[p]], int32(p)) {
				t.Fatalf("position %d was committed in step %d, whose group is %v", p, r.Order[p], r.Groups[r.Order[p]])
			}
		}
	}
	if filled != len(c.Blanks()) || !wild && (r.Steps != len(r.Groups) || r.ModelCalls != r.Steps) {
		t.Fatalf("%d of %d blanks in %d steps, %d groups, %d calls", filled, len(c.Blanks()), r.Steps, len(r.Groups), r.ModelCalls)
	}
}

// The likelihood reported on the way is the one scored afterwards under the same
// groups, bit for bit, whoever chose the tokens.
func TestLikelihoodIsExact(t *testing.T) {
	all := models(t)
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(all).Draw(t, "model")
		o, d := drawOptions(t), drawDecider(t)
		o.Threads = rapid.IntRange(1, 2).Draw(t, "threads")
		if s, ok := d.(*surest); ok && len(o.Banned) == 0 {
			s.own = ownTokens
		}
		docs := []*Document{drawDocument(t, 50), drawDocument(t, 20), drawDocument(t, 5)}
		e := mustEngine(t, m, o)
		results, err := decodeAll(t.Context(), e, d, docs)
		if err != nil {
			t.Fatal(err)
		}
		var segments []seq.Segment
		for i, r := range results {
			if r.Err != nil {
				t.Fatalf("document %d: %v", i, r.Err)
			}
			segments = append(segments, segmentOf(t, r, o.Given))
		}
		scored, err := e.Score(t.Context(), segments)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			sameBits(t, "scored afterwards", scored[i], r.LogProb)
		}
	})
}

// ownTokens chooses a token of the strategy's own for every second position.
func ownTokens(position, step int32) (int32, bool) {
	return (5*position + step) % vocab, position%2 == 0
}

// Row counts on both sides of every tile size: blanks of 1 to 70 positions filled in one
// group, alone and behind a mate that shifts their rows.
func TestRowCountsDoNotMatter(t *testing.T) {
	for _, m := range models(t) {
		o := DefaultOptions()
		o.Greedy = false
		one, mates := newEngine(t, m, o), newEngine(t, m, o)
		rng := rand.New(rand.NewPCG(51, 52))
		for n := 1; n <= 70; n++ {
			docs := make([]*Document, 2)
			for i, blanks := range []int{1 + rng.IntN(50), n} {
				c := seq.NewCanvas(1, int32(n%vocab))
				c.AppendBlank(blanks)
				c.AppendKnown(make([]int32, rng.IntN(5))...)
				docs[i] = &Document{Key: uint64(n), Canvas: c}
			}
			want, err := decodeAll(t.Context(), one, &planned{100}, docs[1:])
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeAll(t.Context(), mates, &planned{100}, docs)
			if err != nil {
				t.Fatal(err)
			}
			sameResults(t, "behind a mate", got[1:], want)
		}
	}
}

// Proposing in one window or several gives the same numbers: a query row does not know
// which other rows are asked for.
func TestProposalsDoNotKnowEachOther(t *testing.T) {
	for _, m := range models(t) {
		e := newEngine(t, m, DefaultOptions())
		c := seq.NewCanvas(1, 2, 3)
		c.AppendBlank(60)
		propose := func(positions ...int32) []Proposal {
			s, err := e.NewSession(&Document{Canvas: c})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.Want(positions, 60)
			if err := e.Propose(t.Context(), []*Session{s}, strategy.ColumnAll); err != nil {
				t.Fatal(err)
			}
			return slices.Clone(s.Proposal())
		}
		all := propose()
		if len(all) != 60 {
			t.Fatalf("%d proposals", len(all))
		}
		for i, want := range all {
			if got := propose(want.Position)[0]; got != want {
				t.Fatalf("position %d alone: %+v, among others: %+v", want.Position, got, want)
			}
			if i > 0 {
				if pair := propose(want.Position, all[i-1].Position); pair[0] != all[i-1] || pair[1] != want {
					t.Fatalf("pairs are not in ascending order, or not the same: %+v", pair)
				}
			}
		}
	}
}

// Only what is needed is computed: with the cache each token is encoded once, and those
// of the last group never.
func TestRowsComputed(t *testing.T) {
	m := models(t)[0]
	c := seq.NewCanvas(1, 2, 3, 4)
	c.AppendBlank(10)
	for _, test := range []struct {
		d              Decider
		rows, anewRows int
	}{
		// Groups of 4, 4 and 2: given 4, blanks 10, committed before the last step 8.
		{&planned{4}, 4 + 10 + 8, 10 + 4 + (4 + 4) + (4 + 8)},
		// One at a time, all that are left proposed: 10 + 9 + ... + 1 query rows.
		{&surest{k: 1}, 4 + 55 + 9, 55 + 10*4 + 45},
	} {
		for _, noCache := range []bool{false, true} {
			o := DefaultOptions()
			o.NoCache = noCache
			want := test.rows
			if noCache {
				want = test.anewRows
			}
			r, err := decodeAll(t.Context(), newEngine(t, m, o), test.d, []*Document{{Canvas: c}})
			if err != nil {
				t.Fatal(err)
			}
			if r[0].Rows != want {
				t.Errorf("%s, no cache %v: %d rows, want %d", test.d.Spec().Name, noCache, r[0].Rows, want)
			}
		}
	}
}
