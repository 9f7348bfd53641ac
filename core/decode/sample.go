package decode

import (
	"math"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/strategy"
)

// choice is how tokens are chosen, which says what must be kept of the logits.
type choice int

const (
	chooseBest      choice = iota // the most probable
	chooseChunk                   // drawn from a chunk, which is drawn by its mass
	chooseCandidate               // drawn from the most probable, which are kept
	chooseWhole                   // needs all logits
)

// choiceOf returns how an engine chooses, and how many candidates it keeps.
func choiceOf(o *Options, vocab int) (c choice, candidates int) {
	topK := o.TopK > 0 && o.TopK < vocab
	switch {
	case o.Regroup == RegroupPublished, topK && o.TopK > mostCandidates && !o.Greedy:
		return chooseWhole, 0
	case o.Greedy:
		return chooseBest, 0
	case topK:
		return chooseCandidate, o.TopK
	case o.TopP < 1:
		return chooseCandidate, mostCandidates
	}
	return chooseChunk, 0
}

// sampler looks at logits and chooses tokens; it is working memory of one goroutine.
type sampler struct {
	k      *kernels.Kernels
	engine *Engine

	// Of a chunk.
	exp, tmp, narrowed []float32
	ones               []float32 // 1
	above              []int32

	// Of the vocabulary, for tokens that need all logits; parted also of candidates.
	probs, allowed, parted []float32
}

var negInf = float32(math.Inf(-1))

// part is a row of logits for a chunk of the vocabulary, from token first.
type part struct {
	logits       []float32
	chunk, first int
	allow        *TokenSet
	bias         []strategy.Bias
}

// gather keeps what is needed of a part.
func (s *sampler) gather(sum *chunkSum, f *found, p part, columns strategy.Columns) {
	k, e, n := s.k, s.engine, len(p.logits)
	s.exp = slices.Grow(s.exp[:0], n)[:n]
	sum.most = k.Max(p.logits)
	sum.sum = k.ExpSum(s.exp, p.logits, sum.most)
	if columns&strategy.ColumnMargin != 0 && sum.most > f.second {
		f.first, f.second = addTwoLargest(f.first, f.second, p.logits)
	}
	if columns&strategy.ColumnEntropy != 0 {
		sum.moment = s.moment(p.logits, sum.most)
	}
	if e.top > 0 {
		s.keepTop(f, p)
	}
	if e.choice == chooseWhole || e.choice == chooseBest && !(sum.most > f.best) && len(p.bias) == 0 {
		return // no token of this chunk is better
	}
	logits, most := p.logits, sum.most
	if s.narrows(p) {
		logits = s.narrow(p)
		most = k.Max(logits)
	}
	switch {
	case e.choice == chooseBest:
		if most > f.best {
			f.best, f.token = most, int32(p.first+slices.Index(logits, most))
		}
		return
	case e.choice == chooseCandidate && !e.nucleus: // the mass does not matter
	case e.options.Temperature == 1 && !s.narrows(p):
		sum.choiceMost, sum.choice = sum.most, sum.sum
	default:
		sum.choiceMost, sum.choice = s.expSum(s.exp, logits, most)
	}
	if e.choice == chooseCandidate && most > negInf {
		s.above = slices.Grow(s.above[:0], n)[:n]
		f.candidates.add(s, logits, most, sum, p.first)
	}
}

// moment returns the sum of e log e, for e = exp(logit - most) in s.exp.
func (s *sampler) moment(logits []float32, most float32) float32 {
	n := len(logits)
	for len(s.ones) < n {
		s.ones = append(s.ones, 1)
	}
	s.tmp = append(s.tmp[:0], logits...)
	s.k.Axpy(s.tmp, s.ones[:n], -most)
	return s.k.Dot(s.exp, s.tmp)
}

// narrows reports whether a part has tokens that may not be chosen.
func (s *sampler) narrows(p part) bool {
	return p.allow != nil || len(p.bias) > 0 || len(s.engine.banned[p.chunk]) > 0
}

// narrow returns the logits of a part as tokens are chosen by them: with bias, and at
// -Inf those that may not be chosen.
func (s *sampler) narrow(p part) []float32 {
	if !s.narrows(p) {
		return p.logits
	}
	s.narrowed = append(s.narrowed[:0], p.logits...)
	for _, id := range s.engine.banned[p.chunk] {
		s.narrowed[int(id)-p.first] = negInf
	}
	if p.allow != nil {
		p.allow.narrow(s.k, s.narrowed, p.first)
	}
	addBias(s.narrowed, p.bias, p.first)
	return s.narrowed
}

// expSum stores exp(logit/temperature - largest) in dst for logits of which the largest
// is most, and returns the largest of logit/temperature, and the sum.
func (s *sampler) expSum(dst, logits []float32, most float32) (largest, sum float32) {
	if most == negInf { // none may be chosen
		clear(dst)
		return most, 0
	}
	if t := float32(1 / s.engine.options.Temperature); t != 1 {
		copy(dst, logits)
		s.k.Scale(dst, t)
		logits, most = dst, most*t
	}
	return most, s.k.ExpSum(dst, logits, most)
}

// chunkAt returns the chunk in which the cumulative probability passes u, and the
// uniform number that is left for it.
func chunkAt(sums []chunkSum, u float64) (chunk int, rest float64) {
	most := negInf
	for i := range sums {
		most = max(most, sums[i].choiceMost)
	}
	mass := func(i int) float64 {
		if sums[i].choice == 0 {
			return 0
		}
		return float64(sums[i].choice) * math.Exp(float64(sums[i].choiceMost)-float64(most))
	}
	var total float64
	for i := range sums {
		total += mass(i)
	}
	target, cum := u*total, 0.0
	for i := range sums {
		m := mass(i)
		if m <= 0 {
			continue
		}
		chunk, rest = i, (target-cum)/m
		if cum += m; cum > target {
			break
		}
	}
	return chunk, min(rest, 1)
}

// fromChunk returns the index of the token of a part at which the cumulative probability
// passes u.
func (s *sampler) fromChunk(p part, u float64) int {
	s.exp = slices.Grow(s.exp[:0], len(p.logits))[:len(p.logits)]
	logits := s.narrow(p)
	s.expSum(s.exp, logits, s.k.Max(logits))
	return int(inverseCDF(s.exp, u))
}

// addTwoLargest returns the two largest of first >= second and x.
func addTwoLargest(first, second float32, x []float32) (float32, float32) {
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
