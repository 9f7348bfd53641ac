package starter

import (
	"slices"
	"testing"

	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

// TestMain lets the test binary run the strategy as a process of its own.
func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

// TestStrategy holds the strategy to every rule of the contract, in this process and as a
// plugin, with its defaults and with other parameters.
func TestStrategy(t *testing.T) { sdktest.Run(t, New, Info(), "", "sure=0.5") }

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		prob []float32 // of positions 10, 20 and 30
		want []int32
	}{
		{[]float32{0.2, 0.7, 0.7}, []int32{20}},
		{[]float32{0.95, 0.7, 0.9}, []int32{10, 30}},
	} {
		got := decide(sdk.View{Position: []int32{10, 20, 30}, Prob: c.prob}, 0.9).Commit
		if !slices.Equal(got, c.want) {
			t.Errorf("probabilities %v: commits %v, want %v", c.prob, got, c.want)
		}
	}
}
