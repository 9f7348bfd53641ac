package confidence

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) {
	sdktest.Run(t, New, Info(), "", "size=3", "threshold=0.8", "size=2,threshold=0.5", "size=50", "factor=1.5")
}

func TestNext(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name      string
		size      int
		threshold float32
		factor    float64
		prob      []float32 // of positions 10, 11, ...
		want      []int32
	}{
		{"the surest", 1, 0, 0, []float32{0.1, 0.7, 0.3}, []int32{11}},
		{"ties go to the lowest position", 1, 0, 0, []float32{0.1, 0.7, 0.7}, []int32{11}},
		{"two of three equals", 2, 0, 0, []float32{0.5, 0.5, 0.5}, []int32{10, 11}},
		{"fewer than size are left", 4, 0, 0, []float32{0.1, 0.2}, []int32{10, 11}},
		{"all above the threshold", 1, 0.9, 0, []float32{0.95, 0.2, 0.9, 0.89}, []int32{10, 12}},
		{"the surest when none is above", 1, 0.9, 0, []float32{0.1, 0.3, 0.2}, []int32{11}},
		{"size is the least number under a threshold", 2, 0.9, 0, []float32{0.1, 0.95, 0.2}, []int32{11, 12}},
		{"a threshold of one takes certainties", 1, 1, 0, []float32{1, 0.999, 1}, []int32{10, 12}},
		{"without a threshold zero is not enough", 1, 0, 0, []float32{1, 1}, []int32{10}},
		{"NaN is least sure", 1, 0.5, 0, []float32{nan, 0.1, nan}, []int32{11}},
		{"nothing but NaN makes progress", 1, 0.5, 0, []float32{nan, nan}, []int32{10}},
		{"within the bound", 1, 0, 1, []float32{0.8, 0.7, 0.9}, []int32{10, 12}}, // 2*0.1, 3*0.2, 4*0.3
		{"each rank counts", 1, 0, 0.75, []float32{0.5, 0.5, 0.75}, []int32{12}}, // the first fails already
		{"the first on the bound, not the second", 1, 0, 0.75, []float32{0.625, 0.25}, []int32{10}},
		{"exactly on it", 1, 0, 1.5, []float32{0.5, 0.5, 0.25}, []int32{10, 11}},
		{"the surest when none is within", 1, 0, 0.1, []float32{0.1, 0.3, 0.2}, []int32{11}},
		{"size is the least number under a factor", 2, 0, 0.1, []float32{0.1, 0.3, 0.2}, []int32{11, 12}},
		{"beyond size the bound counts", 2, 0, 1, []float32{0.9, 0.1, 0.8, 0.9}, []int32{10, 12, 13}},
		{"NaN is within no bound", 1, 0, 65536, []float32{0.5, nan}, []int32{10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			obs := &strategy.Observation{
				Doc: []uint64{1}, Step: []int32{0}, Remain: []int32{int32(len(c.prob))},
				Offset: []int32{0, int32(len(c.prob))}, Prob: c.prob,
			}
			for i := range c.prob {
				obs.Position = append(obs.Position, int32(10+i))
			}
			s := &stepper{size: c.size, threshold: c.threshold, factor: c.factor}
			decision, err := s.Next(t.Context(), obs)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(decision.Commit, c.want) || decision.Token != nil || decision.Propose != nil {
				t.Errorf("got %+v, want commits of %v", decision, c.want)
			}
		})
	}
}

func TestSpec(t *testing.T) {
	if got := (&stepper{size: 1}).Spec(); got.Columns != strategy.ColumnProb || got.Window != 0 {
		t.Errorf("got %+v, want the one column and the default window", got)
	}
	if got := (&stepper{size: 100}).Spec().Window; got != 100 {
		t.Errorf("a size of 100 has a window of %d", got)
	}
}

func TestOneRule(t *testing.T) {
	_, err := sdk.Plugin{Info: Info(), New: New}.Open(map[string]string{"threshold": "0.9", "factor": "1"})
	if err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("threshold and factor together: %v", err)
	}
}
