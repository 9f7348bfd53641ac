package random

import (
	"reflect"
	"slices"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) { sdktest.Run(t, New, Info(), "", "size=1", "size=3") }

func TestPlan(t *testing.T) {
	open := make([]int32, 10)
	for i := range open {
		open[i] = int32(3 * i)
	}
	plan := func(size int, key seq.Key) strategy.Plan {
		plans, err := planner{size: size}.Plan(t.Context(), []strategy.Document{{Key: key, Length: 30, Open: open}})
		if err != nil {
			t.Fatal(err)
		}
		return plans[0]
	}

	var sizes []int
	for _, group := range plan(4, 1) {
		sizes = append(sizes, len(group))
		if !slices.IsSorted(group) {
			t.Errorf("group %v does not ascend", group)
		}
	}
	if want := []int{4, 4, 2}; !slices.Equal(sizes, want) {
		t.Errorf("groups of %v, want %v", sizes, want)
	}
	if reflect.DeepEqual(plan(4, 1), plan(4, 2)) {
		t.Error("another key gives the same order")
	}
	if got := plan(1000, 1); len(got) != 1 || !slices.Equal(got[0], open) {
		t.Errorf("one large group is %v", got)
	}
}

// TestFirstIsUniform draws the first position of many documents: each of the ten
// positions comes first in a tenth of them, within four standard deviations.
func TestFirstIsUniform(t *testing.T) {
	const documents, positions = 10_000, 10
	docs := make([]strategy.Document, documents)
	for i := range docs {
		docs[i] = strategy.Document{Key: seq.NewKey(3, uint64(i)), Length: positions, Open: []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}
	}
	plans, err := planner{size: 1}.Plan(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	var count [positions]int
	for _, plan := range plans {
		count[plan[0][0]]++
	}
	for p, n := range count {
		if n < 880 || n > 1120 { // 1000 +- 4 * 30
			t.Errorf("position %d is first %d times in %d", p, n, documents)
		}
	}
}
