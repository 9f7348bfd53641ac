package decode

import (
	"math"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/strategy"
)

// Choices that need the logits of the whole vocabulary: scores after filters, as the
// published code has them, and sets of tokens too large to be kept on the way.

// fromWhole chooses a token from all logits. With RegroupPublished the columns of the
// proposal are those of what the filters leave.
func (s *sampler) fromWhole(a *ask, logits []float32, columns strategy.Columns) {
	o, p := &s.engine.options, a.proposal()
	scores := s.fromLogits(a, logits)
	if o.Greedy {
		p.Token = argmax(s.k, s.allowed)
	} else {
		p.Token = inverseCDF(scores, a.uniform())
	}
	a.logit = logits[p.Token]
	if o.Regroup != RegroupPublished {
		return
	}
	p.Prob = scores[p.Token]
	if columns&(strategy.ColumnMaxProb|strategy.ColumnMargin) != 0 {
		first, second := twoLargest(scores)
		p.MaxProb, p.Margin = first, first-second
	}
	if columns&strategy.ColumnEntropy != 0 {
		p.Entropy = float32(entropy(scores, 1))
	}
}

// fromLogits returns the probabilities by which a token is drawn, [V]: after bans and
// bias, temperature and filters. They are valid until the next call; s.allowed has the
// logits before temperature and filters.
func (s *sampler) fromLogits(a *ask, logits []float32) []float32 {
	o := &s.engine.options
	s.allowed = append(s.allowed[:0], logits...)
	for _, id := range o.Banned {
		s.allowed[id] = negInf
	}
	if a.allow != nil {
		a.allow.narrow(s.k, s.allowed, 0)
	}
	addBias(s.allowed, a.bias, 0)
	return s.filtered(s.allowed, o)
}

// twoLargest returns those of probabilities.
func twoLargest(probs []float32) (first, second float32) { return addTwoLargest(0, 0, probs) }

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
		s.parted = append(s.parted[:0], x...)
		kth := nthLargest(s.parted, o.TopK)
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
	s.parted = append(s.parted[:0], probs...)
	border, ties := nucleusBorder(s.parted, p)
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

// nucleusBorder returns the least element that stays when the largest of x are taken
// until their sum exceeds p, and how many that are equal to it are taken. It reorders x.
func nucleusBorder(x []float32, p float64) (border float32, ties int) {
	before := 0.0 // sum of the elements larger than those of x
	for {
		pivot := medianOfThree(x[0], x[len(x)/2], x[len(x)-1])
		larger, equal := split(x, pivot)
		var sum float64
		for _, v := range x[:larger] {
			sum += float64(v)
		}
		if before+sum > p {
			x = x[:larger]
			continue
		}
		before += sum
		for ties = 1; ties <= equal; ties++ {
			if before += float64(pivot); before > p {
				return pivot, ties
			}
		}
		if x = x[larger+equal:]; len(x) == 0 || pivot != pivot { // the last, or not a number
			return pivot, equal
		}
	}
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
