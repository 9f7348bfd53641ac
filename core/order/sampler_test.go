package order

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/seq"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/groupings.txt")

func mustParse(t testing.TB, text string) Sampler {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGoldenGroupings pins what each sampler draws: a change here changes every
// training run, and the resumption of those under way.
func TestGoldenGroupings(t *testing.T) {
	var b strings.Builder
	for _, text := range []string{
		"ltr", "next", "blocks:1", "blocks:4", "permuted:1", "permuted:4", "permuted:8", "uneven", "uneven:2-3",
		"spans", "spans:ltr", "spans:random", "spans:mean2/share80-100/group1",
	} {
		s := mustParse(t, text)
		for doc := range uint64(2) {
			for _, given := range []Given{GivenCausal, GivenGroup} {
				if given == GivenGroup && s.Kind != Spans {
					continue // the same: only BOS is given
				}
				seg := s.Sample(Key(1, 0, doc, 0), make([]int32, 20), given)
				fmt.Fprintf(&b, "%-31s %-6s", text, given)
				for p, id := range seg.Group {
					mark := " "
					if seg.Weight[p] == 0 {
						mark = "." // given
					}
					fmt.Fprintf(&b, "%4d%s", id, mark)
				}
				b.WriteString("\n")
			}
		}
	}
	const path = "testdata/groupings.txt"
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("groupings differ from %s (run with -rewrite to accept):\n%s", path, b.String())
	}
}

func anySampler(t *rapid.T) Sampler {
	low := rapid.IntRange(1, 6).Draw(t, "low")
	high := rapid.IntRange(low, 12).Draw(t, "high")
	s := Sampler{Kind: Kind(rapid.IntRange(0, int(Next)).Draw(t, "kind"))}
	switch s.Kind {
	case Blocks, Permuted:
		s.MinGroup, s.MaxGroup = low, low
	case Uneven:
		s.MinGroup, s.MaxGroup = low, high
	case Spans:
		s.MinGroup, s.MaxGroup = low, high
		s.MeanBlank = rapid.IntRange(1, 20).Draw(t, "mean")
		s.MinShare = rapid.IntRange(1, 100).Draw(t, "least")
		s.MaxShare = rapid.IntRange(s.MinShare, 100).Draw(t, "most")
		s.Fill = Fill(rapid.IntRange(0, 2).Draw(t, "fill"))
	}
	return s
}

// TestSampleProperties checks what every consumer relies on, for any sampler,
// length and key.
func TestSampleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySampler(t)
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		given := Given(rapid.IntRange(0, 1).Draw(t, "given"))
		n := rapid.IntRange(1, 200).Draw(t, "n")
		key := seq.NewKey(rapid.Uint64().Draw(t, "key"))
		tokens := make([]int32, n)

		seg := s.Sample(key, tokens, given)
		again := s.Sample(key, tokens, given)
		if !slices.Equal(seg.Group, again.Group) || !slices.Equal(seg.Weight, again.Weight) {
			t.Fatal("the same key drew two groupings")
		}
		if len(seg.Group) != n || len(seg.Weight) != n || &seg.Tokens[0] != &tokens[0] {
			t.Fatal("columns differ in length, or tokens were copied")
		}
		if err := seg.Validate(1); err != nil || seg.Next != (s.Kind == Next) {
			t.Fatalf("next is %v: %v", seg.Next, err)
		}
		if seg.Group[0] != 0 || seg.Weight[0] != 0 {
			t.Fatalf("BOS has group %d, weight %v", seg.Group[0], seg.Weight[0])
		}

		// Ids are compact, given groups come first, no group mixes both.
		groups := slices.Max(seg.Group) + 1
		size := make([]int, groups)
		isGiven := make([]bool, groups)
		var predicted, lastGiven int32 = 0, -1
		for p, id := range seg.Group {
			size[id]++
			switch seg.Weight[p] {
			case 0:
				isGiven[id] = true
				if given == GivenCausal && id != lastGiven+1 {
					t.Fatalf("given position %d has group %d after %d", p, id, lastGiven)
				}
				if given == GivenGroup && id != 0 {
					t.Fatalf("given position %d has group %d", p, id)
				}
				lastGiven = id
			case 1:
				predicted++
			default:
				t.Fatalf("weight %v", seg.Weight[p])
			}
		}
		for p, id := range seg.Group {
			if (seg.Weight[p] == 0) != isGiven[id] || (id <= lastGiven) != isGiven[id] {
				t.Fatalf("group %d mixes given and predicted, or they are interleaved", id)
			}
		}
		for id, count := range size {
			switch {
			case count == 0:
				t.Fatalf("group %d is empty", id)
			case isGiven[id]:
			case count > max(s.MaxGroup, 1):
				t.Fatalf("group %d has %d positions", id, count)
			case count < s.MinGroup && id != len(size)-1: // the last takes what is left
				t.Fatalf("group %d has %d positions", id, count)
			}
		}

		m := n - 1
		switch {
		case n == 1 && predicted != 0:
			t.Fatal("BOS is predicted")
		case s.Kind != Spans && predicted != int32(m):
			t.Fatalf("%d of %d positions are predicted", predicted, m)
		case s.Kind == Spans && n > 1:
			low := max((m*s.MinShare+99)/100, 1)
			if high := max(m*s.MaxShare/100, low); int(predicted) < low || int(predicted) > high {
				t.Fatalf("%d positions are blank, outside %d to %d", predicted, low, high)
			}
		}
		ascending := s.Kind == LTR || s.Kind == Blocks || s.Kind == Spans && s.Fill == FillLTR
		if ascending {
			last := int32(-1)
			for p, id := range seg.Group {
				if seg.Weight[p] == 1 {
					if id < last {
						t.Fatalf("position %d is filled before an earlier one", p)
					}
					last = id
				}
			}
		}
	})
}

// TestKeyParts: each part of the key changes the grouping.
func TestKeyParts(t *testing.T) {
	s := mustParse(t, "permuted:4")
	base := s.Sample(Key(1, 2, 3, 4), make([]int32, 64), GivenCausal)
	for name, key := range map[string]seq.Key{
		"seed": Key(9, 2, 3, 4), "epoch": Key(1, 9, 3, 4), "doc": Key(1, 2, 9, 4), "chunk": Key(1, 2, 3, 9),
	} {
		if slices.Equal(base.Group, s.Sample(key, make([]int32, 64), GivenCausal).Group) {
			t.Errorf("another %s drew the same grouping", name)
		}
	}
}

// TestSpansDistribution compares 4000 draws with the distribution promised.
func TestSpansDistribution(t *testing.T) {
	const n, draws = 257, 4000
	s := mustParse(t, "spans")
	var blanks, blankPositions, ltr, atEnd int
	perPosition := make([]int, n)
	groupSize := map[int]int{}
	shares := map[int]int{}
	for i := range draws {
		seg := s.Sample(Key(7, 0, uint64(i), 0), make([]int32, n), GivenCausal)
		count, ordered, last := 0, true, int32(-1)
		sizes := map[int32]int{}
		for p, w := range seg.Weight {
			if w == 0 {
				continue
			}
			count++
			perPosition[p]++
			sizes[seg.Group[p]]++
			if seg.Weight[p-1] == 0 {
				blanks++
			}
			ordered = ordered && seg.Group[p] >= last
			last = seg.Group[p]
		}
		for id, size := range sizes {
			if id != slices.Max(seg.Group) {
				groupSize[size]++
			}
		}
		blankPositions += count
		shares[count*10/(n-1)]++
		if ordered {
			ltr++
		}
		if seg.Weight[n-1] == 1 {
			atEnd++
		}
	}
	within := func(what string, got, low, high float64) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s is %.3f, want %.3f to %.3f", what, got, low, high)
		}
	}
	within("mean blank length", float64(blankPositions)/float64(blanks), 3.7, 4.1) // the last one is cut short
	within("share of blank positions", float64(blankPositions)/(draws*(n-1)), 0.315, 0.335)
	within("share of left-to-right filling", float64(ltr)/draws, 0.47, 0.53)
	// Blanks are spread evenly, but for the ends, which only a blank's end can touch.
	for _, p := range []int{16, 64, 128, 192, n - 16} {
		within(fmt.Sprintf("share of draws with position %d blank", p), float64(perPosition[p])/draws, 0.29, 0.36)
	}
	total := 0
	for _, count := range groupSize {
		total += count
	}
	for size := 1; size <= 4; size++ {
		within(fmt.Sprintf("share of groups of %d", size), float64(groupSize[size])/float64(total), 0.24, 0.26)
	}
	for tenth := 2; tenth <= 4; tenth++ { // uniform over 15 to 50 %
		within(fmt.Sprintf("share of draws with %d0 %% blank", tenth), float64(shares[tenth])/draws, 0.26, 0.32)
	}
	within("share of draws with a blank at the end", float64(atEnd)/draws, 0.1, 0.17)
	within("share of draws with a blank behind BOS", float64(perPosition[1])/draws, 0.1, 0.17)
}

// TestPermutedIsUniform: each position is as likely in the first group as any other.
func TestPermutedIsUniform(t *testing.T) {
	const n, draws = 17, 8000
	s := mustParse(t, "permuted:4")
	first := make([]int, n)
	for i := range draws {
		seg := s.Sample(Key(3, 0, uint64(i), 0), make([]int32, n), GivenCausal)
		for p, id := range seg.Group {
			if id == 1 {
				first[p]++
			}
		}
	}
	for p, count := range first[1:] {
		if share := float64(count) / draws; share < 0.23 || share > 0.27 {
			t.Errorf("position %d is in the first group in %.3f of the draws, want 0.25", p+1, share)
		}
	}
}

func TestSampleShortest(t *testing.T) {
	for _, text := range []string{"ltr", "blocks:4", "permuted:8", "uneven", "spans"} {
		s := mustParse(t, text)
		if seg := s.Sample(1, nil, GivenCausal); seg.Len() != 0 {
			t.Errorf("%s of nothing has %d positions", text, seg.Len())
		}
		seg := s.Sample(1, []int32{5}, GivenGroup)
		if !slices.Equal(seg.Group, []int32{0}) || !slices.Equal(seg.Weight, []float32{0}) {
			t.Errorf("%s of BOS alone: %v", text, seg)
		}
		seg = s.Sample(1, []int32{5, 6}, GivenGroup)
		if !slices.Equal(seg.Group, []int32{0, 1}) || !slices.Equal(seg.Weight, []float32{0, 1}) {
			t.Errorf("%s of two positions: %v", text, seg)
		}
	}
}
