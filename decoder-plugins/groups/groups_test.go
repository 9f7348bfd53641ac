package groups

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) {
	sdktest.Run(t, New, Info(), "", "size=3,order=permuted", "size=2,order=both-sided", "size=1,order=permuted")
}

func plan(t *testing.T, p planner, key seq.Key, open ...int32) strategy.Plan {
	t.Helper()
	plans, err := p.Plan(t.Context(), []strategy.Document{{Key: key, Length: 100, Open: open}})
	if err != nil {
		t.Fatal(err)
	}
	return plans[0]
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		p    planner
		open []int32
		want strategy.Plan
	}{
		{planner{2, contiguous}, []int32{1, 2, 3, 8, 9}, strategy.Plan{{1, 2}, {3, 8}, {9}}},
		{planner{9, contiguous}, []int32{1, 2, 8}, strategy.Plan{{1, 2, 8}}},
		{planner{4, contiguous}, nil, nil},
		{planner{2, bothSided}, []int32{1, 2, 3, 4, 5}, strategy.Plan{{1, 5}, {2, 4}, {3}}},
		{planner{4, bothSided}, []int32{1, 2, 3, 4, 5, 6}, strategy.Plan{{1, 2, 5, 6}, {3, 4}}},
		{planner{1, bothSided}, []int32{1, 2, 3, 7, 9, 10}, strategy.Plan{{1}, {3}, {2}, {7}, {9}, {10}}},
		{planner{4, bothSided}, nil, nil},
	} {
		if got := plan(t, c.p, 1, c.open...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v of %v: got %v, want %v", c.p, c.open, got, c.want)
		}
	}
}

// TestPermuted finds the groups of the contiguous order, each order of three about
// equally often: within four standard deviations.
func TestPermuted(t *testing.T) {
	const draws = 6000
	count := make(map[string]int)
	for i := range uint64(draws) {
		got := plan(t, planner{2, permuted}, seq.NewKey(5, i), 1, 2, 3, 4, 5)
		count[fmt.Sprint(got)]++
		slices.SortFunc(got, func(a, b []int32) int { return int(a[0] - b[0]) })
		if want := (strategy.Plan{{1, 2}, {3, 4}, {5}}); !reflect.DeepEqual(got, want) {
			t.Fatalf("groups %v, want %v in any order", got, want)
		}
	}
	if len(count) != 6 {
		t.Errorf("%d orders of three groups", len(count))
	}
	for order, n := range count {
		if n < 885 || n > 1115 { // 1000 +- 4 * 28.9
			t.Errorf("order %s comes %d times in %d", order, n, draws)
		}
	}
}
