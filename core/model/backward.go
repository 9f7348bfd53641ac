package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// backward adds the gradients of all parameters but the head, from the gradient of the
// scored rows after the final norm in ws.dnormed. Each part mirrors the forward line by
// line. Gradients of weights are added when it is the shard's turn.
func (ws *Workspace) backward(b *Batch, g *Gradient, shard int) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	content, query := b.Rows()
	rows, scored := content+query, b.firstScored()
	tables := m.rope.upTo(0)

	// Final norm: only scored rows have a gradient.
	dx := growMat(&ws.dx, rows, c.Hidden)
	clear(dx.Data)
	x := kernels.NewMat(ws.inputs[c.Layers], rows, c.Hidden)
	dnormed := kernels.NewMat(ws.dnormed, rows-scored, c.Hidden)
	k.RMSNormGrad(dx.RowsOf(scored, rows), dnormed, x.RowsOf(scored, rows), m.w.norm, ws.rstd[scored:], ws.zeroWeight())
	g.inTurn(turnNorm, shard, func() { addNorm(k, g.Params.Norm, ws.dweight) })

	for l := c.Layers - 1; l >= 0; l-- {
		first := ws.first(b, l)
		a, x := &ws.acts[0], kernels.NewMat(ws.inputs[l], rows, c.Hidden)
		if ws.Recompute {
			ws.attention(b, l, a, x, first, tables, false)
			ws.feedForward(l, a, kernels.NewMat(ws.inputs[l+1], rows, c.Hidden), first, true, true)
		} else {
			a = &ws.acts[l]
		}
		ws.feedForwardGrad(l, a, dx, first, g, shard)
		ws.attentionGrad(b, l, a, x, dx, first, tables, g, shard)
	}

	// Embeddings.
	g.inTurn(turnEmbed, shard, func() {
		lookup := func(r int, t int32) {
			if t != c.PadToken && g.lookups.Data != nil {
				k.Axpy(g.lookups.Row(int(t)), dx.Row(r), 1)
			}
		}
		for r, t := range b.Token {
			lookup(r, t)
		}
		for r := content; r < rows; r++ {
			if t := b.copied(r - content); t < 0 {
				k.Axpy(g.Params.Query, dx.Row(r), 1)
			} else {
				lookup(r, t)
			}
		}
	})
}

func (ws *Workspace) zeroWeight() []float32 {
	w := grow(&ws.dweight, ws.m.Config.Hidden)
	clear(w)
	return w
}

// feedForwardGrad turns the gradient of layer l's output, in dx, into that of its
// middle: y = base + down(silu(gate(n)) * up(n)), n = norm(mid).
func (ws *Workspace) feedForwardGrad(l int, a *activations, dx kernels.Mat, first int, g *Gradient, shard int) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	w, rows := &m.w.layers[l], dx.Rows
	mid := kernels.NewMat(a.mid, rows, c.Hidden)
	dy, normed := ws.resize(&ws.dy, rows, c.Hidden), ws.resize(&ws.mids, rows, c.Hidden)
	ffn, dgate, dup := ws.resize(&ws.ffn, rows, c.FFN), ws.resize(&ws.dgate, rows, c.FFN), ws.resize(&ws.dup, rows, c.FFN)
	dweight := ws.zeroWeight()
	blocks(first, rows, func(from, to int) {
		in, out := mid.RowsOf(from, to), dx.RowsOf(from, to)
		k.Convert(dy.Slice(from, to), out)
		k.MulGatedGrad(dgate.Slice(from, to), dup.Slice(from, to), ffn.Slice(from, to), dy.Slice(from, to),
			w.back.down, a.gate.Slice(from, to), a.up.Slice(from, to), &ws.s)
		k.RMSNormApply(normed.Slice(from, to), in, w.normPost, a.rstdPost[from:to])
		dnorm := growMat(&ws.dnorm, to-from, c.Hidden)
		k.MulSum(dnorm, &ws.s, kernels.Term{A: dgate.Slice(from, to), B: w.back.gate}, kernels.Term{A: dup.Slice(from, to), B: w.back.up})
		if c.Residual == ResidualOfficial { // the base was the normed stream: mid is read through the norm alone
			k.Axpy(dnorm.Data, out.Data, 1)
			clear(out.Data)
		}
		k.RMSNormGrad(out, dnorm, in, w.normPost, a.rstdPost[from:to], dweight)
	})
	g.inTurn(turnLayers+2*l+1, shard, func() {
		add := shard > 0
		active := func(r kernels.Rows) kernels.Rows { return r.Slice(first, rows) }
		ws.linearGrad(g, l, mapDown, active(dy), active(ffn), add)
		ws.linearGrad(g, l, mapGate, active(dgate), active(normed), add)
		ws.linearGrad(g, l, mapUp, active(dup), active(normed), add)
		addNorm(k, g.Params.Layers[l].NormPost, dweight)
	})
}

// attentionGrad turns the gradient of layer l's middle, in dx, into that of its input x:
// mid = x + o(attend(q, K, V)), with q, K and V linear in norm(x).
func (ws *Workspace) attentionGrad(b *Batch, l int, a *activations, x, dx kernels.Mat, first int, tables *ropeTables, g *Gradient, shard int) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	w, rows, content := &m.w.layers[l], dx.Rows, len(b.Token)
	dy, datt := ws.resize(&ws.dy, rows, c.Hidden), ws.resize(&ws.datt, rows, c.queryWidth())
	blocks(first, rows, func(from, to int) {
		k.Convert(dy.Slice(from, to), dx.RowsOf(from, to))
		k.MulRows(datt.Slice(from, to), dy.Slice(from, to), w.back.o, &ws.s)
	})
	dq := growMat(&ws.dq, rows, c.queryWidth())
	dk, dv := growMat(&ws.dk, content, c.kvWidth()), growMat(&ws.dv, content, c.kvWidth())
	clear(dk.Data)
	clear(dv.Data)
	ws.eachSegment(b, first, func(at, from, to int, ends []int32, cache *Cache) {
		kv := cache.layers[l]
		k.AttendGrad(dq.RowsOf(from, to), dk.RowsOf(at, at+kv.Len), dv.RowsOf(at, at+kv.Len),
			datt.Slice(from, to), a.att.Slice(from, to), a.q.Slice(from, to), ends, kv, a.lse[from*c.Heads:to*c.Heads], &ws.s)
	})

	// Input norm, read by q (rows from first) and by k and v (content rows).
	dqRows, normed := ws.resize(&ws.dqRows, rows, c.queryWidth()), ws.resize(&ws.mids, rows, c.Hidden)
	dkRows, dvRows := ws.resize(&ws.dkRows, content, c.kvWidth()), ws.resize(&ws.dvRows, content, c.kvWidth())
	dweight := ws.zeroWeight()
	scale := float32(1 / math.Sqrt(float64(c.HeadDim)))
	blocks(0, rows, func(from, to int) {
		in := x.RowsOf(from, to)
		k.RMSNormApply(normed.Slice(from, to), in, w.normIn, a.rstdIn[from:to])
		dnorm := growMat(&ws.dnorm, to-from, c.Hidden)
		at := min(max(from, first), to) // rows with a query begin here
		if at < to {
			part := dq.RowsOf(at, to)
			k.Scale(part.Data, scale)
			tables.rotate(k, part, ws.pos[at:to], c.HeadDim, -1)
			k.Convert(dqRows.Slice(at, to), part)
		}
		keys := min(max(from, content), to) // content rows end here
		q := func(from, to int) kernels.Term { return kernels.Term{A: dqRows.Slice(from, to), B: w.back.q} }
		if from < keys {
			part := dk.RowsOf(from, keys)
			tables.rotate(k, part, ws.pos[from:keys], c.HeadDim, -1)
			k.Convert(dkRows.Slice(from, keys), part)
			k.Convert(dvRows.Slice(from, keys), dv.RowsOf(from, keys))
			key := func(from, to int) kernels.Term { return kernels.Term{A: dkRows.Slice(from, to), B: w.back.k} }
			value := func(from, to int) kernels.Term { return kernels.Term{A: dvRows.Slice(from, to), B: w.back.v} }
			both := min(at, keys) // rows with key and query begin here
			if from < both {
				k.MulSum(dnorm.RowsOf(0, both-from), &ws.s, key(from, both), value(from, both))
			}
			if both < keys {
				k.MulSum(dnorm.RowsOf(both-from, keys-from), &ws.s, q(both, keys), key(both, keys), value(both, keys))
			}
		}
		if keys < to {
			k.MulSum(dnorm.RowsOf(keys-from, to-from), &ws.s, q(keys, to))
		}
		k.RMSNormGrad(dx.RowsOf(from, to), dnorm, in, w.normIn, a.rstdIn[from:to], dweight)
	})
	g.inTurn(turnLayers+2*l, shard, func() {
		add := shard > 0
		ws.linearGrad(g, l, mapO, dy.Slice(first, rows), a.att.Slice(first, rows), add)
		ws.linearGrad(g, l, mapQ, dqRows.Slice(first, rows), normed.Slice(first, rows), add)
		ws.linearGrad(g, l, mapK, dkRows, normed.Slice(0, content), add)
		ws.linearGrad(g, l, mapV, dvRows, normed.Slice(0, content), add)
		addNorm(k, g.Params.Layers[l].NormIn, dweight)
	})
}
