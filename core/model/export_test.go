package model

import "github.com/any-order/a3/core/kernels"

// RunAll runs the batch and returns the rows after every layer, each [R, H], those
// after the final norm, and the logits of the query rows.
func (ws *Workspace) RunAll(b *Batch) (layers []kernels.Mat, normed, logits kernels.Mat) {
	ws.run(b, true)
	c := &ws.m.Config
	content, query := b.Rows()
	rows := content + query
	for l := 1; l < c.Layers; l++ {
		layers = append(layers, kernels.NewMat(ws.inputs[l], rows, c.Hidden))
	}
	layers = append(layers, kernels.NewMat(ws.inputs[c.Layers], rows, c.Hidden))
	normed = ws.final.Mat()
	logits = kernels.NewMat(make([]float32, query*c.Vocab), query, c.Vocab)
	for i := range c.Chunks() {
		part, first := ws.Chunk(ws.final.Slice(content, rows), i)
		for r := range query {
			copy(logits.Row(r)[first:], part.Row(r))
		}
	}
	return layers, normed, logits
}

// RopeTables returns the frequencies' cosines and sines, [positions, HeadDim/2].
func (m *Model) RopeTables(positions int) (cos, sin []float32) {
	t := m.rope.upTo(positions)
	n := positions * len(m.rope.freq)
	return t.cos[:n], t.sin[:n]
}

// RopeFreq returns the frequencies after scaling, [HeadDim/2].
func (m *Model) RopeFreq() []float64 { return m.rope.freq }
