package model

import "github.com/any-order/a3/core/kernels"

// weights are the parameters in the form that passes read. A linear map's matrix is
// packed for products from the right: as the transpose for the forward, as it is for
// the gradient of its input.
type weights struct {
	layers      []layerWeights
	norm, query []float32 // [H]
	embed       kernels.Rows
	master      *kernels.Mat      // of the embeddings, instead of embed; nil if they are not trained
	head        *kernels.Panels   // [H, V]
	headBack    []*kernels.Panels // [headChunk, H] each
	typ         kernels.Type
	tied        bool
}

type layerWeights struct {
	normIn, normPost []float32 // [H]
	fwd              linear    // [in, out]
	back             linear    // [out, in]; nil panels in a model that is only read
	lora             [linearMaps]adapterPanels
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

// list lists the linear maps.
func (l *linear) list() [linearMaps]**kernels.Panels {
	return [...]**kernels.Panels{&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}
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

// readMaster connects the weights to the float32 parameters that are trained, and allocates
// what the backward needs.
func (w *weights) readMaster(p *Params, c *Config, t *Trained) {
	w.norm, w.query = p.Norm, p.Query
	if p.Embed.Data != nil {
		w.master = &p.Embed
	}
	for i := range p.Layers {
		l, lp := &w.layers[i], &p.Layers[i]
		l.normIn, l.normPost = lp.NormIn, lp.NormPost
		fwd, back := l.fwd.list(), l.back.list()
		for j := range linearMaps {
			in, out := (*fwd[j]).K, (*fwd[j]).N
			*back[j] = kernels.NewPanels(w.typ, out, in)
			if lp.LoRA[j].A.Data != nil {
				l.lora[j] = adapterPanels{kernels.NewPanels(w.typ, in, t.LoRA.Rank), kernels.NewPanels(w.typ, out, t.LoRA.Rank)}
			}
		}
	}
	for at := 0; at < c.Vocab; at += headChunk {
		w.headBack = append(w.headBack, kernels.NewPanels(w.typ, min(headChunk, c.Vocab-at), c.Hidden))
	}
}

// packHead packs chunk i of the head.
func (w *weights) packHead(k *kernels.Kernels, i int, chunk kernels.Mat, s *kernels.Scratch) {
	part := w.head.Columns(i*headChunk, i*headChunk+chunk.Rows)
	part.PackTransposed(k, chunk, s)
	w.headBack[i].Pack(k, chunk, s)
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
			for _, p := range m.list() {
				if *p != nil {
					n += (*p).Bytes()
				}
			}
		}
		for _, a := range l.lora {
			if a.a != nil {
				n += a.a.Bytes() + a.b.Bytes()
			}
		}
	}
	return n
}
