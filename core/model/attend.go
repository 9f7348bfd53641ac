package model

import "github.com/any-order/a3/core/kernels"

// mixRows is how many content and query rows of a segment attend together at most. A
// step of decoding has one of each, or a few, and both see the same keys: these are read
// once for all, and the few rows fill a tile better.
const mixRows = 32

// attendTask is the attention of a layer, by key/value heads and blocks of rows.
type attendTask struct {
	ws     *Workspace
	l      int
	blocks []attendBlock

	// Of rows that attend together.
	q, att kernels.Rows // [rows, q]
	ends   []int32
}

// attendBlock are rows of one segment that attend together.
type attendBlock struct {
	q, att kernels.Rows
	ends   []int32
	lse    []float32 // nil if nobody reads it
	cache  *Cache

	// Where rows come from that lie apart in the batch: content rows, query rows.
	content, query, contents int
	mixed                    bool
}

func (t *attendTask) Piece(member, i int) {
	heads := t.ws.m.Config.KVHeads
	t.attend(i/heads, i%heads, i%heads+1, &t.ws.mates[member].s)
}

// attend computes attention of a block for the key/value heads [g0, g1).
func (t *attendTask) attend(block, g0, g1 int, s *kernels.Scratch) {
	b, c := &t.blocks[block], &t.ws.m.Config
	width := c.queryWidth() / c.KVHeads
	from, to := g0*width, g1*width // columns
	if b.mixed {
		for r := range b.q.N {
			b.q.CopyPart(r, t.ws.now.a.q, b.row(r), from, to)
		}
	}
	t.ws.m.k.Attend(b.att, b.q, b.ends, b.cache.layers[t.l], g0, g1, b.lse, s)
	if b.mixed {
		for r := range b.q.N {
			t.ws.now.a.att.CopyPart(b.row(r), b.att, r, from, to)
		}
	}
}

// attendAll computes the attention of layer l for the rows from first.
func (ws *Workspace) attendAll(b *Batch, l, first int) {
	t, c := &ws.attending, &ws.m.Config
	t.ws, t.l, t.blocks = ws, l, t.blocks[:0]
	t.mix(b, first)
	work := 0
	for i := range t.blocks {
		work += t.blocks[i].q.N * t.blocks[i].cache.Len() * c.queryWidth()
	}
	if ws.team != nil && work >= 4*shareWork {
		ws.team.Do(len(t.blocks)*c.KVHeads, t)
	} else {
		for i := range t.blocks {
			t.attend(i, 0, c.KVHeads, &ws.s)
		}
	}
}

// row returns where row r of a mixed block lies in the batch.
func (b *attendBlock) row(r int) int {
	if r < b.contents {
		return b.content + r
	}
	return b.query + r - b.contents
}

// mixes reports whether the rows of a segment attend together. In training they do not:
// the backward pass reads them where they lie.
func (ws *Workspace) mixes(s Segment, first int) bool {
	return !ws.keep && first == 0 && s.Content > 0 && s.Query > 0 && s.Content+s.Query <= mixRows
}

// mix lists the blocks of rows from row first.
func (t *attendTask) mix(b *Batch, first int) {
	ws := t.ws
	rows := 0
	for _, s := range b.Segments {
		if ws.mixes(s, first) {
			rows += s.Content + s.Query
		}
	}
	t.ends = t.ends[:0]
	if rows > 0 {
		ws.resize(&t.q, rows, ws.m.Config.queryWidth())
		ws.resize(&t.att, rows, ws.m.Config.queryWidth())
	}
	at := 0
	content, query := 0, len(b.Token) // of the next segment
	for i, s := range b.Segments {
		cache := ws.segmentCache(i, s)
		n := s.Content + s.Query
		if ws.mixes(s, first) {
			ends := len(t.ends)
			t.ends = append(append(t.ends, b.ContentEnd[content:content+s.Content]...), b.QueryEnd[query-len(b.Token):][:s.Query]...)
			block := attendBlock{
				q: t.q.Slice(at, at+n), att: t.att.Slice(at, at+n), ends: t.ends[ends:], cache: cache,
				content: content, query: query, contents: s.Content, mixed: true,
			}
			t.blocks = append(t.blocks, block)
			at += n
		} else {
			if from := max(content, first); from < content+s.Content {
				t.add(from, content+s.Content, b.ContentEnd[from:], cache)
			}
			t.add(query, query+s.Query, b.QueryEnd[query-len(b.Token):], cache)
		}
		content += s.Content
		query += s.Query
	}
}

// add lists the rows [from, to), whose ends begin with the first of ends.
func (t *attendTask) add(from, to int, ends []int32, cache *Cache) {
	a, heads, at := t.ws.now.a, t.ws.m.Config.Heads, from
	blocks(from, to, func(from, to int) {
		block := attendBlock{q: a.q.Slice(from, to), att: a.att.Slice(from, to), ends: ends[from-at : to-at], cache: cache}
		if t.ws.keep {
			block.lse = a.lse[from*heads : to*heads]
		}
		t.blocks = append(t.blocks, block)
	})
}
