package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
)

// partly returns the model as it is loaded to be trained in part.
func partly(t testing.TB, m *Model, trained Trained) *Model {
	t.Helper()
	part, err := LoadTrainable(m.Config, file(t, m.Params.SafeTensors()), m.k, m.Type, trained)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// adapted is partly with adapters, of which neither matrix is zero, on the given parts.
func adapted(t testing.TB, m *Model, targets ...Part) *Model {
	t.Helper()
	part := partly(t, m, Trained{LoRA: &LoRA{Rank: 3, Alpha: 2, Targets: targets}})
	rng := rand.New(rand.NewPCG(41, 42))
	for _, tensor := range part.Params.Tensors {
		if tensor.part == partLoRAA || tensor.part == partLoRAB {
			for i := range tensor.Data {
				tensor.Data[i] = float32(0.35 * rng.NormFloat64())
			}
		}
	}
	part.Pack()
	return part
}

// A model of which parts are frozen computes what it does otherwise, and the gradients of
// all that is trained, bit for bit.
func TestFrozen(t *testing.T) {
	lists := [][]Part{{PartEmbed}, {PartNorms}, {PartQ, PartUp}, append([]Part{PartEmbed, PartNorms}, linearParts()...)}
	eachModel(t, func(t *testing.T, m *Model) {
		b := copying(mixed(m.Config.Vocab)...)
		want := slices.Clone(m.NewWorkspace().LogProbs(b))
		full, _, _ := gradientOf(m.NewWorkspace(), 1, b)
		all := append(slices.Clone(lists), []Part{PartHead})
		if m.Config.Tied {
			all = lists
		}
		for _, freeze := range all {
			part := partly(t, m, Trained{Freeze: freeze})
			sameBits(t, fmt.Sprint(freeze, " frozen"), part.NewWorkspace().LogProbs(b), want)
			grads, _, _ := gradientOf(part.NewWorkspace(), 1, b)
			missing := 0
			for _, tensor := range full.Tensors {
				i := slices.IndexFunc(grads.Tensors, func(got Tensor) bool { return got.Name == tensor.Name })
				if frozen := slices.Contains(freeze, tensor.part); frozen != (i < 0) {
					t.Errorf("%v frozen: %s is trained: %v", freeze, tensor.Name, i >= 0)
				} else if frozen {
					missing += len(tensor.Data)
				} else {
					sameBits(t, fmt.Sprint(freeze, " frozen: gradient of ", tensor.Name), grads.Tensors[i].Data, tensor.Data)
				}
			}
			if got, want := len(part.Params.Flat), len(full.Flat)-missing; got != want {
				t.Errorf("%v frozen: %d numbers are trained, want %d", freeze, got, want)
			}
			part.Pack() // leaves alone what is frozen
			sameBits(t, fmt.Sprint(freeze, " frozen, packed again"), part.NewWorkspace().LogProbs(b), want)
		}
	})
}

// The gradients of adapters are exact.
func TestAdapterGradients(t *testing.T) {
	eachFloat32(t, func(t *testing.T, m *Model) {
		for _, targets := range [][]Part{nil, {PartQ, PartDown}} {
			part := adapted(t, m, targets...)
			n := 1 + 2*m.Config.Layers*len(targets)
			if targets == nil {
				n = 1 + 2*m.Config.Layers*linearMaps
			}
			if len(part.Params.Tensors) != n {
				t.Errorf("%d tensors are trained, want %d", len(part.Params.Tensors), n)
			}
			checkGradient(t, part, pack(mixed(m.Config.Vocab)...))
		}
	})
}

// In bfloat16 they are those of the merged weights, W' = W + s B A, but for its rounding: dB
// = s dW' Aᵀ, dA = s Bᵀ dW'.
func TestAdapterGradientsInBF16(t *testing.T) {
	modelsOf(t, func(t *testing.T, m *Model) {
		part, b := adapted(t, m), pack(mixed(m.Config.Vocab)...)
		grads, _, _ := gradientOf(part.NewWorkspace(), 1, b)
		whole, err := LoadTrainable(m.Config, file(t, part.SafeTensors()), m.k, m.Type, Trained{})
		if err != nil {
			t.Fatal(err)
		}
		sameBits(t, "merged", whole.NewWorkspace().LogProbs(b), part.NewWorkspace().LogProbs(b))
		full, _, _ := gradientOf(whole.NewWorkspace(), 1, b)
		s := float64(part.Trained.LoRA.scale())
		for l, layer := range part.Params.Layers {
			for j, a := range layer.LoRA {
				dw, got := full.Layers[l].linear()[j], grads.Layers[l].LoRA[j]
				check := func(name string, got kernels.Mat, want func(i, j int) float64) {
					var off, size float64
					for i := range got.Rows {
						for j, v := range got.Row(i) {
							w := s * want(i, j)
							off, size = off+(float64(v)-w)*(float64(v)-w), size+w*w
						}
					}
					if off > 0.02*0.02*size || size == 0 {
						t.Errorf("layer %d, map %d: d%s is off by %.2g of its norm", l, j, name, math.Sqrt(off/size))
					}
				}
				check("B", got.B, func(i, r int) (sum float64) {
					for c, v := range dw.Row(i) {
						sum += float64(v) * float64(a.A.Row(r)[c])
					}
					return sum
				})
				check("A", got.A, func(r, c int) (sum float64) {
					for i := range dw.Rows {
						sum += float64(dw.Row(i)[c]) * float64(a.B.Row(i)[r])
					}
					return sum
				})
			}
		}
	}, kernels.BF16)
}

// Written in pieces of any size, merged weights have the bits that are computed with.
func TestMergedWeights(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		part, b := adapted(t, m, PartO, PartGate), pack(mixed(m.Config.Vocab)...)
		changed := 0
		for i, tensor := range part.SafeTensors() {
			was := m.Params.Tensors[i]
			got := tensor.F32
			if tensor.Read != nil {
				got = make([]float32, len(was.Data))
				for at := 0; at < len(got); at += 7 {
					if err := tensor.Read(at, got[at:min(at+7, len(got))]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tensor.Name != was.Name || len(got) != len(was.Data) {
				t.Fatalf("tensor %d is %s of %d, want %s of %d", i, tensor.Name, len(got), was.Name, len(was.Data))
			}
			if !slices.Equal(got, was.Data) {
				changed++
			}
			copy(was.Data, got)
		}
		if want := 2 * m.Config.Layers; changed != want {
			t.Errorf("%d tensors differ from the checkpoint's, want %d", changed, want)
		}
		m.Pack()
		sameBits(t, "merged", m.NewWorkspace().LogProbs(b), part.NewWorkspace().LogProbs(b))
	})
}

// Adapters start without effect: B is zero, and A, which depends on the seed, is not.
func TestInitAdapters(t *testing.T) {
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	part, again, other := adapted(t, m), adapted(t, m), adapted(t, m)
	part.Params.InitAdapters(3)
	again.Params.InitAdapters(3)
	other.Params.InitAdapters(4)
	sameBits(t, "the same seed", again.Params.Flat, part.Params.Flat)
	for _, tensor := range part.Params.Tensors {
		n, differs := norm(tensor.Data), norm(other.Params.tensor(tensor.Name).Data) != norm(tensor.Data)
		if a, b := tensor.part == partLoRAA, tensor.part == partLoRAB; a && (n == 0 || !differs) || b && n != 0 {
			t.Errorf("%s has norm %v; another seed changes it: %v", tensor.Name, n, differs)
		}
	}
	part.Pack()
	b := pack(mixed(m.Config.Vocab)...)
	sameBits(t, "at first", part.NewWorkspace().LogProbs(b), m.NewWorkspace().LogProbs(b))
}

// What is not trained takes no memory but for packed weights: the formulas of MODEL.md.
func TestTrainedBytes(t *testing.T) {
	c := Config{ // of sizes that need no rounding up
		Vocab: 1024, Hidden: 64, FFN: 160, Layers: 3, Heads: 2, KVHeads: 1, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 100, MaxPositions: 64, Tied: true, PadToken: -1,
	}
	for typ, e := range map[kernels.Type]int{kernels.Float32: 4, kernels.BF16: 2} {
		m := filled(t, c, kernels.Best(), typ)
		for _, trained := range []Trained{
			{}, {Freeze: []Part{PartEmbed}}, {Freeze: []Part{PartNorms, PartK, PartDown}},
			{LoRA: &LoRA{Rank: 32, Alpha: 1, Targets: []Part{PartQ, PartV}}}, {LoRA: &LoRA{Rank: 32, Alpha: 1}},
		} {
			part := partly(t, m, trained)
			T := len(part.Params.Flat)
			P, norms := c.Params(), (2*c.Layers+1)*c.Hidden
			want := 4*T + 2*e*(P-c.Hidden-norms) // master copy, packed matrices
			for _, tensor := range part.Params.Tensors {
				if tensor.part == PartNorms || tensor.part == partQuery {
					want += 4 * len(tensor.Data) // counted where it is read, though it is the master's
				}
				if tensor.part == partLoRAA || tensor.part == partLoRAB {
					want += e * len(tensor.Data)
				}
			}
			if !trained.trains(PartNorms) {
				want += 4 * norms
			}
			if got := part.Bytes(); got != want {
				t.Errorf("%s, %+v: the model holds %d bytes, want %d", typ, trained, got, want)
			}
			g := part.NewGradient()
			want = 4 * T
			if trained.trains(PartEmbed) {
				want += 4 * c.Vocab * c.Hidden
			}
			if got := 4 * (len(g.Params.Flat) + g.separate()); got != want {
				t.Errorf("%s, %+v: the gradient holds %d bytes, want %d", typ, trained, got, want)
			}
		}
	}
}

// separate returns how many numbers the gradient of the lookups has of its own.
func (g *Gradient) separate() int {
	if !g.tied {
		return 0
	}
	return len(g.lookups.Data)
}

func TestTrainingPartsDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector lets sync.Pool forget at random")
	}
	eachModel(t, func(t *testing.T, m *Model) {
		part := adapted(t, m)
		b, ws, g := pack(mixed(m.Config.Vocab)...), part.NewWorkspace(), part.NewGradient()
		if n := testing.AllocsPerRun(10, func() { g.Reset(); ws.LossGrad(b, g, 0, 1) }); n > 0 {
			t.Errorf("LossGrad allocates %v times", n)
		}
	})
}

func TestTrainedValidate(t *testing.T) {
	for want, trained := range map[string]Trained{
		`freeze: part "heads" is not one of [embed`:  {Freeze: []Part{"heads"}},
		`freeze: part "query" is not one of`:         {Freeze: []Part{"query"}},
		`freeze: part "q" is named twice`:            {Freeze: []Part{"q", "k", "q"}},
		"leave freeze out":                           {Freeze: []Part{"q"}, LoRA: &LoRA{Rank: 1, Alpha: 1}},
		"lora: rank is 0":                            {LoRA: &LoRA{Alpha: 1}},
		"lora: rank is 1025":                         {LoRA: &LoRA{Rank: 1025, Alpha: 1}},
		"lora: alpha is 0":                           {LoRA: &LoRA{Rank: 8}},
		"lora: alpha is NaN":                         {LoRA: &LoRA{Rank: 8, Alpha: math.NaN()}},
		`lora: targets: part "embed" is not one of`:  {LoRA: &LoRA{Rank: 8, Alpha: 1, Targets: []Part{"embed"}}},
		`lora: targets: part "v" is named twice`:     {LoRA: &LoRA{Rank: 8, Alpha: 1, Targets: []Part{"v", "v"}}},
		"freeze: the model's head is its embedding;": {Freeze: []Part{"head"}},
	} {
		c := tiny()
		c.Tied = true
		if err := trained.validateFor(&c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", trained, err, want)
		}
	}
	for _, trained := range []Trained{{}, {Freeze: []Part{"embed", "q"}}, {LoRA: &LoRA{Rank: 8, Alpha: 16, Targets: []Part{"q", "v"}}}} {
		if err := trained.Validate(); err != nil {
			t.Errorf("%+v: %v", trained, err)
		}
	}
}

// A checkpoint that holds no numbers where the model freezes them is refused as well.
func TestFrozenMustBeFinite(t *testing.T) {
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	for _, name := range []string{"model.layers.1.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight", "model.embed_tokens.weight"} {
		value := &m.Params.tensor(name).Data[3]
		good := *value
		*value = float32(math.NaN())
		_, err := LoadTrainable(m.Config, file(t, m.Params.SafeTensors()), m.k, m.Type, Trained{LoRA: &LoRA{Rank: 2, Alpha: 1}})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "NaN at element 3") {
			t.Errorf("%s: %v", name, err)
		}
		*value = good
	}
}
