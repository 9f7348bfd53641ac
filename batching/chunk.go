package batching

// Chunker cuts tokenized documents into chunks of at most Context positions. Each
// chunk starts with BOS; EOS follows the document's last token, so that it is
// scored at the true end alone.
//
// All chunks are full but the last two, which share what is left evenly: a
// document a little longer than the context would otherwise end in a chunk of a
// few tokens that see next to nothing.
type Chunker struct {
	BOS     int32
	EOS     int32 // NoToken = none
	Context int   // at least 4
}

// Count returns the number of chunks of a document of n tokens; an empty document
// has none.
func (c Chunker) Count(n int) int {
	if n == 0 {
		return 0
	}
	room := c.Context - 1
	return (c.total(n) + room - 1) / room
}

// total returns the number of tokens to cut: the document's and EOS.
func (c Chunker) total(n int) int {
	if c.EOS != NoToken {
		return n + 1
	}
	return n
}

// bounds returns which of the total(n) tokens the i-th chunk holds behind its BOS.
func (c Chunker) bounds(n, i int) (start, end int) {
	room, count, total := c.Context-1, c.Count(n), c.total(n)
	start, end = i*room, min((i+1)*room, total)
	if level := (count - 2) * room; count >= 2 && i >= count-2 {
		middle := level + (total-level+1)/2
		if i == count-2 {
			return level, middle
		}
		return middle, total
	}
	return start, end
}

// Size returns the number of positions of the i-th chunk of a document of n tokens.
func (c Chunker) Size(n, i int) int {
	start, end := c.bounds(n, i)
	return 1 + end - start
}

// Append appends the i-th chunk of a document, 0 <= i < Count, to dst. last tells
// whether the document ends with it.
func (c Chunker) Append(dst, tokens []int32, i int) (chunk []int32, last bool) {
	start, end := c.bounds(len(tokens), i)
	dst = append(dst, c.BOS)
	dst = append(dst, tokens[start:min(end, len(tokens))]...)
	if end > len(tokens) {
		dst = append(dst, c.EOS)
	}
	return dst, end == c.total(len(tokens))
}
