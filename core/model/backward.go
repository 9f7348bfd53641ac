package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// backward adds the gradients of all parameters but the head, from the gradient of the
// normed query rows in ws.dmid. Each part mirrors the forward line by line.
func (ws *Workspace) backward(b *Batch, grads *Params) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	content, query := b.Rows()
	rows := content + query
	tables := m.rope.upTo(0)

	// Final norm: only query rows have a gradient.
	dx := growMat(&ws.dx, rows, c.Hidden)
	clear(dx.Data)
	final := kernels.NewMat(ws.final, rows, c.Hidden)
	dmid := kernels.NewMat(ws.dmid, rows, c.Hidden)
	k.RMSNormGrad(dx.RowsOf(content, rows), dmid.RowsOf(content, rows), final.RowsOf(content, rows),
		m.Params.Norm, ws.rstd[content:], grads.Norm)

	for l := c.Layers - 1; l >= 0; l-- {
		first := 0
		if l == c.Layers-1 && !b.WantContent {
			first = content
		}
		ws.layerGrad(b, l, first, &grads.Layers[l], tables)
	}

	// Embeddings.
	for r, t := range b.Token {
		if t != c.PadToken {
			k.Axpy(grads.Embed.Row(int(t)), dx.Row(r), 1)
		}
	}
	for r := content; r < rows; r++ {
		k.Axpy(grads.Query, dx.Row(r), 1)
	}
}

// layerGrad turns the gradient of layer l's output, in ws.dx, into that of its input.
func (ws *Workspace) layerGrad(b *Batch, l, first int, g *LayerParams, tables *ropeTables) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	p, a := &m.Params.Layers[l], &ws.layers[l]
	content, query := b.Rows()
	rows := content + query
	active := func(m kernels.Mat) kernels.Mat { return m.RowsOf(first, rows) }
	mat := func(buf []float32, cols int) kernels.Mat { return kernels.NewMat(buf, rows, cols) }
	dx, normed := mat(ws.dx, c.Hidden), growMat(&ws.normed, rows, c.Hidden)

	// Feed-forward: y = base + down(silu(gate(n)) * up(n)), n = norm(mid).
	mid, gate, up := mat(a.mid, c.Hidden), mat(a.gate, c.FFN), mat(a.up, c.FFN)
	ffn, dffn := growMat(&ws.ffn, rows, c.FFN), growMat(&ws.dffn, rows, c.FFN)
	k.SiLUMul(active(ffn).Data, active(gate).Data, active(up).Data)
	k.Mul(active(dffn), active(dx), p.Down, false)
	k.MulTransposed(g.Down, active(dx), active(ffn), true)
	dgate, dup := growMat(&ws.dgate, rows, c.FFN), growMat(&ws.dup, rows, c.FFN)
	k.SiLUMulGrad(active(dgate).Data, active(dup).Data, active(gate).Data, active(up).Data, active(dffn).Data)
	k.RMSNormApply(active(normed), active(mid), p.NormPost, a.rstdPost[first:])
	k.MulTransposed(g.Gate, active(dgate), active(normed), true)
	k.MulTransposed(g.Up, active(dup), active(normed), true)
	dnorm := growMat(&ws.dnorm, rows, c.Hidden)
	k.Mul(active(dnorm), active(dgate), p.Gate, false)
	k.Mul(active(dnorm), active(dup), p.Up, true)
	if c.Residual == ResidualOfficial { // the base was the normed stream: mid is read through the norm alone
		k.Axpy(active(dnorm).Data, active(dx).Data, 1)
		clear(active(dx).Data)
	}
	k.RMSNormGrad(active(dx), active(dnorm), active(mid), p.NormPost, a.rstdPost[first:], g.NormPost)

	// Attention: mid = x + o(attend(q, K, V)).
	att, q := mat(a.att, c.queryWidth()), mat(a.q, c.queryWidth())
	datt, dq := growMat(&ws.datt, rows, c.queryWidth()), growMat(&ws.dq, rows, c.queryWidth())
	k.Mul(active(datt), active(dx), p.O, false)
	k.MulTransposed(g.O, active(dx), active(att), true)
	dk, dv := growMat(&ws.dk, content, c.kvWidth()), growMat(&ws.dv, content, c.kvWidth())
	clear(dk.Data)
	clear(dv.Data)
	ws.eachSegment(b, first, func(at, from, to int, ends []int32, cache *Cache) {
		kv := cache.layers[l]
		k.AttendGrad(dq.RowsOf(from, to), dk.RowsOf(at, at+kv.Len), dv.RowsOf(at, at+kv.Len),
			datt.RowsOf(from, to), att.RowsOf(from, to), q.RowsOf(from, to), ends, kv, a.lse[from*c.Heads:to*c.Heads], &ws.attn)
	})
	k.Scale(active(dq).Data, float32(1/math.Sqrt(float64(c.HeadDim))))
	tables.rotate(k, active(dq), ws.pos[first:], c.HeadDim, -1)
	tables.rotate(k, dk, ws.pos, c.HeadDim, -1)

	// Input norm, read by q (active rows) and by k and v (content rows).
	x := mat(a.x, c.Hidden)
	k.RMSNormApply(normed, x, p.NormIn, a.rstdIn)
	k.MulTransposed(g.Q, active(dq), active(normed), true)
	k.MulTransposed(g.K, dk, normed.RowsOf(0, content), true)
	k.MulTransposed(g.V, dv, normed.RowsOf(0, content), true)
	clear(dnorm.RowsOf(0, first).Data)
	k.Mul(active(dnorm), active(dq), p.Q, false)
	k.Mul(dnorm.RowsOf(0, content), dk, p.K, true)
	k.Mul(dnorm.RowsOf(0, content), dv, p.V, true)
	k.RMSNormGrad(dx, dnorm, x, p.NormIn, a.rstdIn, g.NormIn)
}
