package model

import (
	"math"

	"github.com/any-order/a3/core/kernels"
)

// chunkRows is how many rows of logits exist at a time while a loss is computed.
const chunkRows = 48

// LogProbs returns log p(target | what the row sees) of every query row, [Q], natural
// logarithm, valid until the workspace's next pass. The batch must have targets.
func (ws *Workspace) LogProbs(b *Batch) []float64 {
	normed := ws.Forward(b)
	ws.crossEntropy(b, normed, nil, 0)
	return ws.nll
}

// LossGrad adds the gradient of scale * sum(weight * nll) to grads, and returns
// sum(weight * nll) and sum(weight). The loss of a step divides by the weights of the
// whole step, so scale is one over their sum.
func (ws *Workspace) LossGrad(b *Batch, grads *Params, scale float64) (nll, weight float64) {
	ws.run(b, true)
	c := &ws.m.Config
	content, query := b.Rows()
	rows := content + query
	normed := kernels.NewMat(ws.normed, rows, c.Hidden).RowsOf(content, rows)
	nll, weight = ws.crossEntropy(b, normed, grads, scale)
	ws.backward(b, grads)
	return nll, weight
}

// crossEntropy scores the targets from the final query rows, a chunk of rows at a time:
// ws.nll receives their log-probabilities. With grads it also adds the head's gradient
// and leaves the gradient of the normed rows in ws.dmid.
func (ws *Workspace) crossEntropy(b *Batch, normed kernels.Mat, grads *Params, scale float64) (nll, weight float64) {
	m, c, k := ws.m, &ws.m.Config, ws.m.k
	content, query := b.Rows()
	if cap(ws.nll) < query {
		ws.nll = make([]float64, query)
	}
	ws.nll = ws.nll[:query]
	var dnormed kernels.Mat
	if grads != nil {
		dnormed = growMat(&ws.dmid, content+query, c.Hidden).RowsOf(content, content+query)
	}
	for r0 := 0; r0 < query; r0 += chunkRows {
		n := min(chunkRows, query-r0)
		rows := normed.RowsOf(r0, r0+n)
		logits := growMat(&ws.logits, n, c.Vocab)
		m.Logits(logits, rows)
		for r := range n {
			row, target := logits.Row(r), b.Target[r0+r]
			w := float64(b.Weight[r0+r])
			top, chosen := k.Max(row), row[target]
			sum := k.ExpSum(row, row, top)
			ws.nll[r0+r] = float64(chosen-top) - math.Log(float64(sum))
			nll -= w * ws.nll[r0+r]
			weight += w
			if grads != nil { // d(w nll)/dlogits = w (softmax - onehot)
				g := float32(w * scale)
				k.Scale(row, g/sum)
				row[target] -= g
			}
		}
		if grads != nil {
			k.Mul(dnormed.RowsOf(r0, r0+n), logits, m.Params.Head, false)
			k.MulTransposed(grads.Head, logits, rows, true)
		}
	}
	return nll, weight
}
