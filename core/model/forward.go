package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// Forward runs the rows of b through the network and returns the final, normed query
// rows [Q, H], valid until the workspace's next pass. Keys and values of the content
// rows are appended to the segments' caches.
func (ws *Workspace) Forward(b *Batch) kernels.Rows {
	ws.run(b, false)
	content, query := b.Rows()
	return ws.final.Slice(content, content+query)
}

// run computes the pass; keep saves each layer's activations for the backward.
func (ws *Workspace) run(b *Batch, keep bool) {
	m, c := ws.m, &ws.m.Config
	content, query := b.Rows()
	rows := content + query
	tables := m.rope.upTo(b.check(c))

	ws.pos = append(append(ws.pos[:0], b.ContentPos...), b.QueryPos...)
	inputs, acts := 1, 1
	if keep {
		inputs = c.Layers + 1
		if !ws.Recompute {
			acts = c.Layers
		}
	}
	for len(ws.inputs) < inputs {
		ws.inputs = append(ws.inputs, nil)
	}
	for len(ws.acts) < acts {
		ws.acts = append(ws.acts, activations{})
	}
	for i, s := range b.Segments {
		if s.Cache == nil {
			ws.segmentCache(i, s).Truncate(0)
		}
	}

	x := growMat(&ws.inputs[0], rows, c.Hidden)
	for r, t := range b.Token {
		m.w.lookup(x.Row(r), t)
	}
	for r := content; r < rows; r++ {
		copy(x.Row(r), m.w.query)
	}
	for l := range c.Layers {
		y := x // a layer's input is dead once its middle is known
		if keep {
			y = growMat(&ws.inputs[l+1], rows, c.Hidden)
		}
		a := &ws.acts[min(l, acts-1)]
		first := ws.first(b, l)
		ws.attention(b, l, a, x, first, tables, true)
		ws.feedForward(l, a, y, first, keep)
		x = y
	}
	first := ws.first(b, c.Layers-1)
	final := ws.resize(&ws.final, rows, c.Hidden)
	m.k.RMSNorm(final.Slice(first, rows), x.RowsOf(first, rows), m.w.norm, grow(&ws.rstd, rows)[first:], float32(c.NormEps))
}

// first returns the first row of which layer l computes more than keys and values: the
// last layer's content rows serve as nothing else.
func (ws *Workspace) first(b *Batch, l int) int {
	if l == ws.m.Config.Layers-1 && !b.WantContent {
		return len(b.Token)
	}
	return 0
}

// attention computes a.mid = x + attention(norm(x)) for the rows [first, R) of layer l.
// With store it computes keys and values of all content rows and appends them to the
// caches; otherwise they are there.
func (ws *Workspace) attention(b *Batch, l int, a *activations, x kernels.Mat, first int, tables *ropeTables, store bool) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	w := &m.w.layers[l]
	content := len(b.Token)
	rows := x.Rows
	key, value := growMat(&ws.k, content, c.kvWidth()), growMat(&ws.v, content, c.kvWidth())
	q, rstd := ws.resize(&a.q, rows, c.queryWidth()), grow(&a.rstdIn, rows)
	scale := float32(1 / math.Sqrt(float64(c.HeadDim)))
	blocks(0, rows, func(from, to int) {
		normed := ws.resize(&ws.normed, to-from, c.Hidden)
		k.RMSNorm(normed, x.RowsOf(from, to), w.normIn, rstd[from:to], float32(c.NormEps))
		if keys := min(to, content); from < keys && store {
			part := normed.Slice(0, keys-from)
			k.Mul(key.RowsOf(from, keys), part, w.fwd.k, false, &ws.s)
			k.Mul(value.RowsOf(from, keys), part, w.fwd.v, false, &ws.s)
			tables.rotate(k, key.RowsOf(from, keys), ws.pos[from:keys], c.HeadDim, 1)
		}
		if at := max(from, first); at < to {
			q32 := growMat(&ws.q32, to-at, c.queryWidth())
			k.Mul(q32, normed.Slice(at-from, to-from), w.fwd.q, false, &ws.s)
			tables.rotate(k, q32, ws.pos[at:to], c.HeadDim, 1)
			k.Scale(q32.Data, scale)
			k.Convert(q.Slice(at, to), q32)
		}
	})
	if store {
		at := 0
		for i, s := range b.Segments {
			ws.segmentCache(i, s).layers[l].Append(k, key.RowsOf(at, at+s.Keys), value.RowsOf(at, at+s.Keys))
			at += s.Content
		}
	}

	att, lse := ws.resize(&a.att, rows, c.queryWidth()), grow(&a.lse, rows*c.Heads)
	ws.eachSegment(b, first, func(_, from, to int, ends []int32, cache *Cache) {
		k.Attend(att.Slice(from, to), q.Slice(from, to), ends, cache.layers[l], 0, c.KVHeads, lse[from*c.Heads:to*c.Heads], &ws.s)
	})
	mid := growMat(&a.mid, rows, c.Hidden)
	blocks(first, rows, func(from, to int) {
		copy(mid.RowsOf(from, to).Data, x.RowsOf(from, to).Data)
		k.Mul(mid.RowsOf(from, to), att.Slice(from, to), w.fwd.o, true, &ws.s)
	})
}

// feedForward computes y = base + down(silu(gate(n)) * up(n)), n = norm(a.mid), for the
// rows [first, R) of layer l; keep saves gate(n) and up(n).
func (ws *Workspace) feedForward(l int, a *activations, y kernels.Mat, first int, keep bool) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	w := &m.w.layers[l]
	rows := y.Rows
	mid, rstd := kernels.NewMat(a.mid, rows, c.Hidden), grow(&a.rstdPost, rows)
	if keep {
		ws.resize(&a.gate, rows, c.FFN)
		ws.resize(&a.up, rows, c.FFN)
	}
	blocks(first, rows, func(from, to int) {
		normed, ffn := ws.resize(&ws.normed, to-from, c.Hidden), ws.resize(&ws.ffn, to-from, c.FFN)
		k.RMSNorm(normed, mid.RowsOf(from, to), w.normPost, rstd[from:to], float32(c.NormEps))
		var gate, up kernels.Rows
		if keep {
			gate, up = a.gate.Slice(from, to), a.up.Slice(from, to)
		}
		k.MulGated(ffn, gate, up, normed, w.fwd.gate, w.fwd.up, &ws.s)
		out := y.RowsOf(from, to)
		if c.Residual == ResidualOfficial {
			k.RMSNormApply(kernels.FloatRows(out), mid.RowsOf(from, to), w.normPost, rstd[from:to])
		} else {
			copy(out.Data, mid.RowsOf(from, to).Data)
		}
		k.Mul(out, ffn, w.fwd.down, true, &ws.s)
	})
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
func (m *Model) Logits(dst kernels.Mat, final kernels.Rows, s *kernels.Scratch) {
	m.k.Mul(dst, final, m.w.head, false, s)
}
