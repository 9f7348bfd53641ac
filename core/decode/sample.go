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

	tmp, narrowed []float32 // [chunk]
	ones          []float32 // [chunk] of 1

	probs, allowed, sorted []float32 // [V] for tokens that need all logits
}

var negInf = float32(math.Inf(-1))

// part is a row of logits for a chunk of the vocabulary, from token first.
type part struct {
	logits       []float32
	chunk, first int
	allow        *TokenSet
}

// gather keeps what is needed of a part, and overwrites it.
func (s *sampler) gather(sum *chunkSum, f *found, p part, columns strategy.Columns) {
	k, e, n := s.k, s.engine, len(p.logits)
	s.tmp = slices.Grow(s.tmp[:0], n)[:n]
	sum.most = k.Max(p.logits)
	if columns&strategy.ColumnMargin != 0 && sum.most > f.second {
		f.first, f.second = addTwoLargest(f.first, f.second, p.logits)
	}
	switch {
	case e.choice == chooseBest && sum.most > f.best: // else no token of this chunk is better
		logits := s.narrow(p)
		if most := k.Max(logits); most > f.best {
			f.best, f.token = most, int32(p.first+slices.Index(logits, most))
		}
	case e.choice == chooseChunk && (e.options.Temperature != 1 || s.narrows(p)), e.choice == chooseCandidate:
		logits := s.narrow(p)
		sum.choiceMost, sum.choice = s.expSum(s.tmp, logits)
		if e.choice == chooseCandidate {
			f.candidates.add(e, logits, sum, p.first)
		}
	}
	if columns&strategy.ColumnEntropy != 0 {
		sum.sum = k.ExpSum(s.tmp, p.logits, sum.most)
		for len(s.ones) < n {
			s.ones = append(s.ones, 1)
		}
		k.Axpy(p.logits, s.ones[:n], -sum.most)
		sum.moment = k.Dot(s.tmp, p.logits)
	} else {
		sum.sum = k.ExpSum(p.logits, p.logits, sum.most)
	}
	if e.choice == chooseChunk && e.options.Temperature == 1 && !s.narrows(p) {
		sum.choiceMost, sum.choice = sum.most, sum.sum
	}
}

// narrows reports whether a part has tokens that may not be chosen.
func (s *sampler) narrows(p part) bool { return p.allow != nil || len(s.engine.banned[p.chunk]) > 0 }

// narrow returns the logits of a part with those at -Inf that may not be chosen.
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
	return s.narrowed
}

// expSum stores exp(logit/temperature - most) in dst and returns the largest of
// logit/temperature, most, and the sum.
func (s *sampler) expSum(dst, logits []float32) (most, sum float32) {
	copy(dst, logits)
	if t := s.engine.options.Temperature; t != 1 {
		s.k.Scale(dst, float32(1/t))
	}
	if most = s.k.Max(dst); most == negInf { // none may be chosen
		clear(dst)
		return most, 0
	}
	return most, s.k.ExpSum(dst, dst, most)
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
	s.tmp = slices.Grow(s.tmp[:0], len(p.logits))[:len(p.logits)]
	s.expSum(s.tmp, s.narrow(p))
	return int(inverseCDF(s.tmp, u))
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
