package speculative

import (
	"slices"
	"testing"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) { sdktest.Run(t, New, Info(), "", "draft=2", "draft=64") }

func TestDecide(t *testing.T) {
	c := decide(sdk.View{Position: []int32{3, 7, 8}})
	if !slices.Equal(c.Draft, []int32{3, 7, 8}) || c.DraftToken != nil || c.Commit != nil {
		t.Errorf("got %+v, want a draft of all", c)
	}
}

func TestSpec(t *testing.T) {
	s, err := sdk.Plugin{Info: Info(), New: New}.Open(map[string]string{"draft": "7"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (strategy.Spec{Name: "speculative", Window: 7}); s.Spec() != want {
		t.Errorf("got %+v, want %+v", s.Spec(), want)
	}
}
