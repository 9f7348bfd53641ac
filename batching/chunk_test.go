package batching

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestChunks: the chunks hold the document whole, in order, each behind a BOS.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Chunker{BOS: 1, EOS: 2, Context: rapid.IntRange(minContext, 12).Draw(t, "context")}
		if rapid.Bool().Draw(t, "no EOS") {
			c.EOS = NoToken
		}
		tokens := rapid.SliceOfN(rapid.Int32Range(3, 9), 0, 60).Draw(t, "tokens")
		want := slices.Clone(tokens)
		if c.EOS != NoToken && len(tokens) > 0 {
			want = append(want, c.EOS)
		}
		var got []int32
		count := c.Count(len(tokens))
		for i := range count {
			chunk, last := c.Append(nil, tokens, i)
			if len(chunk) != c.Size(len(tokens), i) || len(chunk) > c.Context || chunk[0] != c.BOS {
				t.Fatalf("chunk %d of %v: %v, Size %d", i, tokens, chunk, c.Size(len(tokens), i))
			}
			if last != (i == count-1) {
				t.Fatalf("chunk %d of %d: last is %v", i, count, last)
			}
			if i < count-2 && len(chunk) != c.Context {
				t.Fatalf("chunk %d of %d has %d positions", i, count, len(chunk))
			}
			if count > 1 && len(chunk) <= c.Context/2 {
				t.Fatalf("chunk %d of %d has but %d positions", i, count, len(chunk))
			}
			got = append(got, chunk[1:]...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("chunks hold %v, want %v", got, want)
		}
	})
}

func TestChunksExample(t *testing.T) {
	c := Chunker{BOS: 1, EOS: 2, Context: 5}
	tokens := []int32{10, 11, 12, 13, 14, 15, 16, 17}
	for i, want := range [][]int32{{1, 10, 11, 12, 13}, {1, 14, 15, 16}, {1, 17, 2}} {
		if got, last := c.Append([]int32{}, tokens, i); !slices.Equal(got, want) || last != (i == 2) {
			t.Errorf("chunk %d is %v, last %v; want %v", i, got, last, want)
		}
	}
}
