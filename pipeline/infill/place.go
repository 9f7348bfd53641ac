package infill

import (
	"bytes"
	"sort"
)

// Blanks returns the first position and the number of positions of each blank.
func (t *Task) Blanks() (first, count []int) {
	for _, s := range t.spans {
		first, count = append(first, s.first), append(count, s.count)
	}
	return first, count
}

// Place returns the blank that a blank position belongs to, and which of its tokens it is.
func (t *Task) Place(position int) (blank, token int) {
	blank = sort.Search(len(t.spans), func(i int) bool { return t.spans[i].first > position }) - 1
	return blank, position - t.spans[blank].first
}

// Spell returns a token at a blank position as it shows in the output's text: without
// the space that is folded into the first token of a blank.
func (c *Codec) Spell(t *Task, position int, id int32) []byte {
	text := c.tok.AppendText(nil, []int32{id})
	if blank, token := t.Place(position); token == 0 && t.spans[blank].folded {
		return bytes.TrimPrefix(text, []byte{' '})
	}
	return text
}
