package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// Forward runs the rows of b through the network and returns the final, normed query
// rows [Q, H], valid until the workspace's next pass. Keys and values of the content
// rows are appended to the segments' caches.
func (ws *Workspace) Forward(b *Batch) kernels.Mat {
	ws.run(b, false)
	content, query := b.Rows()
	normed := kernels.NewMat(ws.normed, content+query, ws.m.Config.Hidden)
	return normed.RowsOf(content, content+query)
}

// run computes the pass; keep saves each layer's activations for the backward.
func (ws *Workspace) run(b *Batch, keep bool) {
	m, c := ws.m, &ws.m.Config
	content, query := b.Rows()
	rows := content + query
	tables := m.rope.upTo(b.check(c))

	ws.pos = append(append(ws.pos[:0], b.ContentPos...), b.QueryPos...)
	for len(ws.layers) < 1 || keep && len(ws.layers) < c.Layers {
		ws.layers = append(ws.layers, activations{})
	}
	for i, s := range b.Segments {
		if s.Cache == nil {
			ws.segmentCache(i, s).Truncate(0)
		}
	}

	x := growMat(&ws.layers[0].x, rows, c.Hidden)
	for r, t := range b.Token {
		copy(x.Row(r), m.Params.Embed.Row(int(t)))
	}
	for r := content; r < rows; r++ {
		copy(x.Row(r), m.Params.Query)
	}
	for l := range c.Layers {
		a, out := &ws.layers[0], &ws.final
		if keep {
			a = &ws.layers[l]
			if l+1 < c.Layers {
				out = &ws.layers[l+1].x
			}
		} else if l+1 < c.Layers {
			out = &ws.layers[0].x // a layer's input is dead once its middle is known
		}
		// The last layer's content rows serve as keys and values only.
		first := 0
		if l == c.Layers-1 && !b.WantContent {
			first = content
		}
		ws.layer(b, l, a, first, out, tables)
	}
	final := kernels.NewMat(ws.final, rows, c.Hidden)
	first := content
	if b.WantContent {
		first = 0
	}
	normed := growMat(&ws.normed, rows, c.Hidden)
	m.k.RMSNorm(normed.RowsOf(first, rows), final.RowsOf(first, rows), m.Params.Norm, grow(&ws.rstd, rows)[first:], float32(c.NormEps))
}

// layer computes layer l for the rows [first, R) and keys and values for all content
// rows. Its input is a.x; out receives its output, and may be a.x's buffer.
func (ws *Workspace) layer(b *Batch, l int, a *activations, first int, out *[]float32, tables *ropeTables) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	p, packed := &m.Params.Layers[l], &m.layers[l]
	content, query := b.Rows()
	rows, eps := content+query, float32(c.NormEps)
	x := kernels.NewMat(a.x, rows, c.Hidden)

	// Keys and values, from the content stream alone.
	normed := growMat(&ws.dnorm, rows, c.Hidden)
	k.RMSNorm(normed, x, p.NormIn, grow(&a.rstdIn, rows), eps)
	key, value := growMat(&ws.k, content, c.kvWidth()), growMat(&ws.v, content, c.kvWidth())
	k.MulPacked(key, normed.RowsOf(0, content), packed.k, false)
	k.MulPacked(value, normed.RowsOf(0, content), packed.v, false)
	tables.rotate(k, key, ws.pos, c.HeadDim, 1)
	at := 0
	for i, s := range b.Segments {
		ws.segmentCache(i, s).layers[l].Append(key.RowsOf(at, at+s.Keys), value.RowsOf(at, at+s.Keys))
		at += s.Content
	}

	// Attention of both streams to their prefixes.
	q := growMat(&a.q, rows, c.queryWidth())
	k.MulPacked(q.RowsOf(first, rows), normed.RowsOf(first, rows), packed.q, false)
	tables.rotate(k, q.RowsOf(first, rows), ws.pos[first:], c.HeadDim, 1)
	k.Scale(q.RowsOf(first, rows).Data, float32(1/math.Sqrt(float64(c.HeadDim))))
	att, lse := growMat(&a.att, rows, c.queryWidth()), grow(&a.lse, rows*c.Heads)
	ws.eachSegment(b, first, func(_, from, to int, ends []int32, cache *Cache) {
		k.Attend(att.RowsOf(from, to), q.RowsOf(from, to), ends, cache.layers[l], lse[from*c.Heads:to*c.Heads], &ws.attn)
	})
	mid := growMat(&a.mid, rows, c.Hidden)
	copy(mid.RowsOf(first, rows).Data, x.RowsOf(first, rows).Data)
	k.MulPacked(mid.RowsOf(first, rows), att.RowsOf(first, rows), packed.o, true)

	// Feed-forward.
	active := func(m kernels.Mat) kernels.Mat { return m.RowsOf(first, rows) }
	k.RMSNorm(active(normed), active(mid), p.NormPost, grow(&a.rstdPost, rows)[first:], eps)
	gate, up, ffn := growMat(&a.gate, rows, c.FFN), growMat(&a.up, rows, c.FFN), growMat(&ws.ffn, rows, c.FFN)
	k.MulPacked(active(gate), active(normed), packed.gate, false)
	k.MulPacked(active(up), active(normed), packed.up, false)
	k.SiLUMul(active(ffn).Data, active(gate).Data, active(up).Data)
	y := growMat(out, rows, c.Hidden)
	base := mid
	if c.Residual == ResidualOfficial {
		base = normed
	}
	copy(active(y).Data, active(base).Data)
	k.MulPacked(active(y), active(ffn), packed.down, true)
}

// eachSegment calls f for the content rows and for the query rows of every segment,
// leaving out those before row first. from and to are rows of the batch, at is the
// segment's first content row.
func (ws *Workspace) eachSegment(b *Batch, first int, f func(at, from, to int, ends []int32, cache *Cache)) {
	content, _ := b.Rows()
	c, q := 0, 0
	for i, s := range b.Segments {
		cache := ws.segmentCache(i, s)
		if s.Content > 0 && first == 0 {
			f(c, c, c+s.Content, b.ContentEnd[c:c+s.Content], cache)
		}
		if s.Query > 0 {
			f(c, content+q, content+q+s.Query, b.QueryEnd[q:q+s.Query], cache)
		}
		c += s.Content
		q += s.Query
	}
}

// Logits computes the scores of the vocabulary for final query rows: dst [rows, V].
func (m *Model) Logits(dst, normed kernels.Mat) {
	m.k.MulPacked(dst, normed, m.head, false)
}
