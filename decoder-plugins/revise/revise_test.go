package revise

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
	// The last reopens all it can: only the budget ends it.
	sdktest.Run(t, New, Info(), "", "threshold=0.3,back=0.9,most=4", "threshold=0,back=1,most=64")
}

func view(kind strategy.Kind, state []byte, prob ...float32) sdk.View {
	v := sdk.View{Kind: kind, State: state, Prob: prob, Document: strategy.Document{Open: make([]int32, 20)}}
	for i := range prob {
		v.Position = append(v.Position, int32(10+i))
	}
	return v
}

func TestDecide(t *testing.T) {
	nan := float32(math.NaN())
	r := reviser{threshold: 0.6, back: 0.3, most: 3}
	after := func(spent, committed uint32) []byte { return memory{spent, committed}.state() }
	for _, c := range []struct {
		name                  string
		v                     sdk.View
		commit, check, reopen []int32
		state                 memory
	}{
		{"one is not looked at", view(0, nil, 0.1, 0.5, 0.2), []int32{11}, nil, nil, memory{}},
		{"all above the threshold", view(0, nil, 0.7, 0.5, 0.9), []int32{10, 12}, []int32{10, 12}, nil, memory{2, 2}},
		{"not more than most", view(0, nil, 0.7, 0.8, 0.9, 0.95), []int32{11, 12, 13}, []int32{11, 12, 13}, nil, memory{3, 3}},
		{"what is no number is least sure", view(0, nil, nan, 0.1, nan), []int32{11}, nil, nil, memory{}},
		{"the budget ends looks", view(0, after(93, 2), 0.7, 0.9), []int32{10, 11}, nil, nil, memory{}},
		{"it would just do", view(0, after(92, 2), 0.7, 0.9), []int32{10, 11}, []int32{10, 11}, nil, memory{94, 2}},
		{"content", view(strategy.Checked, after(2, 2), 0.5, 0.9), nil, nil, nil, memory{3, 2}},
		{"reopen what does not hold", view(strategy.Checked, after(3, 3), 0.2, 0.9, 0.1), nil, nil, []int32{10, 12}, memory{6, 3}},
		{"but not all", view(strategy.Checked, after(3, 3), 0.2, 0.15, 0.1), nil, nil, []int32{11, 12}, memory{6, 3}},
	} {
		got := r.decide(c.v)
		if !slices.Equal(got.Commit, c.commit) || !slices.Equal(got.Check, c.check) || !slices.Equal(got.Reopen, c.reopen) {
			t.Errorf("%s: got %+v, want %v, checked %v, reopened %v", c.name, got, c.commit, c.check, c.reopen)
		}
		if recall(got.State) != c.state {
			t.Errorf("%s: state %+v, want %+v", c.name, recall(got.State), c.state)
		}
	}
}
