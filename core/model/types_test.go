package model_test

import (
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/internal/oracle"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
)

// What a narrower type may cost against float32 on the golden cases. Their weights are
// random and large, so that every rounding shows; a trained model loses far less (see
// pipeline/models).
const (
	bf16Loss, int8Loss = 0.005, 0.01 // of the mean negative log-likelihood, relative
	bf16Grad           = 0.05        // L2 norm of a tensor's error over that of the tensor
)

func TestOracleTypes(t *testing.T) {
	set := oracle.Open(t)
	for _, level := range kernels.Levels() {
		t.Run(string(level), func(t *testing.T) {
			k, err := kernels.Open(level)
			if err != nil {
				t.Fatal(err)
			}
			var worstLoss, worstInt8, worstGrad float64
			set.Each(t, func(t *testing.T, c oracle.Case) {
				g := openGolden(t, set, c)
				b, _, _ := g.rows()
				b.WantContent = false
				exact := set.Load(t, c, k)
				loss := func(m *model.Model) (sum float64) {
					for i, lp := range m.NewWorkspace().LogProbs(b) {
						sum -= lp * float64(b.Weight[i])
					}
					return sum
				}
				want := loss(exact)
				for typ, tol := range map[kernels.Type]float64{kernels.BF16: bf16Loss, kernels.Int8: int8Loss} {
					e := math.Abs(loss(set.LoadType(t, c, k, typ))/want - 1)
					if !(e <= tol) {
						t.Errorf("%s: loss differs by %.2g of float32's, at most %v is promised", typ, e, tol)
					}
					if typ == kernels.BF16 {
						worstLoss = max(worstLoss, e)
					} else {
						worstInt8 = max(worstInt8, e)
					}
				}
				grads := func(m *model.Model) *model.Params {
					g := m.NewGradient()
					m.NewWorkspace().LossGrad(b, g, 0, 1)
					g.Finish(k)
					return g.Params
				}
				wide, narrow := grads(exact), grads(set.LoadType(t, c, k, kernels.BF16))
				var largest float64
				for _, tensor := range wide.Tensors {
					largest = max(largest, norm(tensor.Data))
				}
				for i, tensor := range wide.Tensors {
					diff := slices.Clone(narrow.Tensors[i].Data)
					for j, v := range tensor.Data {
						diff[j] -= v
					}
					// A tensor that hardly matters may be all rounding.
					e := norm(diff) / max(norm(tensor.Data), largest/100)
					worstGrad = max(worstGrad, e)
					if !(e <= bf16Grad) {
						t.Errorf("gradient of %s differs by %.2g of its norm, at most %v is promised", tensor.Name, e, bf16Grad)
					}
				}
			}, "forward_backward")
			t.Logf("largest relative errors: loss bf16 %.2g, int8 %.2g; gradient bf16 %.2g", worstLoss, worstInt8, worstGrad)
		})
	}
}

func norm(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}
