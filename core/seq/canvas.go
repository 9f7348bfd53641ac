package seq

import "fmt"

// Canvas is a document on which some positions are blank. Blankness stands
// beside the tokens and is never a token id, so that every id of the vocabulary
// can occur in a text.
type Canvas struct {
	Tokens []int32 // [N] token ids; meaningless where Blank is set
	Blank  []bool  // [N] true where a token is still to be found
}

// NewCanvas returns a canvas of the given known tokens without any blank.
func NewCanvas(tokens ...int32) *Canvas {
	return &Canvas{Tokens: tokens, Blank: make([]bool, len(tokens))}
}

// Len returns the number of positions.
func (c *Canvas) Len() int { return len(c.Tokens) }

// AppendKnown adds known tokens at the end.
func (c *Canvas) AppendKnown(tokens ...int32) {
	c.Tokens = append(c.Tokens, tokens...)
	c.Blank = append(c.Blank, make([]bool, len(tokens))...)
}

// AppendBlank adds n blank positions at the end.
func (c *Canvas) AppendBlank(n int) {
	c.Tokens = append(c.Tokens, make([]int32, n)...)
	for range n {
		c.Blank = append(c.Blank, true)
	}
}

// Blanks returns the blank positions, ascending.
func (c *Canvas) Blanks() []int32 {
	var open []int32
	for p, blank := range c.Blank {
		if blank {
			open = append(open, int32(p))
		}
	}
	return open
}

// Validate reports a canvas whose columns differ in length or whose known tokens
// lie outside a vocabulary of the given size.
func (c *Canvas) Validate(vocab int) error {
	if len(c.Tokens) != len(c.Blank) {
		return fmt.Errorf("canvas has %d tokens and %d blank flags", len(c.Tokens), len(c.Blank))
	}
	for p, tok := range c.Tokens {
		if !c.Blank[p] && (tok < 0 || int(tok) >= vocab) {
			return fmt.Errorf("token %d at position %d is outside the vocabulary of %d", tok, p, vocab)
		}
	}
	return nil
}
