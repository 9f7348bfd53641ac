package model

import "github.com/any-order/a3/core/kernels"

// weights are the parameters in the form that passes read. A linear map's matrix is
// packed for products from the right: as the transpose for the forward, as it is for
// the gradient of its input.
type weights struct {
	layers      []layerWeights
	norm, query []float32 // [H]
	embed       kernels.Rows
	master      *kernels.Mat      // of the embeddings, instead of embed; nil in a model that is only read
	head        *kernels.Panels   // [H, V]
	headBack    []*kernels.Panels // [headChunk, H] each
	typ         kernels.Type
	tied        bool
}

type layerWeights struct {
	normIn, normPost []float32 // [H]
	fwd              linear    // [in, out]
	back             linear    // [out, in]; nil panels in a model that is only read
}

// linear holds the linear maps of a layer.
type linear struct{ q, k, v, o, gate, up, down *kernels.Panels }

// group are weights of products that are computed together.
type group [3]*kernels.Panels

// part returns where the i-th of n parts of all their panels begins.
func (g group) part(i, n int) (panels *kernels.Panels, at int) {
	for _, p := range g {
		if p != nil {
			at += p.Count()
		}
	}
	at = i * at / n
	for _, p := range g {
		if p != nil {
			if at < p.Count() {
				return p, at
			}
			at -= p.Count()
		}
	}
	return g[0], 0
}

// behind returns what is read after layer l.
func (w *weights) behind(l int) group {
	if l+1 < len(w.layers) {
		fwd := &w.layers[l+1].fwd
		return group{fwd.q, fwd.k, fwd.v}
	}
	return group{w.head}
}

// maps calls f for every linear map of a layer.
func (l *linear) maps(p *LayerParams, f func(panels **kernels.Panels, w kernels.Mat)) {
	f(&l.q, p.Q)
	f(&l.k, p.K)
	f(&l.v, p.V)
	f(&l.o, p.O)
	f(&l.gate, p.Gate)
	f(&l.up, p.Up)
	f(&l.down, p.Down)
}

// newWeights allocates what the forward of a configuration needs.
func newWeights(c *Config, t kernels.Type) weights {
	w := weights{typ: t, tied: c.Tied, head: kernels.NewPanels(t, c.Hidden, c.Vocab)}
	q, kv := c.queryWidth(), c.kvWidth()
	for range c.Layers {
		w.layers = append(w.layers, layerWeights{fwd: linear{
			q: kernels.NewPanels(t, c.Hidden, q), k: kernels.NewPanels(t, c.Hidden, kv), v: kernels.NewPanels(t, c.Hidden, kv),
			o: kernels.NewPanels(t, q, c.Hidden), gate: kernels.NewPanels(t, c.Hidden, c.FFN),
			up: kernels.NewPanels(t, c.Hidden, c.FFN), down: kernels.NewPanels(t, c.FFN, c.Hidden),
		}})
	}
	return w
}

// readMaster connects the weights to the float32 parameters and allocates what the
// backward needs.
func (w *weights) readMaster(p *Params, c *Config) {
	w.norm, w.query, w.master = p.Norm, p.Query, &p.Embed
	for i := range p.Layers {
		l, lp := &w.layers[i], &p.Layers[i]
		l.normIn, l.normPost = lp.NormIn, lp.NormPost
		l.back.maps(lp, func(panels **kernels.Panels, m kernels.Mat) { *panels = kernels.NewPanels(w.typ, m.Rows, m.Cols) })
	}
	for at := 0; at < c.Vocab; at += headChunk {
		w.headBack = append(w.headBack, kernels.NewPanels(w.typ, min(headChunk, c.Vocab-at), c.Hidden))
	}
}

func (l *layerWeights) pack(k *kernels.Kernels, p *LayerParams, s *kernels.Scratch) {
	l.fwd.maps(p, func(panels **kernels.Panels, w kernels.Mat) { (*panels).PackTransposed(k, w, s) })
	l.back.maps(p, func(panels **kernels.Panels, w kernels.Mat) { (*panels).Pack(k, w, s) })
}

func (w *weights) packHead(k *kernels.Kernels, head kernels.Mat, s *kernels.Scratch) {
	w.head.PackTransposed(k, head, s)
	for i, panels := range w.headBack {
		panels.Pack(k, head.RowsOf(i*headChunk, min((i+1)*headChunk, head.Rows)), s)
	}
}

// lookup stores the embedding of a token, as the model's type holds it.
func (w *weights) lookup(dst []float32, token int32) {
	switch {
	case w.master != nil && w.typ == kernels.Float32:
		copy(dst, w.master.Row(int(token)))
	case w.master != nil:
		kernels.RoundBF16(dst, w.master.Row(int(token)))
	case w.tied:
		w.head.Column(dst, int(token))
	default:
		w.embed.Float(dst, int(token))
	}
}

func (w *weights) bytes() int {
	n := w.head.Bytes() + w.embed.Bytes() + 4*(len(w.norm)+len(w.query))
	for _, p := range w.headBack {
		n += p.Bytes()
	}
	for i := range w.layers {
		l := &w.layers[i]
		n += 4 * (len(l.normIn) + len(l.normPost))
		for _, m := range []*linear{&l.fwd, &l.back} {
			for _, p := range []*kernels.Panels{m.q, m.k, m.v, m.o, m.gate, m.up, m.down} {
				if p != nil {
					n += p.Bytes()
				}
			}
		}
	}
	return n
}
