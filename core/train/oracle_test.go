package train

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/any-order/a3/core/internal/oracle"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// trajectory is a golden case of 20 optimizer steps.
type trajectory struct {
	StepsN    int `json:"steps_n"`
	Optimizer struct {
		LR, Beta1, Beta2, Eps, Clip float64
		Decay                       float64 `json:"weight_decay"`
		Schedule                    string
	}
	NoDecay []string `json:"no_decay"`
	Steps   []goldenStep
	Final   map[string]struct {
		Sum      float64 `json:"sum_f64"`
		L2       float64 `json:"l2_f64"`
		SumAtol  float64 `json:"sum_atol_f32"`
		L2Atol   float64 `json:"l2_atol_f32"`
		ElemAtol float64 `json:"elem_atol_f32"`
	}
}

type goldenStep struct {
	LR       float64
	Loss     float64 `json:"loss_f64"`
	LossAtol float64 `json:"loss_atol_f32"`
	GradNorm float64 `json:"grad_norm_f64"`
	NormAtol float64 `json:"grad_norm_atol_f32"`
	Clipped  bool
}

func TestOracleTrajectories(t *testing.T) {
	set := oracle.Open(t)
	for _, level := range kernels.Levels() {
		t.Run(string(level), func(t *testing.T) {
			k, err := kernels.Open(level)
			if err != nil {
				t.Fatal(err)
			}
			worst := &oracle.Worst{}
			set.Each(t, func(t *testing.T, c oracle.Case) { replay(t, set, c, k, worst) }, "train")
			t.Logf("trajectories: %v", worst)
		})
	}
}

func replay(t *testing.T, set *oracle.Set, c oracle.Case, k *kernels.Kernels, worst *oracle.Worst) {
	dir := filepath.Join(set.Dir, c.Dir)
	var want trajectory
	oracle.ReadJSON(t, filepath.Join(dir, "case.json"), &want)
	batches := oracle.OpenTensors(t, filepath.Join(dir, "batches.safetensors"))
	ids, shape := batches.Ints(t, "input_ids")
	groups, _ := batches.Ints(t, "group_ids")
	labels, _ := batches.Ints(t, "labels")
	rows, n := shape[1], shape[2]

	o := want.Optimizer
	options := Options{
		Steps: want.StepsN, Rates: Rates{LR: o.LR, Schedule: Constant},
		Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, Decay: o.Decay, Clip: o.Clip,
		DecayNorms: len(want.NoDecay) == 0, Shards: 2,
	}
	if o.Schedule != "constant" {
		// The rate rises to its peak, then falls in a straight line.
		options.Schedule = Linear
		options.Warmup = 1 + slices.IndexFunc(want.Steps, func(s goldenStep) bool { return s.LR == o.LR })
	}
	trainer, err := New(set.Load(t, c, k), options, 2)
	if err != nil {
		t.Fatal(err)
	}
	for step, s := range want.Steps {
		var segments []seq.Segment
		for r := range rows {
			at := (step*rows + r) * n
			seg := seq.Segment{Tokens: ids[at : at+n], Group: groups[at : at+n], Weight: make([]float32, n)}
			for i, label := range labels[at : at+n] {
				if label != -100 {
					seg.Weight[i] = 1
				}
			}
			segments = append(segments, seg)
		}
		stats, err := trainer.Step(t.Context(), segments)
		if err != nil {
			t.Fatal(err)
		}
		oracle.Compare(t, worst, "learning rate", []float64{stats.Rate}, []float64{s.LR}, 1e-12)
		oracle.Compare(t, worst, "loss", []float64{stats.Loss}, []float64{s.Loss}, s.LossAtol)
		oracle.Compare(t, worst, "gradient norm", []float64{stats.GradNorm}, []float64{s.GradNorm}, s.NormAtol)
		if stats.Clipped != s.Clipped {
			t.Fatalf("step %d: clipped %v, want %v", step, stats.Clipped, s.Clipped)
		}
	}
	final := oracle.OpenTensors(t, filepath.Join(dir, "final_f32.safetensors"))
	for _, tensor := range trainer.Model.Params.Tensors {
		values, _ := final.Floats(t, tensor.Name)
		oracle.Compare(t, worst, "final "+tensor.Name, tensor.Data, values, want.Final[tensor.Name].ElemAtol)
	}
}
