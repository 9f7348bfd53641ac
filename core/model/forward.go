package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// Forward runs the rows of b through the network and returns the final, normed rows that
// are scored [Next+Q, H], content rows first, valid until the workspace's next pass. Keys
// and values of the content rows are appended to the segments' caches.
func (ws *Workspace) Forward(b *Batch) kernels.Rows {
	ws.run(b, false)
	return ws.scored(b)
}

// run computes the pass; keep saves each layer's activations for the backward.
func (ws *Workspace) run(b *Batch, keep bool) {
	m, c := ws.m, &ws.m.Config
	content, query := b.Rows()
	rows := content + query
	ws.keep = keep
	ws.share(rows)
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
	ws.starts = ws.starts[:0]
	at := 0
	for i, s := range b.Segments {
		ws.starts = append(ws.starts, at)
		at += s.Content
		if s.Cache == nil {
			ws.segmentCache(i, s).Truncate(0)
		}
	}

	x := growMat(&ws.inputs[0], rows, c.Hidden)
	for r, t := range b.Token {
		m.w.lookup(x.Row(r), t)
	}
	for r := content; r < rows; r++ {
		m.queryInput(x.Row(r), b, r-content)
	}
	for l := range c.Layers {
		y := x // a layer's input is dead once its middle is known
		if keep {
			y = growMat(&ws.inputs[l+1], rows, c.Hidden)
		}
		a := &ws.acts[min(l, acts-1)]
		first := ws.first(b, l)
		ws.attention(b, l, a, x, first, tables, true)
		ws.feedForward(l, a, y, first, keep && !ws.Recompute, false)
		x = y
	}
	first := ws.first(b, c.Layers-1)
	final := ws.operand(&ws.final, rows, c.Hidden)
	m.k.RMSNorm(final.Slice(first, rows), x.RowsOf(first, rows), m.w.norm, grow(&ws.rstd, rows)[first:], float32(c.NormEps))
	m.k.Quantize(final.Slice(first, rows))
}

// scored returns the final, normed rows that are scored [Next+Q], after run.
func (ws *Workspace) scored(b *Batch) kernels.Rows {
	content, query := b.Rows()
	return ws.final.Slice(b.firstScored(), content+query)
}

// first returns the first row of which layer l computes more than keys and values: in the
// last layer, rows that are not scored serve as nothing else.
func (ws *Workspace) first(b *Batch, l int) int {
	if l == ws.m.Config.Layers-1 && !b.WantContent {
		return b.firstScored()
	}
	return 0
}

// layer is what the parts of a layer's forward work on.
type layer struct {
	w              *layerWeights
	a              *activations
	x, y           kernels.Mat // input and output [R, H]
	key, value     kernels.Mat // [C, kv]
	content, first int         // content rows; the first row that has a query
	tables         *ropeTables
	store, keep    bool
	again          bool // only what the backward needs is computed, a second time
	behind         group
}

// attention computes a.mid = x + attention(norm(x)) for the rows [first, R) of layer l.
// With store it computes keys and values of all content rows and appends them to the
// caches; otherwise they are there.
func (ws *Workspace) attention(b *Batch, l int, a *activations, x kernels.Mat, first int, tables *ropeTables, store bool) {
	c, rows, content := &ws.m.Config, x.Rows, len(b.Token)
	ws.now = layer{
		w: &ws.m.w.layers[l], a: a, x: x, content: content, first: first, tables: tables, store: store,
		key: growMat(&ws.k, content, c.kvWidth()), value: growMat(&ws.v, content, c.kvWidth()),
	}
	ws.resize(&a.q, rows, c.queryWidth())
	grow(&a.rstdIn, rows)
	ws.rows(0, rows, (*Workspace).project)
	if store {
		ws.appendAll(b, l)
	}
	ws.operand(&a.att, rows, c.queryWidth())
	if ws.keep {
		grow(&a.lse, rows*c.Heads)
	}
	ws.attendAll(b, l, first)
	growMat(&a.mid, rows, c.Hidden)
	ws.rows(first, rows, (*Workspace).addAttention)
}

// project computes queries, keys and values of the rows [from, to), with the temporary
// memory of tmp.
func (ws *Workspace) project(tmp *Workspace, from, to int) {
	n, c := &ws.now, &ws.m.Config
	normed := ws.operand(&tmp.normed, to-from, c.Hidden)
	tmp.norm(normed, n.x.RowsOf(from, to), n.w.normIn, n.a.rstdIn[from:to])
	var list [3]product
	todo := list[:0]
	keys := min(to, n.content)
	if !n.store || keys < from {
		keys = from
	}
	key, value := n.key.RowsOf(from, keys), n.value.RowsOf(from, keys)
	if from < keys {
		part := normed.Slice(0, keys-from)
		todo = append(todo, product{c: key, a: part, b: n.w.fwd.k}, product{c: value, a: part, b: n.w.fwd.v})
	}
	at := min(max(from, n.first), to)
	q32 := growMat(&tmp.q32, to-at, c.queryWidth())
	if at < to {
		todo = append(todo, product{c: q32, a: normed.Slice(at-from, to-from), b: n.w.fwd.q})
	}
	tmp.mul(group{n.w.fwd.o}, todo...)
	tmp.turning = turning{key: key, q32: q32, q: n.a.q.Slice(at, to), skip: at - from, pos: ws.pos[from:to], tables: n.tables}
	tmp.deal(to-from, (*Workspace).turn)
}

// norming is an RMSNorm.
type norming struct {
	dst          kernels.Rows
	x            kernels.Mat
	weight, rstd []float32
}

// norm is kernels.RMSNorm.
func (ws *Workspace) norm(dst kernels.Rows, x kernels.Mat, weight, rstd []float32) {
	ws.norming = norming{dst, x, weight, rstd}
	ws.deal(x.Rows, (*Workspace).normRows)
}

func (ws *Workspace) normRows(from, to int) {
	n := &ws.norming
	dst := n.dst.Slice(from, to)
	ws.m.k.RMSNorm(dst, n.x.RowsOf(from, to), n.weight, n.rstd[from:to], float32(ws.m.Config.NormEps))
	ws.m.k.Quantize(dst)
}

// quantize makes the integers that rows hold.
func (ws *Workspace) quantize(r kernels.Rows) {
	if ws.m.Type == kernels.Int8 {
		ws.quantizing = r
		ws.deal(r.N, (*Workspace).quantizeRows)
	}
}

func (ws *Workspace) quantizeRows(from, to int) { ws.m.k.Quantize(ws.quantizing.Slice(from, to)) }

// turning is what project does with the results of its products.
type turning struct {
	key, q32 kernels.Mat
	q        kernels.Rows // receives q32, scaled
	skip     int          // rows before the first of q32
	pos      []int32
	tables   *ropeTables
}

// turn turns keys and queries by their positions, for the rows [from, to).
func (ws *Workspace) turn(from, to int) {
	t, c, k := &ws.turning, &ws.m.Config, ws.m.k
	if keys := min(to, t.key.Rows); from < keys {
		t.tables.rotate(k, t.key.RowsOf(from, keys), t.pos[from:keys], c.HeadDim, 1)
	}
	if from = max(from, t.skip); from < to {
		q32 := t.q32.RowsOf(from-t.skip, to-t.skip)
		t.tables.rotate(k, q32, t.pos[from:to], c.HeadDim, 1)
		k.Scale(q32.Data, float32(1/math.Sqrt(float64(c.HeadDim))))
		k.Convert(t.q.Slice(from-t.skip, to-t.skip), q32)
	}
}

// addAttention computes mid = x + o(attention) for the rows [from, to).
func (ws *Workspace) addAttention(tmp *Workspace, from, to int) {
	n := &ws.now
	mid := kernels.NewMat(n.a.mid, n.x.Rows, n.x.Cols).RowsOf(from, to)
	att := n.a.att.Slice(from, to)
	tmp.quantize(att)
	tmp.mul(group{n.w.fwd.gate}, product{c: mid, base: n.x.RowsOf(from, to), a: att, b: n.w.fwd.o})
}

// feedForward computes y = base + down(silu(gate(n)) * up(n)), n = norm(a.mid), for the
// rows [first, R) of layer l; keep saves gate(n) and up(n), and again computes nothing
// behind them.
func (ws *Workspace) feedForward(l int, a *activations, y kernels.Mat, first int, keep, again bool) {
	c, rows := &ws.m.Config, y.Rows
	ws.now = layer{w: &ws.m.w.layers[l], a: a, y: y, keep: keep, again: again, behind: ws.m.w.behind(l)}
	grow(&a.rstdPost, rows)
	if keep {
		ws.resize(&a.gate, rows, c.FFN)
		ws.resize(&a.up, rows, c.FFN)
	}
	ws.rows(first, rows, (*Workspace).addFeedForward)
}

// addFeedForward is feedForward for the rows [from, to).
func (ws *Workspace) addFeedForward(tmp *Workspace, from, to int) {
	n, c, k := &ws.now, &ws.m.Config, ws.m.k
	mid, rstd, out := kernels.NewMat(n.a.mid, n.y.Rows, c.Hidden).RowsOf(from, to), n.a.rstdPost[from:to], n.y.RowsOf(from, to)
	normed, ffn := ws.operand(&tmp.normed, to-from, c.Hidden), ws.operand(&tmp.ffn, to-from, c.FFN)
	tmp.norm(normed, mid, n.w.normPost, rstd)
	var gate, up kernels.Rows
	if n.keep {
		gate, up = n.a.gate.Slice(from, to), n.a.up.Slice(from, to)
	}
	tmp.mulGated(ffn, gate, up, normed, &n.w.fwd)
	if n.again {
		return
	}
	base := mid
	if c.Residual == ResidualOfficial {
		k.RMSNormApply(kernels.FloatRows(out), mid, n.w.normPost, rstd)
		base = out
	}
	tmp.quantize(ffn)
	tmp.mul(n.behind, product{c: out, base: base, a: ffn, b: n.w.fwd.down})
}

// eachSegment calls f for the content rows and for the query rows of every segment,
// leaving out those before row first. from and to are rows of the batch, at is the
// segment's first content row.
func (ws *Workspace) eachSegment(b *Batch, first int, f func(at, from, to int, ends []int32, cache *Cache)) {
	content, _ := b.Rows()
	c, q := 0, 0
	for i, s := range b.Segments {
		cache := ws.segmentCache(i, s)
		if from := max(c, first); from < c+s.Content {
			f(c, from, c+s.Content, b.ContentEnd[from:c+s.Content], cache)
		}
		if s.Query > 0 {
			f(c, content+q, content+q+s.Query, b.QueryEnd[q:q+s.Query], cache)
		}
		c += s.Content
		q += s.Query
	}
}
