package parallel

import (
	"slices"
	"testing"
)

func TestBalance(t *testing.T) {
	for _, c := range []struct {
		costs []int
		n     int
		want  []int
	}{
		{nil, 3, []int{}},
		{[]int{5}, 3, []int{0}},
		{[]int{1, 1, 1, 1}, 2, []int{0, 1, 0, 1}},
		{[]int{2, 2, 2, 100}, 2, []int{1, 1, 1, 0}}, // the costly one has a part to itself
		{[]int{3, 1, 2}, 5, []int{0, 2, 1}},         // parts may stay empty
	} {
		if got := Balance(c.costs, c.n); !slices.Equal(got, c.want) {
			t.Errorf("Balance(%v, %d) = %v, want %v", c.costs, c.n, got, c.want)
		}
	}
}

func TestBalancerReusesItsMemory(t *testing.T) {
	var b Balancer
	costs := []int{3, 1, 4, 1, 5, 9, 2, 6}
	want := Balance(costs, 3)
	b.Deal([]int{7, 7, 7}, 5)
	if got := b.Deal(costs, 3); !slices.Equal(got, want) {
		t.Errorf("after another deal %v, at first %v", got, want)
	}
	if n := testing.AllocsPerRun(20, func() { b.Deal(costs, 3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
