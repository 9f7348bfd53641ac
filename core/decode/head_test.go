package decode

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// ways are options of all ways to choose tokens.
func ways() map[string]Options {
	all := make(map[string]Options)
	add := func(name string, change func(o *Options)) {
		o := DefaultOptions()
		o.Greedy = name == "greedy" || name == "greedy, banned"
		o.Seed = 5
		change(&o)
		all[name] = o
	}
	banned := []int32{0, 3, 511, 512, 700, 1299}
	add("greedy", func(*Options) {})
	add("greedy, banned", func(o *Options) { o.Banned = banned })
	add("drawn", func(*Options) {})
	add("drawn hot, banned", func(o *Options) { o.Temperature, o.Banned = 1.5, banned })
	add("top-k", func(o *Options) { o.TopK = 7 })
	add("top-k cold, banned", func(o *Options) { o.TopK, o.Temperature, o.Banned = 50, 0.5, banned })
	add("top-p", func(o *Options) { o.TopP = 0.9 })
	add("top-p cold", func(o *Options) { o.TopP, o.Temperature = 0.95, 0.5 })
	add("top-p of nearly all", func(o *Options) { o.TopP = 0.99999999 })
	add("top-k and top-p", func(o *Options) { o.TopK, o.TopP = 40, 0.7 })
	add("top-k of nearly all", func(o *Options) { o.TopK = 1290 })
	return all
}

// canvases of a broad network, with a set of allowed tokens at some positions.
func broadDocuments(n, longest int) []*Document {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	set := NewTokenSet(1300, []int32{1, 5, 400, 515, 516, 1000, 1298})
	docs := make([]*Document, n)
	for i := range docs {
		c := seq.NewCanvas(1)
		for range 2 + rng.IntN(longest) {
			if rng.IntN(3) > 0 {
				c.AppendBlank(1)
			} else {
				c.AppendKnown(int32(rng.IntN(1300)))
			}
		}
		c.AppendBlank(1)
		docs[i] = &Document{Key: uint64(i), Canvas: c}
		if i%2 == 1 {
			docs[i].Allow = map[int32]*TokenSet{c.Blanks()[0]: set}
		}
	}
	return docs
}

// Tokens chosen while the vocabulary passes by are those chosen from all logits, and what
// is said of them is the same to the bit.
func TestHeadInChunks(t *testing.T) {
	docs := broadDocuments(12, 30)
	for _, m := range broadModels(t) {
		for name, o := range ways() {
			run := func(whole bool) []*Result {
				e := newEngine(t, m, o)
				if whole {
					e.choice = chooseWhole
				}
				results, err := decodeAll(t.Context(), e, &planned{3}, docs)
				if err != nil {
					t.Fatal(err)
				}
				return results
			}
			sameResults(t, string(m.Type)+" "+name, run(false), run(true))
		}
	}
}

// The columns of a proposal are those of the softmax over all logits.
func TestColumns(t *testing.T) {
	for _, m := range broadModels(t) {
		e := newEngine(t, m, DefaultOptions())
		s, err := e.NewSession(broadDocuments(1, 40)[0])
		if err != nil {
			t.Fatal(err)
		}
		s.Want(nil, 100)
		propose(t, e, s)
		row, ws := kernels.NewRows(m.Type.RowType(), 1, m.Config.Hidden), m.NewWorkspace()
		for i, p := range s.Proposal() {
			m.Kernels().Convert(row, kernels.NewMat(s.hidden[i*m.Config.Hidden:(i+1)*m.Config.Hidden], 1, m.Config.Hidden))
			var logits []float64
			for c := range m.Config.Chunks() {
				part, _ := ws.Chunk(row, c)
				for _, v := range part.Row(0) {
					logits = append(logits, float64(v))
				}
			}
			sorted := slices.Clone(logits)
			slices.Sort(sorted)
			n := len(sorted)
			var sum, entropy float64
			for _, l := range logits {
				sum += math.Exp(l)
			}
			for _, l := range logits {
				entropy -= math.Exp(l) / sum * (l - math.Log(sum))
			}
			most, second := math.Exp(sorted[n-1])/sum, math.Exp(sorted[n-2])/sum
			for what, pair := range map[string][2]float64{
				"largest":         {float64(p.MaxProb), most},
				"margin":          {float64(p.Margin), most - second},
				"entropy":         {float64(p.Entropy), entropy},
				"probability":     {float64(p.Prob), most},
				"log-probability": {p.LogProb, math.Log(most)},
			} {
				if math.Abs(pair[0]-pair[1]) > 2e-6*(1+math.Abs(pair[1])) {
					t.Errorf("%s, proposal %d: %s is %v, want %v", m.Type, i, what, pair[0], pair[1])
				}
			}
			if logits[p.Token] != sorted[n-1] {
				t.Errorf("%s, proposal %d: token %d has logit %v of at most %v", m.Type, i, p.Token, logits[p.Token], sorted[n-1])
			}
		}
	}
}

// gathered shares the chunks of rows of logits between members, each chunk to one that
// part names, and returns what is found of the first row.
func gathered(e *Engine, logits []float32, members int, part func(chunk int) int) (*head, []chunkSum) {
	h := &head{engine: e, columns: strategy.ColumnAll, workers: make([]*worker, members), asks: make([]ask, 1)}
	h.sums, h.found = make([]chunkSum, e.model.Config.Chunks()), make([]found, members)
	for i := range h.found {
		f := &h.found[i]
		f.token, f.best, f.first, f.second = -1, negInf, negInf, negInf
		f.candidates.reset()
	}
	for c := range h.sums {
		_, first := e.model.Config.ChunkOf(c * 512)
		s := &sampler{k: e.model.Kernels(), engine: e}
		s.gather(&h.sums[c], &h.found[part(c)], partOf(logits, c, first), h.columns)
	}
	return h, h.sums
}

func partOf(logits []float32, chunk, first int) part {
	return part{slices.Clone(logits[first:min(first+512, len(logits))]), chunk, first, nil, nil}
}

// Whoever computes which chunk, the same is found: the most probable token, the margin,
// and the candidates that the filters leave, which are those of the whole vocabulary.
func TestWhoComputesDoesNotMatter(t *testing.T) {
	c := tiny(3000, model.ResidualLlama)
	p := model.NewParams(&c)
	fill(p, 0.1, 1)
	m := loaded(t, p, c, kernels.Best(), kernels.Float32)
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "logits"), 1))
		o := DefaultOptions()
		o.Greedy = rapid.Bool().Draw(t, "greedy")
		o.Temperature = rapid.SampledFrom([]float64{1, 0.5, 2}).Draw(t, "temperature")
		o.TopK = rapid.SampledFrom([]int{0, 1, 3, 100, 1000}).Draw(t, "top_k")
		o.TopP = rapid.SampledFrom([]float64{1, 0.95, 0.6, 0.01}).Draw(t, "top_p")
		e := mustEngine(t, m, o)
		spread := rapid.SampledFrom([]float64{0, 1, 4, 20}).Draw(t, "spread")
		ties := rapid.Bool().Draw(t, "ties")
		logits := make([]float32, c.Vocab)
		for i := range logits {
			logits[i] = float32(spread * rng.NormFloat64())
			if ties {
				logits[i] = float32(math.Round(float64(logits[i])))
			}
		}
		alone, sums := gathered(e, logits, 1, func(int) int { return 0 })
		shared, _ := gathered(e, logits, 3, func(int) int { return rng.IntN(3) })
		f, g := alone.merged(0), shared.merged(0)
		if f.token != g.token || f.best != g.best || f.first != g.first || f.second != g.second {
			t.Fatalf("alone %d %v %v %v, shared %d %v %v %v", f.token, f.best, f.first, f.second, g.token, g.best, g.first, g.second)
		}
		switch s := (&sampler{k: m.Kernels(), engine: e}); e.choice {
		case chooseBest:
			if want := argmax(m.Kernels(), logits); f.token != want {
				t.Fatalf("token %d, want %d", f.token, want)
			}
		case chooseCandidate:
			list, mass := s.keep(&f.candidates, sums)
			again, massAgain := s.keep(&g.candidates, sums)
			if !slices.Equal(list, again) || mass != massAgain {
				t.Fatalf("alone %d candidates are left of mass %v, shared %d of %v", len(list), mass, len(again), massAgain)
			}
			if len(list) > 0 {
				checkKept(t, o, list, s.filtered(logits, &o))
			}
		}
	})
}

// checkKept compares candidates, by falling probability, with probabilities over the
// whole vocabulary after the filters.
func checkKept(t *rapid.T, o Options, list []candidate, want []float32) {
	const none = 1e-30 // what is below may have vanished
	var mass float64
	for _, c := range list {
		mass += float64(c.prob)
	}
	for len(list) > 0 && float64(list[len(list)-1].prob) < none*mass {
		list = list[:len(list)-1]
	}
	kept := 0
	for _, p := range want {
		if p >= none {
			kept++
		}
	}
	d := len(list) - kept
	if o.TopP < 1 && (d == 1 || d == -1) {
		return // the border of a nucleus falls on a rounding
	}
	if d < -1 || d > 1 {
		t.Fatalf("%d candidates are left, want %d", len(list), kept)
	}
	for i, c := range list {
		if got := float64(c.prob) / mass; math.Abs(got-float64(want[c.token])) > 1e-3*got && got > 10*none {
			t.Fatalf("candidate %d of %d, token %d: probability %v, want %v", i, len(list), c.token, got, want[c.token])
		}
	}
}

func TestNthLargest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.SampledFrom([]float32{-2, 0, 1, 1.5, 3, 7, 8, 9}), 1, 60).Draw(t, "x")
		n := rapid.IntRange(1, len(x)).Draw(t, "n")
		sorted := slices.Clone(x)
		slices.Sort(sorted)
		if got, want := nthLargest(x, n), sorted[len(sorted)-n]; got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func TestNucleusBorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.SampledFrom([]float32{0, 0.0625, 0.125, 0.25, 0.5}), 1, 40).Draw(t, "x")
		p := float64(rapid.IntRange(0, 200).Draw(t, "p")) / 16 // sums are exact
		sorted := slices.Clone(x)
		slices.SortFunc(sorted, func(a, b float32) int { return cmp.Compare(b, a) })
		kept, sum := 0, 0.0
		for kept < len(sorted) && (kept == 0 || sum <= p) {
			sum += float64(sorted[kept])
			kept++
		}
		border, ties := nucleusBorder(x, p)
		larger := 0
		for _, v := range sorted {
			if v > border {
				larger++
			}
		}
		if border != sorted[kept-1] || larger+ties != kept {
			t.Fatalf("the border is %v, of which %d stay; want %v, %d in all", border, ties, sorted[kept-1], kept)
		}
	})
}

// A chunk is drawn by its mass, and what is left of the uniform number is uniform in it.
func TestChunkAt(t *testing.T) {
	sums := []chunkSum{
		{choiceMost: 0, choice: 1},
		{choiceMost: negInf}, // nothing may be chosen there
		{choiceMost: float32(math.Log(2)), choice: 1},
		{choiceMost: -1000, choice: 1}, // no mass
	}
	for _, c := range []struct {
		u     float64
		chunk int
		rest  float64
	}{{0, 0, 0}, {0.2, 0, 0.6}, {1.0 / 3, 2, 0}, {0.5, 2, 0.25}, {math.Nextafter(1, 0), 2, 1}} {
		chunk, rest := chunkAt(sums, c.u)
		if chunk != c.chunk || math.Abs(rest-c.rest) > 1e-6 {
			t.Errorf("%v: chunk %d at %v, want %d at %v", c.u, chunk, rest, c.chunk, c.rest)
		}
	}
}
