package train

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
)

// newPartTrainer returns a trainer of a part of newTrainerOf's network.
func newPartTrainer(t testing.TB, typ kernels.Type, trained model.Trained, threads int) *Trainer {
	t.Helper()
	whole := newTrainerOf(t, typ, DefaultOptions(10), 1).Model
	var b bytes.Buffer
	if err := checkpoint.Write(&b, whole.Params.SafeTensors(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := checkpoint.Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.LoadTrainable(whole.Config, f, whole.Kernels(), typ, trained)
	if err != nil {
		t.Fatal(err)
	}
	m.Params.InitAdapters(9)
	m.Pack()
	trainer, err := New(m, DefaultOptions(10), threads)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// Training in part, with and without adapters, depends on threads as little as training the
// whole, is resumed bit for bit, and takes moments for what is trained alone.
func TestTrainingInPart(t *testing.T) {
	lora := &model.LoRA{Rank: 4, Alpha: 8}
	for name, trained := range map[string]model.Trained{
		"frozen":  {Freeze: []model.Part{model.PartEmbed, model.PartNorms, model.PartGate}},
		"adapted": {LoRA: lora},
	} {
		for _, typ := range []kernels.Type{kernels.Float32, kernels.BF16} {
			t.Run(fmt.Sprint(name, " ", typ), func(t *testing.T) {
				one := newPartTrainer(t, typ, trained, 1)
				n := len(one.Model.Params.Flat)
				if len(one.First.Flat) != n || len(one.Second.Flat) != n {
					t.Errorf("%d and %d moments of %d numbers", len(one.First.Flat), len(one.Second.Flat), n)
				}
				before := stateOf(one)
				want := steps(t, one, 0, 2)
				middle := stateOf(one)
				want = append(want, steps(t, one, 2, 4)...)
				for i, v := range stateOf(one).weights {
					if math.Float32bits(v) != math.Float32bits(before.weights[i]) {
						break
					}
					if i == n-1 {
						t.Error("nothing was trained")
					}
				}
				five := newPartTrainer(t, typ, trained, 5)
				if got := steps(t, five, 0, 4); !slices.Equal(got, want) {
					t.Errorf("5 threads: %+v, want %+v", got, want)
				}
				sameState(t, "threads", stateOf(five), stateOf(one))

				resumed := newPartTrainer(t, typ, trained, 2)
				copy(resumed.Model.Params.Flat, middle.weights)
				copy(resumed.First.Flat, middle.first)
				copy(resumed.Second.Flat, middle.second)
				resumed.Done, resumed.Health = middle.done, middle.health
				resumed.Model.Pack()
				if got := steps(t, resumed, 2, 4); !slices.Equal(got, want[2:]) {
					t.Errorf("resumed: %+v, want %+v", got, want[2:])
				}
				sameState(t, "resumed", stateOf(resumed), stateOf(one))
			})
		}
	}
}

// A network whose adapters alone are trained learns by heart too.
func TestAdaptersLearn(t *testing.T) {
	trainer := newPartTrainer(t, kernels.Float32, model.Trained{LoRA: &model.LoRA{Rank: 8, Alpha: 16}}, 2)
	trainer.Options = DefaultOptions(150)
	trainer.Options.LR, trainer.Options.MinLR = 2e-2, 1e-3
	list := segmentsOf(t, 0, 4)
	var first, last Stats
	for step := range trainer.Options.Steps {
		stats, err := trainer.Step(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if step == 0 {
			first = stats
		}
		last = stats
	}
	if !(last.Loss < first.Loss/2) {
		t.Errorf("loss %v at first, %v at last", first.Loss, last.Loss)
	}
}
