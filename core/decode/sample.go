package decode

import (
	"math"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// sampler turns rows of logits into proposals; it is working memory of one goroutine.
type sampler struct {
	k       *kernels.Kernels
	probs   []float32 // exp(logit - max)
	allowed []float32 // logits with banned tokens at -Inf
	sorted  []float32
}

var negInf = float32(math.Inf(-1))

// propose fills p, whose Position is set, from the logits of its row. allow may be nil.
// columns says which of its fields somebody reads; Token, Prob and LogProb are always set.
func (s *sampler) propose(p *Proposal, logits []float32, o *Options, allow *TokenSet, key seq.Key, step int, columns strategy.Columns) {
	s.probs = slices.Grow(s.probs[:0], len(logits))[:len(logits)]
	top := s.k.Max(logits)
	sum := float64(s.k.ExpSum(s.probs, logits, top))

	// Tokens that may not stand here.
	choice := logits
	if len(o.Banned) > 0 || allow != nil {
		s.allowed = append(s.allowed[:0], logits...)
		choice = s.allowed
		for _, id := range o.Banned {
			choice[id] = negInf
		}
		if allow != nil {
			for id := range choice {
				if !allow.Has(int32(id)) {
					choice[id] = negInf
				}
			}
		}
	}
	scores, total := s.probs, sum // what Prob and the like are read from
	switch {
	case o.Greedy:
		p.Token = argmax(s.k, choice)
		if o.Regroup == RegroupPublished {
			scores, total = s.filtered(choice, o), 1
		}
	default:
		filtered := s.filtered(choice, o)
		p.Token = inverseCDF(filtered, key.With(uint64(p.Position), uint64(step), uint64(seq.PurposeToken)).Uniform(0))
		if o.Regroup == RegroupPublished {
			scores, total = filtered, 1
		} else { // the filters worked in the buffer that held the model's own
			sum = float64(s.k.ExpSum(s.probs, logits, top))
			scores, total = s.probs, sum
		}
	}
	p.LogProb = logProb(s.k, logits, p.Token, &s.allowed)
	p.Prob = float32(float64(scores[p.Token]) / total)
	if columns&(strategy.ColumnMaxProb|strategy.ColumnMargin) != 0 {
		first, second := twoLargest(scores)
		p.MaxProb, p.Margin = float32(float64(first)/total), float32(float64(first-second)/total)
	}
	if columns&strategy.ColumnEntropy != 0 {
		p.Entropy = float32(entropy(scores, total))
	}
}

func twoLargest(x []float32) (first, second float32) {
	for _, v := range x {
		if v > second {
			if v > first {
				first, second = v, first
			} else {
				second = v
			}
		}
	}
	return first, second
}

// entropy returns that of probs/total, in nats.
func entropy(probs []float32, total float64) float64 {
	var sum float64 // of q log q, with q = probs/total
	for _, x := range probs {
		if x > 0 {
			sum += float64(x) * math.Log(float64(x))
		}
	}
	return math.Log(total) - sum/total
}

// filtered returns the probabilities left of the logits by temperature, top-k and
// top-p, in this order; the slice is s.probs. Ties with the k-th token stay. In top-p a
// token is dropped if those before it, by descending probability, hold more than TopP.
func (s *sampler) filtered(logits []float32, o *Options) []float32 {
	x := slices.Grow(s.probs[:0], len(logits))[:len(logits)]
	s.probs = x
	t := float32(math.Max(o.Temperature, 1e-8))
	for i, v := range logits {
		x[i] = v / t
	}
	if o.TopK > 0 && o.TopK < len(x) {
		s.sorted = append(s.sorted[:0], x...)
		slices.Sort(s.sorted)
		kth := s.sorted[len(s.sorted)-o.TopK]
		for i, v := range x {
			if v < kth {
				x[i] = negInf
			}
		}
	}
	s.softmax(x)
	if o.TopP < 1 {
		s.topP(x, o.TopP)
	}
	return x
}

func (s *sampler) softmax(x []float32) {
	sum := s.k.ExpSum(x, x, s.k.Max(x))
	s.k.Scale(x, 1/sum)
}

// topP keeps the most probable tokens until their mass exceeds p, and scales what is
// left to sum to one. Of tokens that tie at the border, those of lower id stay.
func (s *sampler) topP(probs []float32, p float64) {
	s.sorted = append(s.sorted[:0], probs...)
	slices.SortFunc(s.sorted, func(a, b float32) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	// Count how many stay, and how many of those equal the smallest that stays.
	var before float64
	kept := 0
	for kept < len(s.sorted) && (kept == 0 || before <= p) {
		before += float64(s.sorted[kept])
		kept++
	}
	border := s.sorted[kept-1]
	ties := 0
	for i := kept - 1; i >= 0 && s.sorted[i] == border; i-- {
		ties++
	}
	var sum float64
	for i, v := range probs {
		switch {
		case v > border:
		case v == border && ties > 0:
			ties--
		default:
			probs[i] = 0
		}
		sum += float64(probs[i])
	}
	s.k.Scale(probs, float32(1/sum))
}

// argmax returns the lowest index of the largest element.
func argmax(k *kernels.Kernels, x []float32) int32 {
	top := k.Max(x)
	for i, v := range x {
		if v == top {
			return int32(i)
		}
	}
	return 0 // only NaN: the caller sees a probability that is not a number
}

// inverseCDF returns the token at which the cumulative probability, over ascending ids,
// passes u in [0, 1).
func inverseCDF(probs []float32, u float64) int32 {
	var total float64
	for _, p := range probs {
		total += float64(p)
	}
	target, cum, last := u*total, 0.0, int32(0)
	for i, p := range probs {
		if p <= 0 {
			continue
		}
		cum += float64(p)
		last = int32(i)
		if cum > target {
			break
		}
	}
	return last
}
