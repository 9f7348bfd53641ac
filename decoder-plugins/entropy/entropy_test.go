package entropy

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
	sdktest.Run(t, New, Info(), "", "bound=3", "bound=0,size=3", "bound=1,size=50")
}

func TestDecide(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name    string
		bound   float64
		size    int
		entropy []float32 // of positions 10, 11, ...
		want    []int32
	}{
		{"the largest does not count", 0.5, 1, []float32{3, 0.5, 4}, []int32{10, 11}},
		{"on the bound", 0.75, 1, []float32{0.5, 0.25, 0.75, 1}, []int32{10, 11, 12}},
		{"beyond it", 0.5, 1, []float32{0.5, 0.25, 0.75, 1}, []int32{10, 11}},
		{"one at least", 0, 1, []float32{2, 1, 3}, []int32{11}},
		{"ties go to the lowest position", 0, 1, []float32{2, 1, 1}, []int32{11}},
		{"certainties cost nothing", 0, 1, []float32{0, 2, 0, 1}, []int32{10, 12, 13}},
		{"the least number", 0, 2, []float32{2, 1, 3}, []int32{10, 11}},
		{"fewer than size are left", 0, 4, []float32{2, 1}, []int32{10, 11}},
		{"the least number uses up the bound", 1, 2, []float32{1, 1, 1}, []int32{10, 11}},
		{"all", 100, 1, []float32{2, 1, 3}, []int32{10, 11, 12}},
		{"NaN is doubt without end", 100, 1, []float32{nan, 2, nan}, []int32{11}},
		{"nothing but NaN makes progress", 100, 1, []float32{nan, nan}, []int32{10}},
	} {
		v := sdk.View{Entropy: c.entropy}
		for i := range c.entropy {
			v.Position = append(v.Position, int32(10+i))
		}
		if got := (chooser{c.bound, c.size}).decide(v); !slices.Equal(got.Commit, c.want) {
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
		if got := instance.Spec(); got.Window != want || got.Columns != strategy.ColumnEntropy {
			t.Errorf("size=%s: got %+v, want a window of %d", text, got, want)
		}
	}
}
