package seq

import (
	"fmt"
	"math"
	"slices"
)

// Order is the order trick: a grouping, sorted, so that what a row may see is a
// prefix of the keys. It replaces an N x N mask by two integers a row.
//
// With the positions in generation order, the content row of rank r sees the keys
// [0, ContentEnd[r]) (its own group included), and the query row of the same
// position sees [0, QueryEnd[r]) (earlier groups only). QueryEnd[r] is where the
// row's group begins, ContentEnd[r] where it ends.
type Order struct {
	Position   []int32 // [N] rank -> position
	QueryEnd   []int32 // [N] rank -> number of keys the query row sees
	ContentEnd []int32 // [N] rank -> number of keys the content row sees
}

// NewOrder sorts the positions 0..len(group)-1 by group, ties by position.
func NewOrder(group []int32) Order {
	n := len(group)
	o := Order{
		Position:   make([]int32, n),
		QueryEnd:   make([]int32, n),
		ContentEnd: make([]int32, n),
	}
	for i := range o.Position {
		o.Position[i] = int32(i)
	}
	slices.SortFunc(o.Position, func(a, b int32) int {
		if group[a] != group[b] {
			if group[a] < group[b] {
				return -1
			}
			return 1
		}
		return int(a - b)
	})
	for start := 0; start < n; {
		end := start + 1
		for end < n && group[o.Position[end]] == group[o.Position[start]] {
			end++
		}
		for r := start; r < end; r++ {
			o.QueryEnd[r], o.ContentEnd[r] = int32(start), int32(end)
		}
		start = end
	}
	return o
}

// Len returns the number of positions.
func (o Order) Len() int { return len(o.Position) }

// Segment is one document, or one chunk of a document, with a sampled grouping:
// the unit of training and of scoring. A batch packs several.
type Segment struct {
	Tokens []int32   // [N] token ids, the first one BOS
	Group  []int32   // [N] group ids; the given positions' groups come before all others
	Weight []float32 // [N] weight in the loss; 0 = given: conditioned on, not predicted

	// Next scores the content stream instead of the query stream: each position's content
	// row predicts the token behind it, as a plain Llama does, and there are no query rows.
	// The groups must be single positions left to right, and the first position, which no
	// row predicts, must be given.
	Next bool
}

// Len returns the number of positions.
func (s Segment) Len() int { return len(s.Tokens) }

// Validate reports a segment whose columns differ in length, whose tokens lie outside a
// vocabulary of the given size, whose weights are not finite, or whose groups are not what
// Next wants.
func (s Segment) Validate(vocab int) error {
	n := len(s.Tokens)
	if len(s.Group) != n || len(s.Weight) != n {
		return fmt.Errorf("segment has %d tokens, %d groups and %d weights", n, len(s.Group), len(s.Weight))
	}
	for p, tok := range s.Tokens {
		if tok < 0 || int(tok) >= vocab {
			return fmt.Errorf("token %d at position %d is outside the vocabulary of %d", tok, p, vocab)
		}
		if w := float64(s.Weight[p]); math.IsNaN(w) || math.IsInf(w, 0) {
			return fmt.Errorf("the weight of position %d in the loss is %v", p, w)
		}
	}
	if s.Next {
		return s.validateNext()
	}
	return nil
}

// validateNext reports groups under which no content row can predict the next token: one
// that saw it would only copy it.
func (s Segment) validateNext() error {
	for p := 1; p < len(s.Group); p++ {
		if s.Group[p] <= s.Group[p-1] {
			return fmt.Errorf("the loss of the next token wants single positions left to right as groups; position %d has group %d behind group %d",
				p, s.Group[p], s.Group[p-1])
		}
	}
	if len(s.Weight) > 0 && s.Weight[0] != 0 {
		return fmt.Errorf("the loss of the next token cannot give position 0 a weight, %v: no token precedes it", s.Weight[0])
	}
	return nil
}
