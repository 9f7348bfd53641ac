package train

import (
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/kernels"
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

// The sum of the shards is that of the fixed tree, whoever comes first.
func TestTreeShapeIsFixed(t *testing.T) {
	m, err := model.New(model.Config{
		Vocab: 2, Hidden: 2, FFN: 1, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 2, RopeTheta: 10, MaxPositions: 1,
	}, kernels.Best())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		leaves := rapid.IntRange(1, 19).Draw(rt, "leaves")
		arrival := rapid.Permutation(sequence(leaves)).Draw(rt, "arrival")
		together := rapid.Bool().Draw(rt, "together")
		trainer := &Trainer{Model: m}
		tree := newTree(leaves, trainer)
		values := make([]float32, leaves)
		var wait sync.WaitGroup
		for _, i := range arrival {
			values[i] = float32(seq.NewKey(uint64(i)).Normal(0) * math.Pow(10, float64(i%5)))
			grads := model.NewParams(&m.Config)
			for j := range grads.Flat {
				grads.Flat[j] = values[i]
			}
			if together {
				wait.Go(func() { tree.add(i, grads) })
			} else {
				tree.add(i, grads)
			}
		}
		wait.Wait()
		want := pairwise(values)
		for _, got := range tree.root().Flat {
			if math.Float32bits(got) != math.Float32bits(want) {
				rt.Fatalf("sum %v, want the bits of %v", got, want)
			}
		}
		if len(trainer.free) != leaves-1 {
			rt.Fatalf("%d buffers came back, want %d", len(trainer.free), leaves-1)
		}
	})
}

// pairwise is the tree's definition: neighbours are added, until one is left.
func pairwise(x []float32) float32 {
	if len(x) == 1 {
		return x[0]
	}
	var sums []float32
	for pair := range slices.Chunk(x, 2) {
		if len(pair) == 2 {
			sums = append(sums, pair[0]+pair[1])
		} else {
			sums = append(sums, pair[0])
		}
	}
	return pairwise(sums)
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
