// Package model is the two-stream Llama of A3 (arXiv 2601.13228): the forward pass
// beside the backward pass, in float32.
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

	"github.com/any-order/a3/core/kernels"
)

// Model is a network ready to compute. Its weights may be read by any number of
// goroutines, each with a Workspace of its own; whoever changes Params calls Pack
// before the next pass.
type Model struct {
	Config Config
	Params *Params

	k      *kernels.Kernels
	rope   *rope
	layers []packedLayer
	head   *kernels.Panels
}

// packedLayer holds a layer's matrices in the form that the forward products read.
type packedLayer struct {
	q, k, v, o, gate, up, down *kernels.Panels
}

// New returns a model with zero weights; fill Params, then call Pack.
func New(c Config, k *kernels.Kernels) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Residual == "" {
		c.Residual = ResidualLlama
	}
	m := &Model{Config: c, Params: NewParams(&c), k: k, rope: newRope(&c)}
	panels := func(w kernels.Mat) *kernels.Panels { return kernels.NewPanels(w.Cols, w.Rows) }
	for _, p := range m.Params.Layers {
		m.layers = append(m.layers, packedLayer{
			panels(p.Q), panels(p.K), panels(p.V), panels(p.O), panels(p.Gate), panels(p.Up), panels(p.Down),
		})
	}
	m.head = panels(m.Params.Head)
	return m, nil
}

// Pack prepares the weights for the forward products.
func (m *Model) Pack() {
	for i, p := range m.Params.Layers {
		l := m.layers[i]
		l.q.PackTransposed(p.Q)
		l.k.PackTransposed(p.K)
		l.v.PackTransposed(p.V)
		l.o.PackTransposed(p.O)
		l.gate.PackTransposed(p.Gate)
		l.up.PackTransposed(p.Up)
		l.down.PackTransposed(p.Down)
	}
	m.head.PackTransposed(m.Params.Head)
}

// Kernels returns the kernels the model computes with.
func (m *Model) Kernels() *kernels.Kernels { return m.k }

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
