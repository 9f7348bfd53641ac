package model

import (
	"fmt"
	"math"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// Params holds one float for every parameter: the weights, their gradients, or a
// moment of the optimizer. All tensors are views of one slab, so that sums, norms and
// optimizer steps run over Flat without knowing the network.
//
// A linear map's matrix is [out, in], as in checkpoints: y = W x.
type Params struct {
	Flat    []float32
	Tensors []Tensor // in the order of Flat

	Embed  kernels.Mat // [V, H]
	Query  []float32   // [H] the input of every query row
	Layers []LayerParams
	Norm   []float32   // [H]
	Head   kernels.Mat // [V, H]; the same memory as Embed if tied
}

// LayerParams are the parameters of one layer.
type LayerParams struct {
	NormIn, NormPost []float32   // [H]
	Q                kernels.Mat // [Heads*HeadDim, H]
	K, V             kernels.Mat // [KVHeads*HeadDim, H]
	O                kernels.Mat // [H, Heads*HeadDim]
	Gate, Up         kernels.Mat // [F, H]
	Down             kernels.Mat // [H, F]
}

// Tensor is a named view of a parameter, by its name in Hugging Face checkpoints.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// IsNorm reports whether the tensor scales a norm; such are exempt from weight decay.
func (t Tensor) IsNorm() bool { return len(t.Shape) == 1 }

// initStd is the standard deviation of initial weights: 1/sqrt(inputs of a row).
func (t Tensor) initStd() float64 { return 1 / math.Sqrt(float64(t.Shape[len(t.Shape)-1])) }

// QueryEmbed is the name of the tensor that plain Llama checkpoints lack, the second one
// of Params.Tensors.
const (
	QueryEmbed  = checkpoint.QueryEmbed
	queryTensor = 1
)

type shape struct {
	name string
	dims []int
}

func (s shape) size() int {
	n := 1
	for _, d := range s.dims {
		n *= d
	}
	return n
}

// shapes lists the tensors of the network, in the order of Flat.
func (c *Config) shapes() []shape {
	h, q, kv := c.Hidden, c.queryWidth(), c.kvWidth()
	list := []shape{
		{"model.embed_tokens.weight", []int{c.Vocab, h}},
		{QueryEmbed, []int{1, 1, h}},
	}
	for i := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		list = append(list,
			shape{p + "input_layernorm.weight", []int{h}},
			shape{p + "post_attention_layernorm.weight", []int{h}},
			shape{p + "self_attn.q_proj.weight", []int{q, h}},
			shape{p + "self_attn.k_proj.weight", []int{kv, h}},
			shape{p + "self_attn.v_proj.weight", []int{kv, h}},
			shape{p + "self_attn.o_proj.weight", []int{h, q}},
			shape{p + "mlp.gate_proj.weight", []int{c.FFN, h}},
			shape{p + "mlp.up_proj.weight", []int{c.FFN, h}},
			shape{p + "mlp.down_proj.weight", []int{h, c.FFN}},
		)
	}
	list = append(list, shape{"model.norm.weight", []int{h}})
	if !c.Tied {
		list = append(list, shape{"lm_head.weight", []int{c.Vocab, h}})
	}
	return list
}

// Tensors lists the tensors of the network, without data, in the order of Params.Flat.
func (c *Config) Tensors() []Tensor {
	var list []Tensor
	for _, s := range c.shapes() {
		list = append(list, Tensor{Name: s.name, Shape: s.dims})
	}
	return list
}

// NewParams allocates zeros for a valid configuration.
func NewParams(c *Config) *Params {
	shapes := c.shapes()
	p := &Params{Flat: kernels.Aligned(c.Params())}
	rest := p.Flat
	byName := make(map[string]Tensor, len(shapes))
	for _, s := range shapes {
		n := s.size()
		t := Tensor{s.name, s.dims, rest[:n:n]}
		rest = rest[n:]
		p.Tensors = append(p.Tensors, t)
		byName[s.name] = t
	}
	vec := func(name string) []float32 { return byName[name].Data }
	mat := func(name string) kernels.Mat {
		t := byName[name]
		return kernels.NewMat(t.Data, t.Shape[0], t.Shape[1])
	}
	p.Embed, p.Query, p.Norm = mat("model.embed_tokens.weight"), vec(QueryEmbed), vec("model.norm.weight")
	p.Head = p.Embed
	if !c.Tied {
		p.Head = mat("lm_head.weight")
	}
	for i := range c.Layers {
		l := fmt.Sprintf("model.layers.%d.", i)
		p.Layers = append(p.Layers, LayerParams{
			NormIn: vec(l + "input_layernorm.weight"), NormPost: vec(l + "post_attention_layernorm.weight"),
			Q: mat(l + "self_attn.q_proj.weight"), K: mat(l + "self_attn.k_proj.weight"),
			V: mat(l + "self_attn.v_proj.weight"), O: mat(l + "self_attn.o_proj.weight"),
			Gate: mat(l + "mlp.gate_proj.weight"), Up: mat(l + "mlp.up_proj.weight"), Down: mat(l + "mlp.down_proj.weight"),
		})
	}
	return p
}

// Init draws initial weights: norms one; the query embedding and all matrices normal
// with standard deviation 1/sqrt(inputs of a row), those that write to the residual stream
// smaller by sqrt(2 L) (Radford et al. 2019). A constant 0.02, which is about the same for
// the widths of large models, starts small ones so flat that attention takes twice as many
// steps to find the neighbours of a position: the query stream has no other source. Keyed
// by the seed and the tensor's place alone.
func (p *Params) Init(seed uint64, layers int) {
	for i, t := range p.Tensors {
		if t.IsNorm() {
			for j := range t.Data {
				t.Data[j] = 1
			}
			continue
		}
		std := t.initStd()
		if n := t.Name; len(t.Shape) == 2 && (hasSuffix(n, "o_proj.weight") || hasSuffix(n, "down_proj.weight")) {
			std /= math.Sqrt(2 * float64(layers))
		}
		p.draw(i, seed, std)
	}
}

// draw fills a tensor with normal numbers of the given standard deviation.
func (p *Params) draw(tensor int, seed uint64, std float64) {
	key := seq.NewKey(seed, uint64(seq.PurposeInit), uint64(tensor))
	data := p.Tensors[tensor].Data
	for j := range data {
		data[j] = float32(std * key.Normal(uint64(j)))
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}
