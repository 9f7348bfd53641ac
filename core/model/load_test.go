package model

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
)

func file(t testing.TB, tensors []checkpoint.Tensor) *checkpoint.File {
	t.Helper()
	var b bytes.Buffer
	if err := checkpoint.Write(&b, tensors, nil); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoint.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A model that is written and loaded computes the same bits.
func TestLoadIsTheInverseOfSafeTensors(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		config := ConfigOf(m.Config.LlamaConfig())
		got, err := Load(config, file(t, m.Params.SafeTensors()), m.Kernels(), m.Type)
		if err != nil {
			t.Fatal(err)
		}
		if scaling := got.Config.RopeScaling; scaling != nil && *scaling != *m.Config.RopeScaling {
			t.Errorf("scaling %+v, want %+v", *scaling, *m.Config.RopeScaling)
		}
		b := pack(segments(m.Config.Vocab)...)
		sameBits(t, "loaded", got.NewWorkspace().LogProbs(b), m.NewWorkspace().LogProbs(b))
	})
}

func TestLoadRefuses(t *testing.T) {
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	const at = 5 // some tensor in the middle
	name := m.Params.Tensors[at].Name
	for _, c := range []struct {
		name  string
		spoil func(c *Config, tensors []checkpoint.Tensor) []checkpoint.Tensor
		want  []string
	}{
		{"missing", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor { return slices.Delete(l, at, at+1) }, []string{name}},
		{"no query embedding", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor { return slices.Delete(l, 1, 2) }, []string{QueryEmbed}},
		{"transposed", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor {
			l[at].Shape = []int{l[at].Shape[1], l[at].Shape[0]}
			return l
		}, []string{name, "shape"}},
		{"flat", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor {
			l[at].Shape = []int{len(l[at].F32)}
			return l
		}, []string{name, "shape"}},
		{"NaN", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor {
			l[at].F32 = slices.Clone(l[at].F32)
			l[at].F32[3] = float32(math.NaN())
			return l
		}, []string{name, "NaN", "element 3"}},
		{"infinite", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor {
			l[at].F32 = slices.Clone(l[at].F32)
			l[at].F32[0] = float32(math.Inf(-1))
			return l
		}, []string{name, "-Inf"}},
		{"not floats", func(_ *Config, l []checkpoint.Tensor) []checkpoint.Tensor {
			l[at].DType, l[at].I64, l[at].F32 = checkpoint.I64, make([]int64, len(l[at].F32)), nil
			return l
		}, []string{name}},
		{"larger configuration", func(c *Config, l []checkpoint.Tensor) []checkpoint.Tensor { c.Vocab = 1 << 20; return l }, []string{"embed_tokens", "1048576"}},
		{"more layers", func(c *Config, l []checkpoint.Tensor) []checkpoint.Tensor { c.Layers++; return l }, []string{"model.layers.2."}},
		{"hostile configuration", func(c *Config, l []checkpoint.Tensor) []checkpoint.Tensor { c.Layers = math.MaxInt; return l }, []string{"num_hidden_layers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := m.Config
			f := file(t, c.spoil(&config, m.Params.SafeTensors()))
			got, err := Load(config, f, m.Kernels(), kernels.Float32)
			if err == nil || got != nil {
				t.Fatal("loaded")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
		})
	}
}

// A linear scaling divides every frequency.
func TestLinearScaling(t *testing.T) {
	plain := checkpoint.NewLlamaConfig()
	plain.HeadDim = 64
	linear := *plain
	linear.RopeScaling = checkpoint.RopeScaling{Type: checkpoint.RopeLinear, Factor: 4}
	a, b := ConfigOf(plain), ConfigOf(&linear)
	want := newRope(&a).freq
	for i, got := range newRope(&b).freq {
		if got != want[i]/4 {
			t.Errorf("frequency %d is %v, want a fourth of %v", i, got, want[i])
		}
	}
}
