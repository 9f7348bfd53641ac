package seq

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The prefixes of the order trick are the masks of the definition: for every pair of
// positions, the content row of i sees the key of j if group[j] <= group[i], the query
// row if group[j] < group[i].
func TestOrderIsTheMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := rapid.SliceOfN(rapid.Int32Range(-3, 6), 0, 30).Draw(t, "group")
		o := NewOrder(group)
		if o.Len() != len(group) {
			t.Fatalf("%d ranks for %d positions", o.Len(), len(group))
		}
		rank := make([]int32, len(group)) // position -> rank
		for i := range rank {
			rank[i] = -1
		}
		for r, p := range o.Position {
			if rank[p] >= 0 {
				t.Fatalf("position %d has two ranks", p)
			}
			rank[p] = int32(r)
		}
		for i := range group {
			for j := range group {
				if got, want := rank[j] < o.ContentEnd[rank[i]], group[j] <= group[i]; got != want {
					t.Fatalf("content row %d sees key %d: %v, want %v", i, j, got, want)
				}
				if got, want := rank[j] < o.QueryEnd[rank[i]], group[j] < group[i]; got != want {
					t.Fatalf("query row %d sees key %d: %v, want %v", i, j, got, want)
				}
				if group[i] == group[j] && i < j && rank[i] > rank[j] {
					t.Fatalf("positions %d and %d of one group are not ascending", i, j)
				}
			}
		}
	})
}

// Group ids are compared only: any ids in the same order mean the same.
func TestOrderDependsOnTheOrderOfGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := rapid.SliceOfN(rapid.Int32Range(0, 9), 1, 20).Draw(t, "group")
		ids := rapid.SliceOfNDistinct(rapid.Int32(), 10, 10, rapid.ID[int32]).Draw(t, "ids")
		slices.Sort(ids)
		renamed := make([]int32, len(group))
		for i, g := range group {
			renamed[i] = ids[g]
		}
		a, b := NewOrder(group), NewOrder(renamed)
		if !slices.Equal(a.Position, b.Position) || !slices.Equal(a.QueryEnd, b.QueryEnd) || !slices.Equal(a.ContentEnd, b.ContentEnd) {
			t.Fatalf("%v and %v have different orders", group, renamed)
		}
	})
}

func TestOrderExample(t *testing.T) {
	o := NewOrder([]int32{0, 2, 1, 2, 1})
	for _, c := range []struct {
		name      string
		got, want []int32
	}{
		{"position", o.Position, []int32{0, 2, 4, 1, 3}},
		{"query end", o.QueryEnd, []int32{0, 1, 1, 3, 3}},
		{"content end", o.ContentEnd, []int32{1, 3, 3, 5, 5}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestSegmentValidate(t *testing.T) {
	for _, c := range []struct {
		name    string
		segment Segment
		want    string // part of the error; "" = valid
	}{
		{"empty", Segment{}, ""},
		{"valid", Segment{[]int32{0, 4}, []int32{9, -9}, []float32{0, -0.5}, false}, ""},
		{"groups", Segment{[]int32{0, 4}, []int32{0}, []float32{0, 1}, false}, "2 tokens, 1 groups and 2 weights"},
		{"weights", Segment{[]int32{0, 4}, []int32{0, 1}, nil, false}, "2 tokens, 2 groups and 0 weights"},
		{"token", Segment{[]int32{0, 5}, []int32{0, 1}, []float32{0, 1}, false}, "token 5 at position 1"},
		{"negative token", Segment{[]int32{-1}, []int32{0}, []float32{0}, false}, "token -1 at position 0"},
		{"NaN", Segment{[]int32{0}, []int32{0}, []float32{float32(math.NaN())}, false}, "position 0 in the loss is NaN"},
		{"infinite", Segment{[]int32{0}, []int32{0}, []float32{float32(math.Inf(-1))}, false}, "-Inf"},
		{"next", Segment{[]int32{0, 4, 1}, []int32{-2, 0, 9}, []float32{0, 1, 0}, true}, ""},
		{"next of nothing", Segment{Next: true}, ""},
		{"next in a group", Segment{[]int32{0, 4, 1}, []int32{0, 1, 1}, []float32{0, 1, 1}, true}, "position 2 has group 1 behind group 1"},
		{"next backwards", Segment{[]int32{0, 4}, []int32{1, 0}, []float32{0, 1}, true}, "position 1 has group 0 behind group 1"},
		{"next with nothing before", Segment{[]int32{0, 4}, []int32{0, 1}, []float32{1, 1}, true}, "position 0 a weight, 1"},
	} {
		err := c.segment.Validate(5)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
