package model

import (
	"fmt"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
)

// ConfigOf maps the keys of config.json to a configuration.
func ConfigOf(c *checkpoint.LlamaConfig) Config {
	out := Config{
		Vocab: c.VocabSize, Hidden: c.HiddenSize, FFN: c.IntermediateSize, Layers: c.NumHiddenLayers,
		Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads, HeadDim: c.HeadDim,
		NormEps: c.RMSNormEps, RopeTheta: c.RopeTheta, MaxPositions: c.MaxPositionEmbeddings,
		Tied: c.TieWordEmbeddings, Residual: Residual(c.Residual), PadToken: -1,
	}
	switch s := c.RopeScaling; s.Type {
	case checkpoint.RopeLinear:
		// No wave is as short as the one position from which all are slowed.
		out.RopeScaling = &RopeScaling{Factor: s.Factor, LowFreqFactor: 1, HighFreqFactor: 2, OriginalMaxPositions: 1}
	case checkpoint.RopeLlama3:
		out.RopeScaling = &RopeScaling{
			Factor: s.Factor, LowFreqFactor: s.LowFreqFactor, HighFreqFactor: s.HighFreqFactor,
			OriginalMaxPositions: s.OriginalMaxPositionEmbeddings,
		}
	}
	if len(c.PAD) == 1 {
		out.PadToken = c.PAD[0]
	}
	return out
}

// LlamaConfig is the inverse of ConfigOf, with the defaults of the format elsewhere.
func (c *Config) LlamaConfig() *checkpoint.LlamaConfig {
	out := checkpoint.NewLlamaConfig()
	out.VocabSize, out.HiddenSize, out.IntermediateSize, out.NumHiddenLayers = c.Vocab, c.Hidden, c.FFN, c.Layers
	out.NumAttentionHeads, out.NumKeyValueHeads, out.HeadDim = c.Heads, c.KVHeads, c.HeadDim
	out.RMSNormEps, out.RopeTheta, out.MaxPositionEmbeddings = c.NormEps, c.RopeTheta, c.MaxPositions
	out.TieWordEmbeddings = c.Tied
	out.Residual = checkpoint.ResidualLlama
	if c.Residual != "" {
		out.Residual = string(c.Residual)
	}
	if s := c.RopeScaling; s != nil {
		out.RopeScaling = checkpoint.RopeScaling{
			Type: checkpoint.RopeLlama3, Factor: s.Factor, LowFreqFactor: s.LowFreqFactor,
			HighFreqFactor: s.HighFreqFactor, OriginalMaxPositionEmbeddings: s.OriginalMaxPositions,
		}
	}
	if c.PadToken >= 0 {
		out.PAD = checkpoint.TokenIDs{c.PadToken}
	}
	return out
}

// Load builds a model that is only read: its weights are held once, in type t, and are
// read from the checkpoint in pieces. Every tensor of the network must be there in its
// shape, and finite.
func Load(c Config, f *checkpoint.File, k *kernels.Kernels, t kernels.Type) (*Model, error) {
	if err := checkShapes(&c, f, false); err != nil {
		return nil, err
	}
	m, err := newModel(c, k, t)
	if err != nil {
		return nil, err
	}
	m.w = newWeights(&m.Config, t)
	r := reader{f: f, k: k}
	shapes := m.Config.shapes()
	next := func() shape { s := shapes[0]; shapes = shapes[1:]; return s }
	embed := next()
	if c.Tied {
		r.panels(m.w.head, embed)
	} else {
		m.w.embed = r.rows(t, embed)
	}
	m.w.query = r.vector(next())
	for i := range m.w.layers {
		l := &m.w.layers[i]
		l.normIn, l.normPost = r.vector(next()), r.vector(next())
		for _, p := range []*kernels.Panels{l.fwd.q, l.fwd.k, l.fwd.v, l.fwd.o, l.fwd.gate, l.fwd.up, l.fwd.down} {
			r.panels(p, next())
		}
	}
	m.w.norm = r.vector(next())
	if !c.Tied {
		r.panels(m.w.head, next())
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// LoadTrainable builds a model that can be trained from a checkpoint. A plain Llama has no
// query embedding: it is zero then, and InitQuery gives it another start.
//
// What is not trained is read into packed weights alone. If there is such, the file must
// stay open as long as the model is trained or written; adapters are zero: see InitAdapters.
func LoadTrainable(c Config, f *checkpoint.File, k *kernels.Kernels, t kernels.Type, trained Trained) (*Model, error) {
	if err := checkShapes(&c, f, true); err != nil {
		return nil, err
	}
	if err := trained.validateFor(&c); err != nil {
		return nil, err
	}
	m, err := newTrainable(c, k, t, trained)
	if err != nil {
		return nil, err
	}
	m.base = f
	for _, t := range m.Params.Tensors {
		if t.Name == QueryEmbed && !f.Has(QueryEmbed) || !trained.trains(t.part) {
			continue
		}
		if err := f.Float32(t.Name, t.Data); err != nil {
			return nil, fmt.Errorf("load %s: %w", t.Name, err)
		}
	}
	if err := m.CheckFinite(); err != nil {
		return nil, err
	}
	if err := m.readFrozen(); err != nil {
		return nil, err
	}
	m.Pack()
	return m, nil
}

// readFrozen fills the weights that are not trained.
func (m *Model) readFrozen() error {
	r := reader{f: m.base, k: m.k}
	embed, norm, head := m.shapes[0], m.shapes[2+m.Config.Layers*layerShapes], m.shapes[len(m.shapes)-1]
	if m.Config.Tied {
		head = embed
	}
	if m.w.master == nil && !m.Config.Tied {
		m.w.embed = r.rows(m.Type, embed)
	}
	if m.w.norm == nil {
		m.w.norm = r.vector(norm)
	}
	if m.Params.Head.Data == nil {
		r.pieces(head, headChunk, func(from, _ int, w kernels.Mat) { m.w.packHead(m.k, from/headChunk, w, &r.s) })
	}
	for i := range m.w.layers {
		l, norms := &m.w.layers[i], m.shapes[2+i*layerShapes:]
		if l.normIn == nil {
			l.normIn, l.normPost = r.vector(norms[0]), r.vector(norms[1])
		}
		for j, w := range m.Params.Layers[i].linear() {
			if s := linearShapes(m.shapes, i)[j]; w.Data == nil {
				r.pieces(s, s.dims[0], func(_, _ int, w kernels.Mat) { m.packLinear(i, j, w, &r.s) })
			}
		}
	}
	return r.err
}

// checkShapes compares the shapes before memory is allocated for them: a configuration
// cannot ask for more than the file holds. plain allows a file without a query embedding.
func checkShapes(c *Config, f *checkpoint.File, plain bool) error {
	if err := c.Validate(); err != nil {
		return err
	}
	for _, s := range c.shapes() {
		if plain && s.name == QueryEmbed && !f.Has(s.name) {
			continue
		}
		info, err := f.Info(s.name)
		if err != nil {
			return err
		}
		if !sameShape(info.Shape, s.dims) {
			return fmt.Errorf("tensor %s has shape %v, the configuration wants %v", s.name, info.Shape, s.dims)
		}
	}
	return nil
}

// reader reads tensors in pieces of whole panels. After an error it does nothing.
type reader struct {
	f   *checkpoint.File
	k   *kernels.Kernels
	s   kernels.Scratch
	buf []float32
	err error
}

// pieceRows is how many rows of a matrix are read at a time: whole panels.
const pieceRows = 256

// read stores elements of a tensor in dst, and refuses what is not finite.
func (r *reader) read(s shape, first int, dst []float32) {
	if r.err != nil {
		return
	}
	if err := r.f.Float32At(s.name, first, dst); err != nil {
		r.err = fmt.Errorf("load %s: %w", s.name, err)
		return
	}
	for i, v := range dst {
		if v-v != 0 { // NaN and the infinities
			r.err = fmt.Errorf("tensor %s holds %v at element %d", s.name, v, first+i)
			return
		}
	}
}

func (r *reader) vector(s shape) []float32 {
	v := make([]float32, s.size())
	r.read(s, 0, v)
	return v
}

// pieces reads a matrix, so many rows at a time.
func (r *reader) pieces(s shape, n int, use func(from, to int, w kernels.Mat)) {
	rows, cols := s.dims[0], s.dims[1]
	for from := 0; from < rows; from += n {
		to := min(from+n, rows)
		w := growMat(&r.buf, to-from, cols)
		r.read(s, from*cols, w.Data)
		if r.err != nil {
			return
		}
		use(from, to, w)
	}
}

func (r *reader) panels(p *kernels.Panels, s shape) {
	r.pieces(s, pieceRows, func(from, to int, w kernels.Mat) {
		part := p.Columns(from, to)
		part.PackTransposed(r.k, w, &r.s)
	})
}

func (r *reader) rows(t kernels.Type, s shape) kernels.Rows {
	out := kernels.NewRows(t.RowType(), s.dims[0], s.dims[1])
	r.pieces(s, pieceRows, func(from, to int, w kernels.Mat) { r.k.Convert(out.Slice(from, to), w) })
	return out
}

// SafeTensors lists the parameters in the form that checkpoint.Write takes.
func (p *Params) SafeTensors() []checkpoint.Tensor {
	out := make([]checkpoint.Tensor, len(p.Tensors))
	for i, t := range p.Tensors {
		out[i] = checkpoint.Tensor{Name: t.Name, DType: checkpoint.F32, Shape: t.Shape, F32: t.Data}
	}
	return out
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
