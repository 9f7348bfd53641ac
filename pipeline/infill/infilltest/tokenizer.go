// Package infilltest holds a tokenizer small enough to test the jobs with: all
// bytes, a few merges, BOS and EOS.
package infilltest

import (
	"slices"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill"
)

// Tokenizer has the 256 bytes as tokens 0 to 255, then its merges, then BOS (unless
// NoBOS) and EOS (unless NoEOS). It implements infill.Tokenizer and infill.Encoder.
type Tokenizer struct {
	merges       []string
	NoBOS, NoEOS bool
	Spaced       bool // a space stands before a document
}

// New returns a tokenizer whose longer tokens are the given ones.
func New(merges ...string) *Tokenizer { return &Tokenizer{merges: merges} }

// Append appends the tokens of text: at each byte the longest that fits.
func (t *Tokenizer) Append(dst []int32, text []byte) []int32 {
	for len(text) > 0 {
		best, size := int32(text[0]), 1
		for i, m := range t.merges {
			if len(m) > size && len(text) >= len(m) && string(text[:len(m)]) == m {
				best, size = int32(256+i), len(m)
			}
		}
		dst = append(dst, best)
		text = text[size:]
	}
	return dst
}

// AppendText appends the bytes of the tokens; special tokens have none.
func (t *Tokenizer) AppendText(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		switch {
		case id < 256:
			dst = append(dst, byte(id))
		case int(id) < 256+len(t.merges):
			dst = append(dst, t.merges[id-256]...)
		}
	}
	return dst
}

// BOS returns the first id behind the merges.
func (t *Tokenizer) BOS() (int32, bool) { return int32(256 + len(t.merges)), !t.NoBOS }

// Start implements infill.Tokenizer.
func (t *Tokenizer) Start() (int32, bool) {
	if t.NoBOS {
		return t.EOS()
	}
	return t.BOS()
}

// EOS returns the id behind BOS.
func (t *Tokenizer) EOS() (int32, bool) { return int32(257 + len(t.merges)), !t.NoEOS }

// IsSpecial reports whether id is BOS, EOS or outside the vocabulary.
func (t *Tokenizer) IsSpecial(id int32) bool { return id < 0 || int(id) >= 256+len(t.merges) }

// Prefix returns a space if the tokenizer is Spaced.
func (t *Tokenizer) Prefix([]byte) string {
	if t.Spaced {
		return " "
	}
	return ""
}

// TokensStartingWith returns the tokens whose bytes begin with first.
func (t *Tokenizer) TokensStartingWith(first byte) []int32 {
	ids := []int32{int32(first)}
	for i, m := range t.merges {
		if m[0] == first {
			ids = append(ids, int32(256+i))
		}
	}
	return ids
}

// Fill plays the engine: it fills the blanks of a task with tokens drawn from key,
// right to left, one a step, within the task's constraints.
func (t *Tokenizer) Fill(task *infill.Task, key seq.Key) *infill.Result {
	n := task.Canvas.Len()
	res := &infill.Result{Tokens: slices.Clone(task.Canvas.Tokens), LogProb: make([]float64, n), Order: make([]int32, n)}
	spaces := t.TokensStartingWith(' ')
	for p := n - 1; p >= 0; p-- {
		if !task.Canvas.Blank[p] {
			res.Order[p] = -1
			continue
		}
		draw := uint64(p)
		if slices.Contains(task.Constraints, infill.Constraint{Position: int32(p), Kind: infill.LeadingSpace}) {
			res.Tokens[p] = spaces[key.Intn(draw, len(spaces))]
		} else {
			res.Tokens[p] = int32(key.Intn(draw, 256+len(t.merges)))
		}
		res.LogProb[p] = -float64(1+p%4) / 4
		res.Order[p] = int32(res.Steps)
		res.Steps++
	}
	res.ModelCalls, res.Rows = res.Steps, 2*res.Steps
	return res
}
