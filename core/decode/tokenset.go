package decode

import "github.com/any-order/a3/core/kernels"

// TokenSet is a set of token ids.
type TokenSet struct {
	mask []float32 // by id: 0 for a member, else -Inf, to be added to logits
}

// NewTokenSet returns the set of the given ids of a vocabulary.
func NewTokenSet(vocab int, ids []int32) *TokenSet {
	s := &TokenSet{make([]float32, vocab)}
	for i := range s.mask {
		s.mask[i] = negInf
	}
	for _, id := range ids {
		s.mask[id] = 0
	}
	return s
}

// Has reports whether the set holds a token.
func (s *TokenSet) Has(id int32) bool { return int(id) < len(s.mask) && s.mask[id] == 0 }

// narrow sets the logits of tokens, from first, that are not in the set to -Inf.
func (s *TokenSet) narrow(k *kernels.Kernels, logits []float32, first int) {
	n := max(min(len(s.mask)-first, len(logits)), 0)
	if n > 0 {
		k.Axpy(logits[:n], s.mask[first:first+n], 1)
	}
	for i := range logits[n:] {
		logits[n+i] = negInf
	}
}
