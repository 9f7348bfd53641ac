package train

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
)

// lengths gives segments of the given lengths; Group[0] holds the segment's number.
func lengths(list ...int) []seq.Segment {
	segments := make([]seq.Segment, len(list))
	for i, n := range list {
		segments[i] = seq.Segment{Tokens: make([]int32, n), Group: []int32{int32(i)}}
	}
	return segments
}

func numbers(parts [][]seq.Segment) [][]int32 {
	out := make([][]int32, len(parts))
	for i, part := range parts {
		for _, s := range part {
			out[i] = append(out[i], s.Group[0])
		}
	}
	return out
}

func TestShardsExample(t *testing.T) {
	got := numbers(shards(lengths(3, 9, 3, 5, 1), 2))
	// The 9, the 5, then each to the lighter side: 9 | 5, 9 | 5 3, 9 | 5 3 3, 9 1 | 5 3 3.
	want := [][]int32{{1, 4}, {0, 2, 3}}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("shards %v, want %v", got, want)
		}
	}
}

// Shards hold every segment once, in order, none is empty, and the loads are as even
// as the longest segment allows. The lengths alone decide.
func TestShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.IntRange(1, 50), 1, 40).Draw(t, "lengths")
		n := rapid.IntRange(1, 12).Draw(t, "shards")
		parts := shards(lengths(list...), n)
		if len(parts) != min(n, len(list)) {
			t.Fatalf("%d shards", len(parts))
		}
		var all []int32
		var loads []int
		for _, part := range numbers(parts) {
			if len(part) == 0 || !slices.IsSorted(part) {
				t.Fatalf("shard %v", part)
			}
			load := 0
			for _, i := range part {
				load += list[i]
			}
			all, loads = append(all, part...), append(loads, load)
		}
		slices.Sort(all)
		if len(all) != len(list) || len(slices.Compact(all)) != len(list) {
			t.Fatalf("%d segments in the shards, want %d", len(all), len(list))
		}
		if slices.Max(loads)-slices.Min(loads) > slices.Max(list) {
			t.Fatalf("loads %v of lengths %v", loads, list)
		}
		again := numbers(shards(lengths(list...), n))
		for i, part := range numbers(parts) {
			if !slices.Equal(part, again[i]) {
				t.Fatal("the same lengths gave other shards")
			}
		}
	})
}

// The pieces cover every parameter once, in order, and no piece crosses a tensor.
func TestPieces(t *testing.T) {
	c := model.Config{
		Vocab: 300, Hidden: 256, FFN: 7, Layers: 2, Heads: 1, KVHeads: 1, HeadDim: 2, RopeTheta: 10, MaxPositions: 1,
	}
	p := model.NewParams(&c)
	at, tensor, end := 0, 0, len(p.Tensors[0].Data)
	for _, got := range pieces(p) {
		if got.from != at || got.to <= at || got.to > end || got.to-at > pieceLen || got.norm != p.Tensors[tensor].IsNorm() {
			t.Fatalf("piece %+v of %s, which ends at %d, after %d parameters", got, p.Tensors[tensor].Name, end, at)
		}
		if at = got.to; at == end && tensor < len(p.Tensors)-1 {
			tensor++
			end += len(p.Tensors[tensor].Data)
		}
	}
	if at != len(p.Flat) {
		t.Errorf("%d of %d parameters", at, len(p.Flat))
	}
}
