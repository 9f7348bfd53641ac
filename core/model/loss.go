package model

import "github.com/any-order/a3/core/kernels"

// LogProbs returns log p(target | what the row sees) of every scored row, [Next+Q],
// natural logarithm, valid until the workspace's next pass. The batch must have targets.
func (ws *Workspace) LogProbs(b *Batch) []float64 {
	ws.run(b, false)
	ws.crossEntropy(b, ws.scored(b))
	return ws.nll
}

// LossGrad computes the gradient of scale * sum(weight * nll) as shard number shard of
// g, and returns sum(weight * nll) and sum(weight). The loss of a step divides by the
// weights of the whole step, so scale is one over their sum.
//
// Shards may be computed at the same time, each with a workspace of its own, if they are
// begun in ascending order from 0: a shard waits for those before it.
func (ws *Workspace) LossGrad(b *Batch, g *Gradient, shard int, scale float64) (nll, weight float64) {
	ws.run(b, true)
	final := ws.scored(b)
	nll, weight = ws.crossEntropy(b, final)
	ws.headGrad(b, final, g, shard, scale)
	ws.backward(b, g, shard)
	return nll, weight
}

// crossEntropy scores the targets: ws.nll receives their log-probabilities, ws.softmax
// the denominators.
func (ws *Workspace) crossEntropy(b *Batch, final kernels.Rows) (nll, weight float64) {
	k := ws.m.k
	ws.nll, ws.softmax = sized(ws.nll, final.N), sized(ws.softmax, final.N)
	blocks(0, final.N, func(from, to int) {
		sums := ws.softmax[from:to]
		for r := range sums {
			sums[r] = NewSoftmax()
		}
		for i := range ws.m.Config.Chunks() {
			logits, first := ws.Chunk(final.Slice(from, to), i)
			for r := range sums {
				row := logits.Row(r)
				if t := int(b.Target[from+r]) - first; t >= 0 && t < len(row) {
					ws.nll[from+r] = float64(row[t])
				}
				most := k.Max(row)
				sums[r].Add(most, k.ExpSum(row, row, most))
			}
		}
	})
	for r, w := range b.Weight {
		ws.nll[r] -= ws.softmax[r].Log()
		nll -= float64(w) * ws.nll[r]
		weight += float64(w)
	}
	return nll, weight
}

// headGrad adds the head's gradient and leaves that of the final rows in ws.dnormed. The
// logits are computed a second time, so that they never exist for the whole vocabulary.
func (ws *Workspace) headGrad(b *Batch, final kernels.Rows, g *Gradient, shard int, scale float64) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	dnormed := growMat(&ws.dnormed, final.N, c.Hidden)
	for i := range c.Chunks() {
		v0 := i * headChunk
		v1 := min(v0+headChunk, c.Vocab)
		dlogits := ws.resize(&ws.dlogits, final.N, v1-v0)
		back := m.w.headBack[i]
		blocks(0, final.N, func(from, to int) {
			logits, _ := ws.Chunk(final.Slice(from, to), i)
			for j := range logits.Rows { // d(w nll)/dlogits = w (softmax - onehot)
				r, row := from+j, logits.Row(j)
				w := float64(b.Weight[r]) * scale
				k.ExpSum(row, row, float32(ws.softmax[r].Max))
				k.Scale(row, float32(w/ws.softmax[r].Sum))
				if t := int(b.Target[r]) - v0; t >= 0 && t < len(row) {
					row[t] -= float32(w)
				}
			}
			k.Convert(dlogits.Slice(from, to), logits)
			k.Mul(dnormed.RowsOf(from, to), dlogits.Slice(from, to), back, v0 > 0, &ws.s)
		})
		g.inTurn(turnLayers+2*c.Layers+i, shard, func() {
			if head := g.Params.Head; head.Data != nil {
				k.MulTransposed(head.RowsOf(v0, v1), dlogits, final, shard > 0, &ws.s)
			}
		})
	}
}

func sized[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n+cap(buf)/8)[:n]
	}
	return buf[:n]
}
