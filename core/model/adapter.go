package model

import (
	"fmt"
	"strings"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
)

// Frozen weights and adapters. Passes know nothing of either: products read W + s B A,
// merged and rounded, packed again after each step, so that what is trained and measured is
// what is written at the end. The gradient of an adapter needs no gradient of W:
//
//	y = (W + s B A) x    dB = dyᵀ u, u = s x Aᵀ    dA = vᵀ x, v = s dy B
//
// which costs what W's would, times Rank (1/in + 1/out).

// Adapter is the trained part of a linear map whose weights are frozen: W + s B A. Both are
// empty where there is none.
type Adapter struct {
	A kernels.Mat // [Rank, in]
	B kernels.Mat // [out, Rank]
}

// adapter returns the shape of one of the two matrices of a linear map's adapter.
func (s shape) adapter(part Part, rows, cols int) shape {
	return shape{s.adapterName(part), []int{rows, cols}, part, s.place}
}

// adapterName returns its name, which is that of Hugging Face's PEFT.
func (s shape) adapterName(part Part) string {
	return strings.TrimSuffix(s.name, "weight") + string(part) + ".weight"
}

// adapterPanels are an adapter's matrices, for its gradient.
type adapterPanels struct{ a, b *kernels.Panels } // [in, Rank], [out, Rank]

// scale returns s.
func (l *LoRA) scale() float32 { return float32(l.Alpha / float64(l.Rank)) }

// InitAdapters draws the adapters' A, normal as weights are from scratch, and leaves B zero:
// the model is at first what it was. Keyed by the seed and the place of the frozen tensor.
func (p *Params) InitAdapters(seed uint64) {
	for i := range p.Layers {
		for j := range p.Layers[i].LoRA {
			clear(p.Layers[i].LoRA[j].B.Data)
		}
	}
	for _, t := range p.Tensors {
		if t.part == partLoRAA {
			t.draw(seed, t.initStd())
		}
	}
}

// merge stores elements of a frozen linear map in dst, from first on, with its adapter's
// share.
func (m *Model) merge(dst []float32, s shape, a Adapter, first int) error {
	if err := m.base.Float32At(s.name, first, dst); err != nil {
		return fmt.Errorf("load %s: %w", s.name, err)
	}
	if a.A.Data == nil {
		return nil
	}
	for cols := s.dims[1]; len(dst) > 0; {
		row, col := first/cols, first%cols
		n := min(cols-col, len(dst))
		for r, b := range a.B.Row(row) {
			m.k.Axpy(dst[:n], a.A.Row(r)[col:col+n], m.Trained.LoRA.scale()*b)
		}
		first, dst = first+n, dst[n:]
	}
	return nil
}

// packLayer prepares the linear maps of a layer that are trained or have adapters.
func (m *Model) packLayer(i int, ws *Workspace) {
	p := &m.Params.Layers[i]
	for j, w := range p.linear() {
		if a := p.LoRA[j]; a.A.Data != nil {
			s := linearShapes(m.shapes, i)[j]
			w = growMat(&ws.merged, s.dims[0], s.dims[1])
			if err := m.merge(w.Data, s, a, 0); err != nil {
				panic(err) // it was read before: the checkpoint was closed too early
			}
			panels := &m.w.layers[i].lora[j]
			panels.a.PackTransposed(m.k, a.A, &ws.s)
			panels.b.Pack(m.k, a.B, &ws.s)
		}
		if w.Data != nil {
			m.packLinear(i, j, w, &ws.s)
		}
	}
}

// packLinear packs linear map j of layer i.
func (m *Model) packLinear(i, j int, w kernels.Mat, s *kernels.Scratch) {
	l := &m.w.layers[i]
	(*l.fwd.list()[j]).PackTransposed(m.k, w, s)
	(*l.back.list()[j]).Pack(m.k, w, s)
}

// linearGrad adds the gradient of linear map j of layer l, y = W x, from its input and the
// gradient of its output: W's own, its adapter's, or nothing if it is frozen.
func (ws *Workspace) linearGrad(g *Gradient, l, j int, dy, x kernels.Rows, add bool) {
	p, k := &g.Params.Layers[l], ws.m.k
	if w := p.linear()[j]; w.Data != nil {
		k.MulTransposed(w, dy, x, add, &ws.s)
		return
	}
	if d, w := p.LoRA[j], ws.m.w.layers[l].lora[j]; d.A.Data != nil {
		k.MulTransposed(d.B, dy, ws.lowRank(x, w.a), add, &ws.s)
		k.MulTransposed(d.A, ws.lowRank(dy, w.b), x, add, &ws.s)
	}
}

// lowRank computes s x p, valid until it is called again.
func (ws *Workspace) lowRank(x kernels.Rows, p *kernels.Panels) kernels.Rows {
	low := growMat(&ws.low, x.N, p.N)
	ws.m.k.Mul(low, x, p, false, &ws.s)
	ws.m.k.Scale(low.Data, ws.m.Trained.LoRA.scale())
	rows := ws.resize(&ws.lowRows, x.N, p.N)
	ws.m.k.Convert(rows, low)
	return rows
}

// SafeTensors lists all parameters in the form that checkpoint.Write takes, those that are
// frozen read from the model's checkpoint, with their adapters merged.
func (m *Model) SafeTensors() []checkpoint.Tensor {
	trained := make(map[string][]float32)
	for _, t := range m.Params.Tensors {
		trained[t.Name] = t.Data
	}
	adapters := make(map[string]Adapter)
	for i := range m.Params.Layers {
		for j, s := range linearShapes(m.shapes, i) {
			adapters[s.name] = m.Params.Layers[i].LoRA[j]
		}
	}
	var out []checkpoint.Tensor
	for _, s := range m.shapes {
		t := checkpoint.Tensor{Name: s.name, DType: checkpoint.F32, Shape: s.dims, F32: trained[s.name]}
		if t.F32 == nil {
			t.Read = func(first int, dst []float32) error { return m.merge(dst, s, adapters[s.name], first) }
		}
		out = append(out, t)
	}
	return out
}
