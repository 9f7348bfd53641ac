package train

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTrainer returns a trainer of a tiny network at step 0, always the same one.
func newTrainer(t testing.TB, o Options, threads int) *Trainer {
	t.Helper()
	return newTrainerOf(t, kernels.Float32, o, threads)
}

func newTrainerOf(t testing.TB, typ kernels.Type, o Options, threads int) *Trainer {
	t.Helper()
	m, err := model.New(model.Config{
		Vocab: 23, Hidden: 16, FFN: 24, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 8,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 64, Tied: true, PadToken: -1,
	}, kernels.Best(), typ)
	if err != nil {
		t.Fatal(err)
	}
	m.Params.Init(5, m.Config.Layers)
	m.Pack()
	trainer, err := New(m, o, threads)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// segmentsOf draws the segments of a step: documents of many lengths and groupings.
func segmentsOf(t testing.TB, step, n int) []seq.Segment {
	t.Helper()
	var samplers []order.Sampler
	for _, text := range []string{"ltr", "permuted:4", "spans", "next"} {
		s, err := order.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		samplers = append(samplers, s)
	}
	var list []seq.Segment
	for d := range n {
		key := seq.NewKey(uint64(step), uint64(d))
		tokens := make([]int32, 2+key.Intn(100, 30))
		for i := range tokens[1:] {
			tokens[i+1] = int32(1 + key.Intn(uint64(i), 22))
		}
		list = append(list, samplers[d%len(samplers)].Sample(key, tokens, order.GivenCausal))
	}
	return list
}

// steps takes the trainer through the given steps.
func steps(t testing.TB, trainer *Trainer, from, to int) (stats []Stats) {
	t.Helper()
	for step := from; step < to; step++ {
		s, err := trainer.Step(t.Context(), segmentsOf(t, step, 13))
		if err != nil {
			t.Fatal(err)
		}
		stats = append(stats, s)
	}
	return stats
}

// state is all that a trainer's next step depends on.
type state struct {
	weights, first, second []float32
	done                   int
	health                 Health
}

func stateOf(t *Trainer) state {
	health := t.Health
	health.Norms = slices.Clone(health.Norms)
	return state{slices.Clone(t.Model.Params.Flat), slices.Clone(t.First.Flat), slices.Clone(t.Second.Flat), t.Done, health}
}

func sameState(t testing.TB, what string, got, want state) {
	t.Helper()
	if !reflect.DeepEqual(got.health, want.health) {
		t.Errorf("%s: health %+v, want %+v", what, got.health, want.health)
	}
	if got.done != want.done {
		t.Fatalf("%s: %d steps done, want %d", what, got.done, want.done)
	}
	for _, c := range []struct {
		name      string
		got, want []float32
	}{{"weight", got.weights, want.weights}, {"first moment", got.first, want.first}, {"second moment", got.second, want.second}} {
		for i := range c.want {
			if math.Float32bits(c.got[i]) != math.Float32bits(c.want[i]) {
				t.Fatalf("%s: %s %d is %v, want the bits of %v", what, c.name, i, c.got[i], c.want[i])
			}
		}
	}
}
