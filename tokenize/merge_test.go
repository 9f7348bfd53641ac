package tokenize

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// mergeByDefinition is BPE as its definition says: again and again the pair of lowest
// rank, the leftmost of equal ones.
func mergeByDefinition(rules []merge, ids []int32) []int32 {
	ids = slices.Clone(ids)
	for {
		best, at := len(rules), -1
		for k := 0; k+1 < len(ids); k++ {
			for rank := len(rules) - 1; rank >= 0; rank-- { // of rules for one pair the last holds
				if rules[rank].left == ids[k] && rules[rank].right == ids[k+1] {
					if rank < best {
						best, at = rank, k
					}
					break
				}
			}
		}
		if at < 0 {
			return ids
		}
		ids[at] = rules[best].into
		ids = slices.Delete(ids, at+1, at+2)
	}
}

func TestMergeByDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		// Few symbols and many rules: merges overlap, rules repeat, ranks are in no order.
		var rules []merge
		symbols := int32(2 + rng.IntN(4))
		for range 1 + rng.IntN(30) {
			rules = append(rules, merge{rng.Int32N(symbols), rng.Int32N(symbols), symbols})
			symbols++
		}
		rng.Shuffle(len(rules), func(i, k int) { rules[i], rules[k] = rules[k], rules[i] })
		pairs := newPairTable(rules, func(merge) bool { return false })
		m := merger{pairs: &pairs}
		for _, n := range []int{1, 2, 3, 7, scanLimit, scanLimit + 1, 200} {
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = rng.Int32N(3)
			}
			want := mergeByDefinition(rules, ids)
			drained := m.drain(slices.Clone(ids))
			if !slices.Equal(drained, want) {
				t.Fatalf("round %d: drain of %v under %v: got %v, want %v", round, ids, rules, drained, want)
			}
			if got := m.merge(slices.Clone(ids)); !slices.Equal(got, want) {
				t.Fatalf("round %d: merge of %v under %v: got %v, want %v", round, ids, rules, got, want)
			}
		}
	}
}

func TestPairTable(t *testing.T) {
	rules := []merge{{1, 2, 3}, {MaxVocab - 1, 0, 7}, {0, MaxVocab - 1, 8}, {1, 2, 9}, {4, 4, 4}}
	pairs := newPairTable(rules, func(m merge) bool { return m.into == 4 })
	for _, c := range []struct {
		left, right int32
		want        uint64
	}{
		{1, 2, 3<<32 | 9},
		{MaxVocab - 1, 0, 1<<32 | 7},
		{0, MaxVocab - 1, 2<<32 | 8},
		{2, 1, noRule},
		{4, 4, noRule},
	} {
		if got := pairs.get(c.left, c.right); got != c.want {
			t.Errorf("get(%d, %d) = %x, want %x", c.left, c.right, got, c.want)
		}
	}
}
