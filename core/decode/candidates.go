package decode

import (
	"cmp"
	"math"
	"slices"
)

// mostCandidates is how many candidates are kept of a row when nobody says how many the
// filters need.
const mostCandidates = 1024

// candidates are the most probable tokens of those seen so far: all whose logits are above
// the floor, which rises. In the end, after settle, they depend on the logits alone: not on
// who saw which chunk.
type candidates struct {
	list  []candidate
	floor float32
	sum   float64 // of exp(logit/temperature - top), of all that were seen
	top   float64
}

type candidate struct {
	logit, prob float32
	token       int32
}

func (c *candidates) reset() {
	c.list, c.floor = c.list[:0], negInf
	c.sum, c.top = 0, math.Inf(-1)
}

// add takes the logits of a chunk, from token first, that may be chosen, the largest of
// which is most; sum has their mass.
func (c *candidates) add(s *sampler, logits []float32, most float32, sum *chunkSum, first int) {
	e := s.engine
	if e.nucleus {
		c.seen(sum)
		c.floor = max(c.floor, c.reach(e)-1e-3)
	}
	if most <= c.floor {
		return
	}
	for _, i := range s.above[:s.k.Above(s.above, logits, c.floor)] {
		c.list = append(c.list, candidate{logit: logits[i], token: int32(first) + i})
	}
	if len(c.list) > 2*e.candidates+len(logits) {
		c.shrink(s)
	}
}

// seen adds the mass of a chunk.
func (c *candidates) seen(sum *chunkSum) {
	top := math.Max(c.top, float64(sum.choiceMost))
	c.sum = c.sum*math.Exp(c.top-top) + float64(sum.choice)*math.Exp(float64(sum.choiceMost)-top)
	c.top = top
}

// reach returns a logit below which no token of the nucleus lies: tokens that have less
// than 1/V each of the mass outside of it cannot fill what is outside.
func (c *candidates) reach(e *Engine) float32 {
	each := math.Log((1 - e.options.TopP) / float64(e.model.Config.Vocab))
	return float32((c.top + math.Log(c.sum) + each) * e.options.Temperature)
}

// shrink drops what is not needed: for a nucleus all but the largest, for top-k what is
// smaller than the k-th largest.
func (c *candidates) shrink(s *sampler) {
	e := s.engine
	if len(c.list) >= e.candidates {
		s.parted = s.parted[:0]
		for i := range c.list {
			s.parted = append(s.parted, c.list[i].logit)
		}
		floor := nthLargest(s.parted, e.candidates)
		if !e.nucleus {
			floor = math.Nextafter32(floor, negInf)
		}
		c.floor = max(c.floor, floor)
	}
	c.list = slices.DeleteFunc(c.list, func(x candidate) bool { return !(x.logit > c.floor) })
}

// join adds the candidates of other chunks.
func (c *candidates) join(d *candidates) {
	c.list = append(c.list, d.list...)
	c.floor = max(c.floor, d.floor)
}

// settle brings the candidates of all chunks to what they are in the end, and returns
// the mass of all tokens, as a multiple of that of the largest logit.
func (c *candidates) settle(s *sampler, sums []chunkSum) (total float64) {
	e := s.engine
	if e.nucleus {
		c.sum, c.top = 0, math.Inf(-1)
		for i := range sums {
			if sums[i].choice > 0 {
				c.seen(&sums[i])
			}
		}
		c.floor = max(c.floor, c.reach(e))
	}
	c.shrink(s)
	slices.SortFunc(c.list, func(a, b candidate) int {
		if a.logit != b.logit {
			return cmp.Compare(b.logit, a.logit)
		}
		return cmp.Compare(a.token, b.token)
	})
	return c.sum
}

// nthLargest returns the n-th largest element of x, 1 <= n <= len(x), and reorders x.
func nthLargest(x []float32, n int) float32 {
	for {
		pivot := medianOfThree(x[0], x[len(x)/2], x[len(x)-1])
		larger, equal := split(x, pivot)
		switch {
		case n <= larger:
			x = x[:larger]
		case n <= larger+equal, pivot != pivot: // not a number
			return pivot
		default:
			x, n = x[larger+equal:], n-larger-equal
		}
	}
}

// split brings the elements that are larger than the pivot to the front of x, and behind
// them those that are equal to it.
func split(x []float32, pivot float32) (larger, equal int) {
	for i, v := range x {
		switch {
		case v > pivot:
			x[i], x[larger+equal], x[larger] = x[larger+equal], x[larger], v
			larger++
		case v == pivot:
			x[i], x[larger+equal] = x[larger+equal], v
			equal++
		}
	}
	return larger, equal
}

func medianOfThree(a, b, c float32) float32 { return max(min(a, b), min(max(a, b), c)) }

// fromCandidates draws a token by u from the candidates that the filters leave, and
// reports whether those were enough.
func (s *sampler) fromCandidates(c *candidates, sums []chunkSum, u float64) (token int32, logit float32, ok bool) {
	list, mass := s.keep(c, sums)
	if len(list) == 0 {
		return 0, negInf, false
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Compare(a.token, b.token) })
	target, cum := u*mass, 0.0
	for i := range list {
		if list[i].prob > 0 {
			token, logit = list[i].token, list[i].logit
			if cum += float64(list[i].prob); cum > target {
				break
			}
		}
	}
	return token, logit, true
}

// keep returns the candidates that the filters leave, with probabilities that sum to
// mass; none, if there may be others.
func (s *sampler) keep(c *candidates, sums []chunkSum) (list []candidate, mass float64) {
	e, o := s.engine, &s.engine.options
	total := c.settle(s, sums)
	list = c.list
	for i := range list {
		list[i].prob = float32(math.Exp(float64(list[i].logit-list[0].logit) / o.Temperature))
		mass += float64(list[i].prob)
	}
	if o.TopP == 1 {
		return list, mass
	}
	if !e.nucleus { // top-k leaves these alone
		total = mass
	}
	before, kept := 0.0, 0
	for kept < len(list) && (kept == 0 || before <= o.TopP*total) {
		before += float64(list[kept].prob)
		kept++
	}
	if e.nucleus && before <= o.TopP*total {
		return nil, 0
	}
	return list[:kept], before
}
