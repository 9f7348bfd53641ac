package sdk

import (
	"math"
	"slices"
	"testing"
)

func TestRank(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		column                []float32
		descending, ascending []int
	}{
		{nil, nil, nil},
		{[]float32{0.1, 0.7, 0.3}, []int{1, 2, 0}, []int{0, 2, 1}},
		{[]float32{0.5, 0.7, 0.5, 0.7}, []int{1, 3, 0, 2}, []int{0, 2, 1, 3}},
		{[]float32{nan, 0, nan, inf, -inf}, []int{3, 1, 4, 0, 2}, []int{4, 1, 3, 0, 2}},
	} {
		scratch := []int{9, 9}
		if got := Descending(scratch, c.column); !slices.Equal(got, c.descending) {
			t.Errorf("%v descending: rows %v, want %v", c.column, got, c.descending)
		}
		if got := Ascending(nil, c.column); !slices.Equal(got, c.ascending) {
			t.Errorf("%v ascending: rows %v, want %v", c.column, got, c.ascending)
		}
	}
}

func TestViewCommit(t *testing.T) {
	v := View{Position: []int32{10, 11, 14}}
	if got := v.Commit([]int{2, 0}); !slices.Equal(got.Commit, []int32{10, 14}) || got.Token != nil {
		t.Errorf("got %+v, want positions 10 and 14 with the engine's tokens", got)
	}
}
