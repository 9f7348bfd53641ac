package batching

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/seq"
)

func TestShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(2, 50), 0, 40).Draw(t, "lengths")
		n := rapid.IntRange(1, 10).Draw(t, "n")
		segments := make([]seq.Segment, len(lengths))
		for i, length := range lengths {
			segments[i].Tokens = make([]int32, length)
			segments[i].Tokens[1] = int32(i)
		}
		shards := Shards(segments, n)
		if len(shards) != n {
			t.Fatalf("%d shards", len(shards))
		}
		var seen []int32
		var load []int
		for _, shard := range shards {
			cost, last := 0, int32(-1)
			for _, s := range shard {
				if s.Tokens[1] <= last {
					t.Fatal("a shard changed the order of its segments")
				}
				last = s.Tokens[1]
				seen = append(seen, last)
				cost += s.Len()
			}
			load = append(load, cost)
		}
		slices.Sort(seen)
		if len(seen) != len(lengths) || len(slices.Compact(seen)) != len(lengths) {
			t.Fatalf("%d of %d segments", len(seen), len(lengths))
		}
		if len(lengths) > 0 && slices.Max(load)-slices.Min(load) > slices.Max(lengths) {
			t.Fatalf("loads %v are further apart than the longest segment", load)
		}
	})
}

func TestShardsExample(t *testing.T) {
	segments := make([]seq.Segment, 5)
	for i, length := range []int{5, 9, 5, 2, 3} {
		segments[i].Tokens = make([]int32, length)
	}
	got := [][]int{}
	for _, shard := range Shards(segments, 2) {
		lengths := []int{}
		for _, s := range shard {
			lengths = append(lengths, s.Len())
		}
		got = append(got, lengths)
	}
	// 9 | 5; 9 | 5 5; 9 3 | 5 5; then 2 goes to the shard of 10.
	if !slices.Equal(got[0], []int{9, 3}) || !slices.Equal(got[1], []int{5, 5, 2}) {
		t.Errorf("shards %v", got)
	}
}
