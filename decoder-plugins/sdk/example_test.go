package sdk_test

import (
	"context"
	"fmt"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// margin commits the position at which the likeliest token is furthest ahead of the
// second, and all others at which it is ahead by least.
type margin struct {
	least float32
}

func newMargin(p sdk.Params) (sdk.Instance, error) {
	return &margin{least: float32(p.Float("least"))}, nil
}

func marginInfo() sdk.Info {
	return sdk.Info{
		Name: "margin", Version: "0.1.0",
		Doc:    "Commits tokens that are clearly ahead of the second best.",
		Params: []sdk.Param{sdk.Float("least", 0.5, 0, 1, "difference in probability that is clear")},
	}
}

func (m *margin) Spec() strategy.Spec {
	return strategy.Spec{Name: "margin", Columns: strategy.ColumnMargin}
}

func (m *margin) Begin(context.Context, []strategy.Document) error { return nil }
func (m *margin) End(context.Context, []uint64) error              { return nil }

func (m *margin) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	dec := &strategy.Decision{CommitOffset: []int32{0}}
	for d := range obs.Doc {
		start, end := obs.Rows(d)
		best := start
		for row := start; row < end; row++ {
			if obs.Margin[row] > obs.Margin[best] {
				best = row
			}
		}
		for row := start; row < end; row++ {
			if row == best || obs.Margin[row] >= m.least {
				dec.Commit = append(dec.Commit, obs.Position[row])
			}
		}
		dec.CommitOffset = append(dec.CommitOffset, int32(len(dec.Commit)))
	}
	return dec, nil
}

// A whole strategy. Its main function is sdk.Main(newMargin, marginInfo()), its test
// sdktest.Run(t, newMargin, marginInfo(), "", "least=0.9").
func Example() {
	plugin := sdk.Plugin{Info: marginInfo(), New: newMargin}
	instance, err := plugin.Open(map[string]string{"least": "0.6"})
	if err != nil {
		fmt.Println(err)
		return
	}
	decision, err := instance.(strategy.Strategy).Next(context.Background(), &strategy.Observation{
		Doc: []uint64{1, 2}, Step: []int32{0, 3}, Remain: []int32{3, 1},
		Offset: []int32{0, 3, 4}, Position: []int32{4, 5, 9, 7},
		Margin: []float32{0.7, 0.1, 0.8, 0.2},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(decision.Commit, decision.CommitOffset)
	// Output: [4 9 7] [0 2 3]
}
