package decode

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/strategy"
)

func TestInverseCDF(t *testing.T) {
	almost := math.Nextafter(1, 0)
	for _, c := range []struct {
		probs []float32
		u     float64
		want  int32
	}{
		{[]float32{0.25, 0.25, 0.5}, 0, 0},
		{[]float32{0.25, 0.25, 0.5}, 0.2499, 0},
		{[]float32{0.25, 0.25, 0.5}, 0.25, 1}, // the border belongs to the next token
		{[]float32{0.25, 0.25, 0.5}, 0.5, 2},
		{[]float32{0.25, 0.25, 0.5}, almost, 2},
		{[]float32{0, 0, 1, 0}, 0, 2}, // what has no probability is never drawn
		{[]float32{0, 0, 1, 0}, almost, 2},
		{[]float32{0.5, 0, 0.5, 0}, 0.5, 2},
		{[]float32{2, 6}, 0.24, 0}, // any scale
		{[]float32{2, 6}, 0.26, 1},
		{[]float32{0.3, 0.3, 0.3}, almost, 2}, // a sum below one leaves no gap
	} {
		if got := inverseCDF(c.probs, c.u); got != c.want {
			t.Errorf("%v at %v: token %d, want %d", c.probs, c.u, got, c.want)
		}
	}
}

// Ties go to the lowest id.
func TestTies(t *testing.T) {
	for _, level := range kernels.Levels() {
		k, err := kernels.Open(level)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < 40; n++ {
			x := slices.Repeat([]float32{1.5}, n)
			if got := argmax(k, x); got != 0 {
				t.Errorf("%s: of %d equal ones %d is taken", level, n, got)
			}
			x[n-1] = 2
			if got := argmax(k, x); got != int32(n-1) {
				t.Errorf("%s: the largest of %d is %d", level, n, got)
			}
		}
		s := &sampler{k: k}
		o := &Options{Temperature: 1, TopP: 0.41}
		probs := s.filtered([]float32{0, 0, 0, 0, 0}, o) // 0.2 each: two hold no more than 0.41, so a third stays
		if want := []bool{true, true, true, false, false}; !slices.EqualFunc(probs, want, func(p float32, kept bool) bool { return p > 0 == kept }) {
			t.Errorf("%s: top-p of equal tokens leaves %v", level, probs)
		}
		o = &Options{Temperature: 1, TopP: 1, TopK: 2}
		probs = s.filtered([]float32{3, 1, 2, 2, 0}, o) // ties with the second stay
		if want := []bool{true, false, true, true, false}; !slices.EqualFunc(probs, want, func(p float32, kept bool) bool { return p > 0 == kept }) {
			t.Errorf("%s: top-k with ties leaves %v", level, probs)
		}
	}
}

// The filters keep a distribution: the most probable token stays, the sum is one, and a
// token that stays is at least as probable as one that went.
func TestFiltersKeepADistribution(t *testing.T) {
	s := &sampler{k: kernels.Best()}
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Float32Range(-30, 30), 1, 50).Draw(t, "logits")
		o := &Options{
			Temperature: rapid.Float64Range(0.05, 5).Draw(t, "temperature"),
			TopK:        rapid.IntRange(0, 60).Draw(t, "top_k"),
			TopP:        rapid.Float64Range(0.001, 1).Draw(t, "top_p"),
		}
		probs := s.filtered(logits, o)
		var sum float64
		const rounding = 1e-4 // logits so close may get equal probabilities
		kept, least, most, dropped := 0, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Inf(-1))
		for i, p := range probs {
			sum += float64(p)
			switch {
			case p > 0:
				kept++
				least, most = min(least, logits[i]), max(most, logits[i])
			case logits[i] > slices.Max(logits)-float32(50*o.Temperature): // else it may have vanished by itself
				dropped = max(dropped, logits[i])
			}
		}
		if math.Abs(sum-1) > 1e-5 || kept == 0 || dropped > least+rounding {
			t.Fatalf("%d tokens left with sum %v; the least kept has logit %v, the largest dropped %v", kept, sum, least, dropped)
		}
		if slices.Max(logits) > most+rounding {
			t.Fatal("the most probable token is gone")
		}
	})
}

// What a proposal says of the model does not depend on how its token is chosen, and its
// numbers belong together.
func TestProposalNumbers(t *testing.T) {
	c := canvasOf("12_3____1")
	var first []Proposal
	for name, change := range map[string]func(o *Options){
		"greedy":      func(*Options) {},
		"sampled":     func(o *Options) { o.Greedy = false },
		"filtered":    func(o *Options) { o.Greedy, o.Temperature, o.TopK, o.TopP = false, 0.5, 4, 0.9 },
		"banned":      func(o *Options) { o.Banned = []int32{0, 1, 2, 3, 4} },
		"banned, too": func(o *Options) { o.Greedy, o.Banned = false, []int32{0, 1, 2, 3, 4} },
	} {
		o := DefaultOptions()
		change(&o)
		e := newEngine(t, tinyModel(t), o)
		s, err := e.NewSession(&Document{Canvas: c})
		if err != nil {
			t.Fatal(err)
		}
		s.Want(nil, 10)
		if err := e.Propose(t.Context(), []*Session{s}, strategy.ColumnAll); err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(s.Proposal())
		if first == nil {
			first = got
		}
		for i, p := range got {
			if math.Abs(math.Exp(p.LogProb)-float64(p.Prob)) > 1e-6 || p.Prob > p.MaxProb || p.Margin > p.MaxProb || p.Margin < 0 {
				t.Errorf("%s: %+v", name, p)
			}
			if most := math.Log(vocab); !(p.Entropy > 0 && float64(p.Entropy) <= most) {
				t.Errorf("%s: entropy %v, at most %v", name, p.Entropy, most)
			}
			if q := first[i]; p.MaxProb != q.MaxProb || p.Entropy != q.Entropy || p.Margin != q.Margin || p.Position != q.Position {
				t.Errorf("%s: %+v, otherwise %+v", name, p, q)
			}
			if name == "greedy" && p.Prob != p.MaxProb {
				t.Errorf("the greedy token has probability %v of at most %v", p.Prob, p.MaxProb)
			}
			if slices.Contains(o.Banned, p.Token) {
				t.Errorf("%s: token %d is banned", name, p.Token)
			}
		}
	}
}

// Tokens that may not stand at a position are never chosen there, and what is chosen
// still has the model's own probability.
func TestAllow(t *testing.T) {
	c := canvasOf("1____2____")
	doc := &Document{Key: 3, Canvas: c, Allow: map[int32]*TokenSet{
		1: NewTokenSet(vocab, []int32{7}),
		2: NewTokenSet(vocab, []int32{3, 4, 9}),
		4: NewTokenSet(5, []int32{1, 2}), // ids beyond the set are not in it
		7: NewTokenSet(vocab+9, []int32{5, vocab + 3}),
	}}
	for _, m := range models(t) {
		for _, greedy := range []bool{true, false} {
			o := DefaultOptions()
			o.Greedy, o.Banned = greedy, []int32{4, 5, 6}
			delete(doc.Allow, 7)
			for sample := range uint64(20) {
				o.Sample = sample
				e := newEngine(t, m, o)
				r, err := decodeAll(t.Context(), e, &planned{3}, []*Document{doc})
				if err != nil || r[0].Err != nil {
					t.Fatal(err, r[0].Err)
				}
				got := r[0].Tokens
				if got[1] != 7 || got[2] != 3 && got[2] != 9 || got[4] != 1 && got[4] != 2 {
					t.Fatalf("tokens %v", got)
				}
				for _, p := range c.Blanks() {
					if got[p] >= 4 && got[p] <= 6 {
						t.Fatalf("token %d at position %d is banned", got[p], p)
					}
				}
				scored, err := e.Score(t.Context(), segmentsOf(t, r, o.Given))
				if err != nil {
					t.Fatal(err)
				}
				sameBits(t, "scored", scored[0], r[0].LogProb)
			}
			doc.Allow[7] = NewTokenSet(vocab+9, []int32{5, vocab + 3})
			if _, err := newEngine(t, m, o).NewSession(doc); err == nil {
				t.Fatal("a position that may take no token is accepted")
			}
		}
	}
}

// One token to choose from, by top-k or top-p, is greedy decoding.
func TestNarrowSamplingIsGreedy(t *testing.T) {
	docs := documents(5)
	for _, m := range models(t) {
		greedy, err := decodeAll(t.Context(), newEngine(t, m, DefaultOptions()), &surest{k: 2}, docs)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(o *Options){
			"top_k 1":           func(o *Options) { o.TopK = 1 },
			"tiny top_p":        func(o *Options) { o.TopP = 1e-6 },
			"small temperature": func(o *Options) { o.Temperature = 1e-3 },
		} {
			o := DefaultOptions()
			o.Greedy, o.Given = false, order.GivenCausal
			change(&o)
			got, err := decodeAll(t.Context(), newEngine(t, m, o), &surest{k: 2}, docs)
			if err != nil {
				t.Fatal(err)
			}
			sameResults(t, name, got, greedy)
		}
	}
}
