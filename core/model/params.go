package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// Params holds one float for every parameter: the weights, their gradients, or a
// moment of the optimizer. All tensors are views of one slab, so that sums, norms and
// optimizer steps run over Flat without knowing the network.
//
// A linear map's matrix is [out, in], as in checkpoints: y = W x.
//
// Of a model that is trained in part, Params holds what is trained; the other fields have no
// data.
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
	LoRA             [linearMaps]Adapter
}

// The linear maps of a layer, in the order of linear and linearParts.
const (
	mapQ = iota
	mapK
	mapV
	mapO
	mapGate
	mapUp
	mapDown
	linearMaps
)

// linear lists the matrices of the linear maps.
func (l *LayerParams) linear() [linearMaps]kernels.Mat {
	return [...]kernels.Mat{l.Q, l.K, l.V, l.O, l.Gate, l.Up, l.Down}
}

// Tensor is a named view of a parameter, by its name in Hugging Face checkpoints.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32

	part  Part
	place int // among the tensors of a network that is trained as a whole
}

// IsNorm reports whether the tensor scales a norm; such are exempt from weight decay.
func (t Tensor) IsNorm() bool { return len(t.Shape) == 1 }

// initStd is the standard deviation of initial weights: 1/sqrt(inputs of a row).
func (t Tensor) initStd() float64 { return 1 / math.Sqrt(float64(t.Shape[len(t.Shape)-1])) }

// tensor returns the tensor of a name, which must be there.
func (p *Params) tensor(name string) Tensor {
	i := slices.IndexFunc(p.Tensors, func(t Tensor) bool { return t.Name == name })
	return p.Tensors[i]
}

// draw fills the tensor with normal numbers of the given standard deviation, keyed by the
// seed and the tensor's place.
func (t Tensor) draw(seed uint64, std float64) {
	key := seq.NewKey(seed, uint64(seq.PurposeInit), uint64(t.place))
	for j := range t.Data {
		t.Data[j] = float32(std * key.Normal(uint64(j)))
	}
}

// QueryEmbed is the name of the tensor that plain Llama checkpoints lack.
const QueryEmbed = checkpoint.QueryEmbed

type shape struct {
	name  string
	dims  []int
	part  Part
	place int // as in Tensor
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
	var list []shape
	add := func(part Part, name string, dims ...int) { list = append(list, shape{name, dims, part, len(list)}) }
	add(PartEmbed, "model.embed_tokens.weight", c.Vocab, h)
	add(partQuery, QueryEmbed, 1, 1, h)
	for i := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		add(PartNorms, p+"input_layernorm.weight", h)
		add(PartNorms, p+"post_attention_layernorm.weight", h)
		add(PartQ, p+"self_attn.q_proj.weight", q, h)
		add(PartK, p+"self_attn.k_proj.weight", kv, h)
		add(PartV, p+"self_attn.v_proj.weight", kv, h)
		add(PartO, p+"self_attn.o_proj.weight", h, q)
		add(PartGate, p+"mlp.gate_proj.weight", c.FFN, h)
		add(PartUp, p+"mlp.up_proj.weight", c.FFN, h)
		add(PartDown, p+"mlp.down_proj.weight", h, c.FFN)
	}
	add(PartNorms, "model.norm.weight", h)
	if !c.Tied {
		add(PartHead, "lm_head.weight", c.Vocab, h)
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

// layerShapes is how many tensors a layer has: two norms, then its linear maps.
const layerShapes = 2 + linearMaps

// linearShapes returns the linear maps of a layer, of all shapes of a network.
func linearShapes(all []shape, layer int) []shape {
	first := 2 + layer*layerShapes + 2 // behind embeddings and query, the layers before, two norms
	return all[first : first+linearMaps]
}

// NewParams allocates zeros for a valid configuration.
func NewParams(c *Config) *Params { return newParams(c, c.shapes()) }

// newParams allocates zeros for the given tensors.
func newParams(c *Config, shapes []shape) *Params {
	all, total := c.shapes(), 0
	for _, s := range shapes {
		total += s.size()
	}
	p := &Params{Flat: kernels.Aligned(total)}
	rest := p.Flat
	byName := make(map[string]Tensor, len(shapes))
	for _, s := range shapes {
		n := s.size()
		t := Tensor{s.name, s.dims, rest[:n:n], s.part, s.place}
		rest = rest[n:]
		p.Tensors = append(p.Tensors, t)
		byName[s.name] = t
	}
	vec := func(name string) []float32 { return byName[name].Data }
	mat := func(name string) (m kernels.Mat) {
		if t, ok := byName[name]; ok {
			m = kernels.NewMat(t.Data, t.Shape[0], t.Shape[1])
		}
		return m
	}
	p.Embed, p.Query, p.Norm = mat("model.embed_tokens.weight"), vec(QueryEmbed), vec("model.norm.weight")
	p.Head = p.Embed
	if !c.Tied {
		p.Head = mat("lm_head.weight")
	}
	for i := range c.Layers {
		l := fmt.Sprintf("model.layers.%d.", i)
		layer := LayerParams{
			NormIn: vec(l + "input_layernorm.weight"), NormPost: vec(l + "post_attention_layernorm.weight"),
			Q: mat(l + "self_attn.q_proj.weight"), K: mat(l + "self_attn.k_proj.weight"),
			V: mat(l + "self_attn.v_proj.weight"), O: mat(l + "self_attn.o_proj.weight"),
			Gate: mat(l + "mlp.gate_proj.weight"), Up: mat(l + "mlp.up_proj.weight"), Down: mat(l + "mlp.down_proj.weight"),
		}
		for j, s := range linearShapes(all, i) {
			layer.LoRA[j] = Adapter{A: mat(s.adapterName(partLoRAA)), B: mat(s.adapterName(partLoRAB))}
		}
		p.Layers = append(p.Layers, layer)
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
	for _, t := range p.Tensors {
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
		t.draw(seed, std)
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}
