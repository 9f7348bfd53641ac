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

	"github.com/any-order/a3/core/kernels"
)

// Model is a network ready to compute. Its weights may be read by any number of
// goroutines, each with a Workspace of its own; whoever changes Params calls Pack
// before the next pass.
type Model struct {
	Config Config
	Type   kernels.Type // what products are computed in
	Params *Params      // the float32 weights; nil in a model that is only read

	k    *kernels.Kernels
	rope *rope
	w    weights
}

// New returns a model that can be trained, with zero weights; fill Params, then call
// Pack. The type is Float32 or BF16: float32 weights stay the master copy.
func New(c Config, k *kernels.Kernels, t kernels.Type) (*Model, error) {
	if t != kernels.Float32 && t != kernels.BF16 {
		return nil, fmt.Errorf("a model is trained in %s or %s, not in %q", kernels.Float32, kernels.BF16, t)
	}
	m, err := newModel(c, k, t)
	if err != nil {
		return nil, err
	}
	m.Params = NewParams(&m.Config)
	m.w = newWeights(&m.Config, t)
	m.w.readMaster(m.Params, &m.Config)
	return m, nil
}

func newModel(c Config, k *kernels.Kernels, t kernels.Type) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Residual == "" {
		c.Residual = ResidualLlama
	}
	return &Model{Config: c, Type: t, k: k, rope: newRope(&c)}, nil
}

// Pack prepares the weights for products, after Params have changed.
func (m *Model) Pack() {
	var s kernels.Scratch
	for i := range m.Parts() {
		m.PackPart(i, &s)
	}
}

// Parts is the number of independent parts that PackPart prepares.
func (m *Model) Parts() int { return m.Config.Layers + 1 }

// PackPart prepares one part of the weights: layer i, or the head.
func (m *Model) PackPart(i int, s *kernels.Scratch) {
	if i < m.Config.Layers {
		m.w.layers[i].pack(m.k, &m.Params.Layers[i], s)
		return
	}
	m.w.packHead(m.k, m.Params.Head, s)
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
