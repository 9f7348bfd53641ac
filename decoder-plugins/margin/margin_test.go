package margin

import (
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) {
	sdktest.Run(t, New, Info(), "", "size=3", "threshold=0.4", "size=40,threshold=0.1")
}

func TestDecide(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name      string
		size      int
		threshold float32
		margin    []float32 // of positions 10, 11, ...
		want      []int32
	}{
		{"the furthest ahead", 1, 0, []float32{0.1, 0.7, 0.3}, []int32{11}},
		{"ties go to the lowest position", 1, 0, []float32{0.1, 0.7, 0.7}, []int32{11}},
		{"fewer than size are left", 4, 0, []float32{0.1, 0.2}, []int32{10, 11}},
		{"all above the threshold", 1, 0.5, []float32{0.6, 0.2, 0.5, 0.49}, []int32{10, 12}},
		{"the furthest ahead when none is above", 1, 0.5, []float32{0.1, 0.3, 0.2}, []int32{11}},
		{"size is the least number under a threshold", 2, 0.5, []float32{0.1, 0.9, 0.2}, []int32{11, 12}},
		{"without a threshold zero is not enough", 1, 0, []float32{0, 0}, []int32{10}},
		{"NaN is least sure", 1, 0.5, []float32{nan, 0.1, nan}, []int32{11}},
		{"nothing but NaN makes progress", 1, 0.5, []float32{nan, nan}, []int32{10}},
	} {
		v := sdk.View{Margin: c.margin}
		for i := range c.margin {
			v.Position = append(v.Position, int32(10+i))
		}
		if got := (chooser{c.size, c.threshold}).decide(v); !slices.Equal(got.Commit, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got.Commit, c.want)
		}
	}
}

func TestSpec(t *testing.T) {
	for text, want := range map[string]int{"1": 0, "32": 0, "100": 100} {
		instance, err := sdk.Plugin{Info: Info(), New: New}.Open(map[string]string{"size": text})
		if err != nil {
			t.Fatal(err)
		}
		if got := instance.Spec(); got.Window != want || got.Columns != strategy.ColumnMargin {
			t.Errorf("size=%s: got %+v, want a window of %d", text, got, want)
		}
	}
}
