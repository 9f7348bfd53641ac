package ar

import (
	"reflect"
	"testing"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) { sdktest.Run(t, New, Info(), "") }

func TestPlanAscends(t *testing.T) {
	plans, err := planner{}.Plan(t.Context(), []strategy.Document{{Length: 9, Open: []int32{1, 2, 7}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []strategy.Plan{{{1}, {2}, {7}}}; !reflect.DeepEqual(plans, want) {
		t.Errorf("got %v, want %v", plans, want)
	}
}
