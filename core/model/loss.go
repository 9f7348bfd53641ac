package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// lossChunk is how many tokens of the vocabulary exist as logits at a time while a loss
// is computed, for at most blockRows rows: they stay in the second-level cache.
const lossChunk = 512

// LogProbs returns log p(target | what the row sees) of every query row, [Q], natural
// logarithm, valid until the workspace's next pass. The batch must have targets.
func (ws *Workspace) LogProbs(b *Batch) []float64 {
	ws.crossEntropy(b, ws.Forward(b))
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
	content, query := b.Rows()
	final := ws.final.Slice(content, content+query)
	nll, weight = ws.crossEntropy(b, final)
	ws.headGrad(b, final, g, shard, scale)
	ws.backward(b, g, shard)
	return nll, weight
}

// eachLogits computes the logits of final rows, a block of rows and a chunk of the
// vocabulary at a time.
func (ws *Workspace) eachLogits(final kernels.Rows, f func(r0, v0 int, logits kernels.Mat)) {
	c := &ws.m.Config
	blocks(0, final.N, func(from, to int) {
		for v0 := 0; v0 < c.Vocab; v0 += lossChunk {
			f(from, v0, ws.chunk(final.Slice(from, to), v0))
		}
	})
}

// chunk returns the logits of the tokens from v0 for the given rows.
func (ws *Workspace) chunk(rows kernels.Rows, v0 int) kernels.Mat {
	v1 := min(v0+lossChunk, ws.m.Config.Vocab)
	logits := growMat(&ws.logits, rows.N, v1-v0)
	head := ws.m.w.head.Columns(v0, v1)
	ws.m.k.Mul(logits, rows, &head, false, &ws.s)
	return logits
}

// crossEntropy scores the targets: ws.nll receives their log-probabilities, ws.max and
// ws.sum the softmax's largest logit and sum of exp(logit - max), gathered chunk by
// chunk (an online softmax).
func (ws *Workspace) crossEntropy(b *Batch, final kernels.Rows) (nll, weight float64) {
	k := ws.m.k
	ws.nll, ws.max, ws.sum = sized(ws.nll, final.N), sized(ws.max, final.N), sized(ws.sum, final.N)
	for r := range final.N {
		ws.max[r], ws.sum[r] = math.Inf(-1), 0
	}
	ws.eachLogits(final, func(r0, v0 int, logits kernels.Mat) {
		for i := range logits.Rows {
			r, row := r0+i, logits.Row(i)
			if t := int(b.Target[r]) - v0; t >= 0 && t < len(row) {
				ws.nll[r] = float64(row[t])
			}
			ws.max[r], ws.sum[r] = addExp(k, ws.max[r], ws.sum[r], row)
		}
	})
	for r, w := range b.Weight {
		ws.nll[r] -= ws.max[r] + math.Log(ws.sum[r])
		nll -= float64(w) * ws.nll[r]
		weight += float64(w)
	}
	return nll, weight
}

// addExp adds a chunk of logits to a softmax's sum of exp(logit - top); the chunk is
// overwritten.
func addExp(k *kernels.Kernels, top, sum float64, logits []float32) (float64, float64) {
	m := k.Max(logits)
	s := float64(k.ExpSum(logits, logits, m))
	if d := float64(m) - top; !(d <= 0) { // also a NaN, which stays
		return float64(m), sum*math.Exp(-d) + s
	} else {
		return top, sum + s*math.Exp(d)
	}
}

// LogSumExp returns the logarithm of the sum of exp(logits), with the bits that LogProbs
// subtracts from a target's logit. tmp is overwritten and has their length.
func LogSumExp(k *kernels.Kernels, logits, tmp []float32) float64 {
	top, sum := math.Inf(-1), 0.0
	for at := 0; at < len(logits); at += lossChunk {
		chunk := tmp[at:min(at+lossChunk, len(logits))]
		copy(chunk, logits[at:])
		top, sum = addExp(k, top, sum, chunk)
	}
	return top + math.Log(sum)
}

// headGrad adds the head's gradient and leaves that of the final rows in ws.dnormed. The
// logits are computed a second time, so that they never exist for the whole vocabulary.
func (ws *Workspace) headGrad(b *Batch, final kernels.Rows, g *Gradient, shard int, scale float64) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	dnormed := growMat(&ws.dnormed, final.N, c.Hidden)
	for v0 := 0; v0 < c.Vocab; v0 += lossChunk {
		v1 := min(v0+lossChunk, c.Vocab)
		dlogits := ws.resize(&ws.dlogits, final.N, v1-v0)
		back := m.w.headBack[v0/lossChunk]
		blocks(0, final.N, func(from, to int) {
			logits := ws.chunk(final.Slice(from, to), v0)
			for i := range logits.Rows { // d(w nll)/dlogits = w (softmax - onehot)
				r, row := from+i, logits.Row(i)
				w := float64(b.Weight[r]) * scale
				k.ExpSum(row, row, float32(ws.max[r]))
				k.Scale(row, float32(w/ws.sum[r]))
				if t := int(b.Target[r]) - v0; t >= 0 && t < len(row) {
					row[t] -= float32(w)
				}
			}
			k.Convert(dlogits.Slice(from, to), logits)
			k.Mul(dnormed.RowsOf(from, to), dlogits.Slice(from, to), back, v0 > 0, &ws.s)
		})
		g.inTurn(turnLayers+2*c.Layers+v0/lossChunk, shard, func() {
			k.MulTransposed(g.Params.Head.RowsOf(v0, v1), dlogits, final, shard > 0, &ws.s)
		})
	}
}

func sized(buf []float64, n int) []float64 {
	if cap(buf) < n {
		return make([]float64, n+cap(buf)/8)[:n]
	}
	return buf[:n]
}
