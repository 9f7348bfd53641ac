package decode

import (
	"cmp"
	"math"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// keepTop keeps the engine.top likeliest tokens of those that f has seen, whatever the
// order in which chunks come.
func (s *sampler) keepTop(f *found, p part) {
	n := s.engine.top
	floor := negInf
	if len(f.top) >= n { // as many as wanted, by descending logit
		floor = math.Nextafter32(f.top[n-1].logit, negInf) // a tie may have a lower id
	}
	s.above = slices.Grow(s.above[:0], len(p.logits))[:len(p.logits)]
	for _, i := range s.above[:s.k.Above(s.above, p.logits, floor)] {
		f.top = append(f.top, candidate{logit: p.logits[i], token: int32(p.first) + i})
	}
	f.top = likeliest(f.top, n)
}

// likeliest sorts candidates by descending logit, ties by ascending token, and returns
// the first n.
func likeliest(list []candidate, n int) []candidate {
	slices.SortFunc(list, func(a, b candidate) int {
		if a.logit != b.logit {
			return cmp.Compare(b.logit, a.logit)
		}
		return cmp.Compare(a.token, b.token)
	})
	return list[:min(n, len(list))]
}

// addTop appends what was kept of a row, given the logarithm of its denominator.
func (s *Session) addTop(f *found, log float64) {
	n := s.engine.top
	if n == 0 {
		return
	}
	f.top = likeliest(f.top, n)
	for _, c := range f.top {
		s.top = append(s.top, Top{Token: c.token, LogProb: float32(float64(c.logit) - log)})
	}
	for range n - len(f.top) {
		s.top = append(s.top, Top{Token: strategy.NoToken, LogProb: negInf})
	}
}

// Likeliest returns the tokens that the model thinks likeliest at the wanted positions,
// engine.top of each. It is valid as long as Proposal.
func (s *Session) Likeliest() []Top { return s.top }

// addBias adds to the logits of tokens from first.
func addBias(logits []float32, bias []strategy.Bias, first int) {
	for _, b := range bias {
		if i := int(b.Token) - first; i >= 0 && i < len(logits) {
			logits[i] += b.Value
		}
	}
}

// isBannedBy reports whether a bias bans a token.
func isBannedBy(bias []strategy.Bias, token int32) bool {
	for _, b := range bias {
		if b.Token == token && b.Value == negInf {
			return true
		}
	}
	return false
}
