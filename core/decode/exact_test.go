package decode

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// exact is a document over a vocabulary so small that all its fillings can be listed.
type exact struct {
	canvas *seq.Canvas
	groups [][]int32 // of the blanks
	given  order.Given
	vocab  int
}

// fillings lists all ways to fill the blanks, as segments to score. The i-th blank's
// token is digit i of the filling's number.
func (x *exact) fillings(t *testing.T) []seq.Segment {
	t.Helper()
	blanks := x.canvas.Blanks()
	var all []seq.Segment
	for number := range int(math.Pow(float64(x.vocab), float64(len(blanks)))) {
		tokens := slices.Clone(x.canvas.Tokens)
		for rest, i := number, 0; i < len(blanks); i++ {
			tokens[blanks[i]] = int32(rest % x.vocab)
			rest /= x.vocab
		}
		s, err := order.Planned(&seq.Canvas{Tokens: tokens, Blank: x.canvas.Blank}, x.given, x.groups)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// probabilities returns p(filling | what is given) of every filling.
func (x *exact) probabilities(t *testing.T, e *Engine) []float64 {
	t.Helper()
	scored, err := e.Score(t.Context(), x.fillings(t))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, len(scored))
	for i, row := range scored {
		var sum float64
		for _, lp := range row {
			sum += lp
		}
		out[i] = math.Exp(sum)
	}
	return out
}

// canvasOf reads a canvas: "_" is a blank.
func canvasOf(text string) *seq.Canvas {
	c := &seq.Canvas{}
	for _, r := range text {
		if r == '_' {
			c.AppendBlank(1)
		} else {
			c.AppendKnown(r - '0')
		}
	}
	return c
}

// Under any grouping the probabilities of all fillings sum to one.
func TestProbabilitiesSumToOne(t *testing.T) {
	for _, level := range kernels.Levels() {
		k, err := kernels.Open(level)
		if err != nil {
			t.Fatal(err)
		}
		for _, residual := range []model.Residual{model.ResidualLlama, model.ResidualOfficial} {
			for _, c := range []struct {
				text   string
				groups [][]int32
			}{
				{"0____", [][]int32{{1}, {2}, {3}, {4}}},
				{"0____", [][]int32{{4}, {3}, {2}, {1}}},
				{"0____", [][]int32{{3}, {1}, {4}, {2}}},
				{"0____", [][]int32{{1, 2}, {3, 4}}},
				{"0____", [][]int32{{2, 4}, {1}, {3}}},
				{"0____", [][]int32{{1, 2, 3, 4}}},
				{"0_12_0__1", [][]int32{{6}, {1, 4}, {7}}},
				{"___", [][]int32{{1}, {0, 2}}}, // the first group sees nothing
			} {
				for _, vocab := range []int{3, 4} {
					for _, given := range []order.Given{order.GivenCausal, order.GivenGroup} {
						o := DefaultOptions()
						o.Given, o.Threads = given, 2
						e := newEngine(t, newModel(t, k, vocab, residual, 7), o)
						x := exact{canvasOf(c.text), c.groups, given, vocab}
						var sum float64
						ps := x.probabilities(t, e)
						for _, p := range ps {
							sum += p
						}
						if math.Abs(sum-1) > 1e-5 {
							t.Errorf("%s %s %s %v vocabulary %d, given %v: the probabilities of %d fillings sum to %v",
								level, residual, c.text, c.groups, vocab, given, len(ps), sum)
						}
					}
				}
			}
		}
	}
}

// fixedPlan fills every document in the same groups.
type fixedPlan struct {
	planned
	groups [][]int32
}

func (f *fixedPlan) Plan(_ context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	return slices.Repeat([]strategy.Plan{f.groups}, len(docs)), nil
}

// Sampled fillings have the frequencies of their exact probabilities, by chi-square.
// Positions of one group must be drawn independently of each other.
func TestSamplingIsExact(t *testing.T) {
	const draws = 6000
	m := newModel(t, kernels.Best(), 3, model.ResidualLlama, 8)
	for name, groups := range map[string][][]int32{
		"one by one":  {{3}, {1}, {2}},
		"pair first":  {{1, 3}, {2}},
		"all at once": {{1, 2, 3}},
	} {
		o := DefaultOptions()
		o.Greedy, o.Seed, o.MaxDocuments = false, 77, 500
		e := newEngine(t, m, o)
		x := exact{canvasOf("0___1"), groups, o.Given, 3}
		want := x.probabilities(t, e)
		for _, draw := range []string{"documents", "samples"} {
			counts := make([]int, len(want))
			count := func(r *Result) {
				number := 0
				for _, p := range slices.Backward(x.canvas.Blanks()) {
					number = number*3 + int(r.Tokens[p])
				}
				counts[number]++
			}
			if draw == "documents" { // one key each
				docs := make([]*Document, draws)
				for i := range docs {
					docs[i] = &Document{Key: uint64(i), Canvas: x.canvas}
				}
				results, err := decodeAll(t.Context(), e, &fixedPlan{groups: groups}, docs)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results {
					count(r)
				}
			} else { // many samples of one document
				for i := range uint64(draws) {
					o.Sample = i
					r, err := decodeAll(t.Context(), newEngine(t, m, o), &fixedPlan{groups: groups}, []*Document{{Key: 5, Canvas: x.canvas}})
					if err != nil {
						t.Fatal(err)
					}
					count(r[0])
				}
			}
			fits(t, fmt.Sprintf("%s, over %s", name, draw), counts, want)
		}
	}
}

// fits fails if the counts are farther from the probabilities than one experiment in a
// million would be. The seeds are fixed, so that the test cannot flicker.
func fits(t *testing.T, what string, counts []int, probs []float64) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	var x2, restWant float64
	restCount, cells := 0, 0
	for i, p := range probs {
		want := p * float64(total)
		if want < 5 { // too rare for the approximation: together
			restWant += want
			restCount += counts[i]
			continue
		}
		d := float64(counts[i]) - want
		x2 += d * d / want
		cells++
	}
	if restWant >= 5 {
		d := float64(restCount) - restWant
		x2 += d * d / restWant
		cells++
	} else if restCount > 30 {
		t.Errorf("%s: %d draws of fillings that should hardly occur", what, restCount)
	}
	if cells < 2 {
		t.Fatalf("%s: %d cells tell nothing", what, cells)
	}
	// The cube root of chi-square over its degrees of freedom is nearly normal (Wilson
	// and Hilferty 1931); one in a million lies above 4.75 standard deviations.
	v := 2 / (9 * float64(cells-1))
	if z := (math.Cbrt(x2/float64(cells-1)) - (1 - v)) / math.Sqrt(v); z > 4.75 {
		t.Errorf("%s: chi-square %.1f over %d cells, %.1f standard deviations", what, x2, cells, z)
	}
}

// Temperature and top-k draw from the distribution they are meant to.
func TestFilteredSamplingIsExact(t *testing.T) {
	const draws, temperature, topK = 4000, 0.7, 3
	m := newModel(t, kernels.Best(), 8, model.ResidualLlama, 9)
	o := DefaultOptions()
	o.Greedy, o.Temperature, o.TopK, o.MaxDocuments = false, temperature, topK, 500
	e := newEngine(t, m, o)
	x := exact{canvasOf("01_2"), [][]int32{{2}}, o.Given, 8}
	probs := x.probabilities(t, e)
	sorted := slices.Sorted(slices.Values(probs))
	var sum float64
	for i, p := range probs {
		if p < sorted[len(sorted)-topK] {
			probs[i] = 0
		}
		probs[i] = math.Pow(probs[i], 1/temperature)
		sum += probs[i]
	}
	for i := range probs {
		probs[i] /= sum
	}
	docs := make([]*Document, draws)
	for i := range docs {
		docs[i] = &Document{Key: uint64(i), Canvas: x.canvas}
	}
	results, err := decodeAll(t.Context(), e, &planned{}, docs)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, len(probs))
	for _, r := range results {
		token := r.Tokens[2]
		if probs[token] == 0 {
			t.Fatalf("token %d is not among the %d most probable", token, topK)
		}
		counts[token]++
	}
	fits(t, "temperature and top-k", counts, probs)
}
