// Package model is the two-stream Llama of A3 (arXiv 2601.13228): the forward pass
// beside the backward pass.
//
// Both streams use the same weights. A content row starts as the embedding of its
// token, a query row as one learned vector, and both attend to the keys and values of
// content rows: a content row to those of its own group and earlier ones, a query row
// to those of earlier groups only. Logits come from query rows. MODEL.md teaches the
// network from the mathematics to the code.
package model

import (
	"fmt"
	"math"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
)

// Model is a network ready to compute. Its weights may be read by any number of
// goroutines, each with a Workspace of its own; whoever changes Params calls Pack
// before the next pass.
type Model struct {
	Config Config
	Type   kernels.Type // what products are computed in
	Params *Params      // the float32 weights that are trained; nil in a model that is only read

	Trained Trained          // what is trained
	base    *checkpoint.File // of the weights that are not

	k      *kernels.Kernels
	rope   *rope
	w      weights
	shapes []shape // of all tensors
}

// New returns a model that can be trained, with zero weights; fill Params, then call
// Pack. The type is Float32 or BF16: float32 weights stay the master copy.
func New(c Config, k *kernels.Kernels, t kernels.Type) (*Model, error) {
	return newTrainable(c, k, t, Trained{})
}

func newTrainable(c Config, k *kernels.Kernels, t kernels.Type, trained Trained) (*Model, error) {
	if t != kernels.Float32 && t != kernels.BF16 {
		return nil, fmt.Errorf("a model is trained in %s or %s, not in %q", kernels.Float32, kernels.BF16, t)
	}
	m, err := newModel(c, k, t)
	if err != nil {
		return nil, err
	}
	m.Trained = trained
	m.Params = m.NewParams()
	m.w = newWeights(&m.Config, t)
	m.w.readMaster(m.Params, &m.Config, &m.Trained)
	return m, nil
}

// NewParams returns zeros in the place of Params: gradients or moments.
func (m *Model) NewParams() *Params { return newParams(&m.Config, m.Trained.shapes(m.shapes)) }

func newModel(c Config, k *kernels.Kernels, t kernels.Type) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Residual == "" {
		c.Residual = ResidualLlama
	}
	return &Model{Config: c, Type: t, k: k, rope: newRope(&c), shapes: c.shapes()}, nil
}

// Pack prepares the weights for products, after Params have changed.
func (m *Model) Pack() {
	ws := m.NewWorkspace()
	for i := range m.Parts() {
		m.PackPart(i, ws)
	}
}

// Parts is the number of independent parts that PackPart prepares.
func (m *Model) Parts() int { return m.Config.Layers + 1 }

// PackPart prepares one part of the weights, layer i or the head, but for what is frozen,
// with the temporary memory of ws.
func (m *Model) PackPart(i int, ws *Workspace) {
	if i < m.Config.Layers {
		m.packLayer(i, ws)
		return
	}
	if head := m.Params.Head; head.Data != nil {
		for i, at := 0, 0; at < head.Rows; i, at = i+1, at+headChunk {
			m.w.packHead(m.k, i, head.RowsOf(at, min(at+headChunk, head.Rows)), &ws.s)
		}
	}
}

// Kernels returns the kernels the model computes with.
func (m *Model) Kernels() *kernels.Kernels { return m.k }

// Bytes returns the memory of the weights, master copy included.
func (m *Model) Bytes() int {
	n := m.w.bytes()
	if m.Params != nil {
		n += 4 * len(m.Params.Flat)
	}
	return n
}

// CheckFinite reports the first parameter that is NaN or infinite.
func (m *Model) CheckFinite() error {
	for _, t := range m.Params.Tensors {
		for i, v := range t.Data {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("tensor %s holds %v at element %d", t.Name, v, i)
			}
		}
	}
	return nil
}
