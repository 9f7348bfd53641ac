package model

import (
	"fmt"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// Batch lists the rows of one forward pass: content rows, then query rows. Only rows
// that somebody reads are listed: in training and decoding a few, in the tests against
// the published code all of them, through the same path.
//
// Every row belongs to a segment (a document) and sees the first keys of that segment
// up to its end: the order trick (see seq.Order).
type Batch struct {
	Segments []Segment

	// Content rows [C], by segment, within it in generation order.
	Token      []int32 // token id
	ContentPos []int32 // position
	ContentEnd []int32 // keys of the segment that the row sees, cached ones included

	// Query rows [Q], by segment.
	QueryPos []int32
	QueryEnd []int32

	// Before is the token whose embedding a query row starts with, in place of the query
	// embedding; -1 for none, empty if no row has one. With CopyBefore, AddSegment lists the
	// token before each row's position, where the row sees it. See QueryCopy.
	CopyBefore bool
	Before     []int32

	// Scored rows [Next+Q]: the last content rows, then all query rows. So they lie
	// together, and what only they need begins at one row.
	Next   int       // number of content rows that predict the token behind theirs (seq.Segment.Next)
	Target []int32   // token to score; empty if nothing is scored
	Weight []float32 // its weight in the loss; empty if nothing is scored

	// WantContent asks for the content rows' output of the last layer, which nothing
	// else needs.
	WantContent bool
}

// Segment is the part of a batch that belongs to one document.
type Segment struct {
	Content int // number of content rows
	Keys    int // how many of them, from the first, others may see (all but padding)
	Query   int // number of query rows
	Cache   *Cache
}

// Cache holds the keys and values of a document's committed tokens, in commit order, a
// KV for each layer. A forward pass appends the content rows it is given.
type Cache struct{ layers []*kernels.KV }

// NewCache allocates room for n tokens.
func (m *Model) NewCache(n int) *Cache {
	c := &m.Config
	return &Cache{kernels.NewKVs(m.Type, c.KVHeads, c.HeadDim, n, c.Layers)}
}

// Len returns the number of tokens encoded so far.
func (c *Cache) Len() int { return c.layers[0].Len }

// Cap returns how many tokens fit.
func (c *Cache) Cap() int { return c.layers[0].Cap() }

// Truncate forgets all but the first n tokens.
func (c *Cache) Truncate(n int) {
	for _, kv := range c.layers {
		kv.Truncate(n)
	}
}

// Bytes returns the memory held.
func (c *Cache) Bytes() int { return len(c.layers) * c.layers[0].Bytes() }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{
		Segments: b.Segments[:0],
		Token:    b.Token[:0], ContentPos: b.ContentPos[:0], ContentEnd: b.ContentEnd[:0],
		QueryPos: b.QueryPos[:0], QueryEnd: b.QueryEnd[:0], Before: b.Before[:0],
		Target: b.Target[:0], Weight: b.Weight[:0],
	}
}

// AddSegments appends segments, those that score their content rows behind all others.
func (b *Batch) AddSegments(list []seq.Segment) {
	for _, next := range []bool{false, true} {
		for _, s := range list {
			if s.Next == next {
				b.AddSegment(s)
			}
		}
	}
}

// AddSegment appends the rows that scoring or training on s needs: a query row for
// every position with a weight, and a content row for every position that one of them
// sees. If s scores its content rows (seq.Segment.Next), there is one for every position
// before the last with a weight, and no query row; then no segment may follow that scores
// query rows.
func (b *Batch) AddSegment(s seq.Segment) {
	if s.Next {
		b.addNext(s)
		return
	}
	if b.Next > 0 {
		panic("model: a segment that scores query rows behind one that scores content rows: use AddSegments")
	}
	o := seq.NewOrder(s.Group)
	var keys int32
	queries := 0
	for r, p := range o.Position {
		if s.Weight[p] == 0 {
			continue
		}
		queries++
		keys = max(keys, o.QueryEnd[r])
		b.QueryPos = append(b.QueryPos, p)
		b.QueryEnd = append(b.QueryEnd, o.QueryEnd[r])
		if b.CopyBefore {
			before := int32(-1)
			if p > 0 && s.Group[p-1] < s.Group[p] {
				before = s.Tokens[p-1]
			}
			b.Before = append(b.Before, before)
		}
		b.Target = append(b.Target, s.Tokens[p])
		b.Weight = append(b.Weight, s.Weight[p])
	}
	for r, p := range o.Position[:keys] {
		b.Token = append(b.Token, s.Tokens[p])
		b.ContentPos = append(b.ContentPos, p)
		b.ContentEnd = append(b.ContentEnd, o.ContentEnd[r])
	}
	b.Segments = append(b.Segments, Segment{Content: int(keys), Keys: int(keys), Query: queries})
}

// addNext appends a segment whose content rows are scored.
func (b *Batch) addNext(s seq.Segment) {
	n := len(s.Weight)
	for n > 0 && s.Weight[n-1] == 0 {
		n--
	}
	rows := max(n-1, 0) // the last predicted token has no row
	for p := range rows {
		b.Token = append(b.Token, s.Tokens[p])
		b.ContentPos = append(b.ContentPos, int32(p))
		b.ContentEnd = append(b.ContentEnd, int32(p+1))
	}
	if rows > 0 {
		b.Target = slices.Insert(b.Target, b.Next, s.Tokens[1:n]...)
		b.Weight = slices.Insert(b.Weight, b.Next, s.Weight[1:n]...)
	}
	b.Next += rows
	b.Segments = append(b.Segments, Segment{Content: rows, Keys: rows})
}

// Rows returns the number of content and query rows.
func (b *Batch) Rows() (content, query int) { return len(b.Token), len(b.QueryPos) }

// firstScored returns the first row that is scored.
func (b *Batch) firstScored() int { return len(b.Token) - b.Next }

// Predicts returns the position whose token scored row i predicts.
func (b *Batch) Predicts(i int) int {
	if i < b.Next {
		return int(b.ContentPos[b.firstScored()+i]) + 1
	}
	return int(b.QueryPos[i-b.Next])
}

// check panics if the batch contradicts itself, and returns the positions it needs.
func (b *Batch) check(c *Config) (positions int) {
	var content, query int
	for i, s := range b.Segments {
		if s.Content < 0 || s.Keys < 0 || s.Keys > s.Content || s.Query < 0 {
			panic(fmt.Sprintf("model: segment %d has %d content rows, %d keys, %d query rows", i, s.Content, s.Keys, s.Query))
		}
		content += s.Content
		query += s.Query
	}
	if content != len(b.Token) || content != len(b.ContentPos) || content != len(b.ContentEnd) ||
		query != len(b.QueryPos) || query != len(b.QueryEnd) {
		panic(fmt.Sprintf("model: segments count %d content and %d query rows, columns hold %d and %d", content, query, len(b.Token), len(b.QueryPos)))
	}
	scored := b.Next + query
	if b.Next < 0 || b.Next > content || len(b.Target) != len(b.Weight) || len(b.Target) != scored && len(b.Target) > 0 {
		panic(fmt.Sprintf("model: %d of %d content rows and %d query rows are scored, by %d targets with %d weights",
			b.Next, content, query, len(b.Target), len(b.Weight)))
	}
	if len(b.Before) != query && len(b.Before) > 0 {
		panic(fmt.Sprintf("model: %d tokens to copy for %d query rows", len(b.Before), query))
	}
	for _, list := range [][]int32{b.ContentPos, b.QueryPos} {
		for _, p := range list {
			if p < 0 {
				panic(fmt.Sprintf("model: negative position %d", p))
			}
			positions = max(positions, int(p)+1)
		}
	}
	for _, list := range [][]int32{b.Token, b.Target} {
		for _, t := range list {
			if t < 0 || int(t) >= c.Vocab {
				panic(fmt.Sprintf("model: token %d outside the vocabulary of %d", t, c.Vocab))
			}
		}
	}
	return positions
}
