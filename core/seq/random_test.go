package seq

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// The streams are part of what makes an output reproducible: these values must never
// change.
func TestStreamsNeverChange(t *testing.T) {
	k := NewKey(1, 2, 3)
	shuffled := []int{0, 1, 2, 3, 4, 5, 6, 7}
	Shuffle(k, shuffled)
	for _, c := range []struct{ name, got, want string }{
		{"NewKey()", fmt.Sprintf("%#x", uint64(NewKey())), "0x9e3779b97f4a7c15"},
		{"NewKey(0)", fmt.Sprintf("%#x", uint64(NewKey(0))), "0xfa896065180b1372"},
		{"NewKey(1, 2, 3)", fmt.Sprintf("%#x", uint64(k)), "0x67cd6552e6b5a3e7"},
		{"Uint64", fmt.Sprintf("%#x %#x", k.Uint64(0), k.Uint64(1)), "0xd102b233fb37a95b 0xd6efde6360fff338"},
		{"Uniform", fmt.Sprintf("%.17g %.17g", k.Uniform(0), k.Uniform(1<<40)), "0.81644738930773875 0.13768164965287366"},
		{"Intn", fmt.Sprint(k.Intn(0, 10), k.Intn(1, 10), k.Intn(2, 1), k.Intn(3, math.MaxInt64)), "8 8 0 647908281924343870"},
		{"Normal", fmt.Sprintf("%.6f %.6f", k.Normal(0), k.Normal(1)), "0.982702 1.051017"},
		{"Shuffle", fmt.Sprint(shuffled), "[5 7 6 0 4 3 1 2]"},
		{"HashBytes of nothing", fmt.Sprintf("%#x", HashBytes(nil)), "0xe2563d88477240ac"},
		{"HashBytes, one word", fmt.Sprintf("%#x", HashBytes([]byte("12345678"))), "0xd01cf24073ec761f"},
		{"HashBytes", fmt.Sprintf("%#x", HashBytes([]byte("a document's id"))), "0x4ef395461db03f58"},
		{"SplitMix64 seeded by 0", fmt.Sprintf("%#x %#x", Key(0).Uint64(0), Key(0).Uint64(1)), "0xe220a8397b1dcdaf 0x6e789e6aa1b965f4"}, // as published
		{"purposes", fmt.Sprint(PurposeGrouping, PurposeToken, PurposeOrder, PurposeInit, PurposeShuffle, PurposeSplit, PurposeCopy), "1 2 3 4 5 6 7"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
}

// fits fails if counts are too far from equal: chi-square beyond what one uniform
// sample in a million shows. The streams are fixed, so the test cannot flicker.
func fits(t *testing.T, what string, counts []int) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	want := float64(total) / float64(len(counts))
	var x2 float64
	for _, n := range counts {
		d := float64(n) - want
		x2 += d * d / want
	}
	dist := distuv.ChiSquared{K: float64(len(counts) - 1)}
	if p := dist.Survival(x2); p < 1e-6 || p > 1-1e-6 {
		t.Errorf("%s: chi-square %.1f with %d degrees of freedom, p = %.2g", what, x2, len(counts)-1, p)
	}
}

func TestUniform(t *testing.T) {
	const draws = 100_000
	for _, c := range []struct {
		name string
		draw func(i uint64) float64
	}{
		{"along a stream", func(i uint64) float64 { return NewKey(7).Uniform(i) }},
		{"across keys of one word", func(i uint64) float64 { return NewKey(i).Uniform(0) }},
		{"across positions", func(i uint64) float64 { return NewKey(1, 2).With(i, 3, uint64(PurposeToken)).Uniform(0) }},
		{"across steps", func(i uint64) float64 { return NewKey(1, 2).With(3, i, uint64(PurposeToken)).Uniform(0) }},
	} {
		counts, bits := make([]int, 64), make([]int, 64)
		for i := range uint64(draws) {
			u := c.draw(i)
			if u < 0 || u >= 1 {
				t.Fatalf("%s: %v", c.name, u)
			}
			counts[int(u*64)]++
			bits[int(u*(1<<40))%64]++ // low bits too
		}
		fits(t, c.name, counts)
		fits(t, c.name+", low bits", bits)
	}
}

// Streams whose keys differ in one word, by as little as one bit, are independent:
// pairs of their numbers fill the unit square.
func TestNeighbouringKeysAreIndependent(t *testing.T) {
	for name, neighbour := range map[string]func(k Key, i uint64) (a, b float64){
		"next position": func(k Key, i uint64) (float64, float64) { return k.With(i).Uniform(0), k.With(i + 1).Uniform(0) },
		"next number":   func(k Key, i uint64) (float64, float64) { return k.Uniform(i), k.Uniform(i + 1) },
		"words swapped": func(k Key, i uint64) (float64, float64) { return k.With(i, 5).Uniform(0), k.With(5, i).Uniform(0) },
		"next purpose":  func(k Key, i uint64) (float64, float64) { return k.With(i, 1).Uniform(0), k.With(i, 2).Uniform(0) },
		"highest bit":   func(k Key, i uint64) (float64, float64) { return k.With(i).Uniform(0), k.With(i ^ 1<<63).Uniform(0) },
	} {
		counts := make([]int, 8*8)
		for i := range uint64(50_000) {
			a, b := neighbour(NewKey(11), i+10)
			counts[int(a*8)*8+int(b*8)]++
		}
		fits(t, name, counts)
	}
}

func TestKeyIsItsWordsInOrder(t *testing.T) {
	seen := make(map[Key][]uint64)
	for _, words := range [][]uint64{{}, {0}, {0, 0}, {1}, {0, 1}, {1, 0}, {1, 1}, {math.MaxUint64}, {math.MaxUint64, 0}, {1 << 32}} {
		k := NewKey(words...)
		if other, ok := seen[k]; ok {
			t.Errorf("the words %v and %v give the same key", words, other)
		}
		seen[k] = words
	}
}

func TestIntn(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 100} {
		counts := make([]int, n)
		for i := range uint64(1000 * n) {
			counts[NewKey(uint64(n)).Intn(i, n)]++
		}
		if n > 1 {
			fits(t, fmt.Sprintf("Intn(%d)", n), counts)
		}
	}
}

func TestShuffle(t *testing.T) {
	// All 24 orders of four things are equally likely.
	counts := make(map[string]int)
	for i := range uint64(24_000) {
		s := []byte("abcd")
		Shuffle(NewKey(i), s)
		counts[string(s)]++
	}
	if len(counts) != 24 {
		t.Fatalf("%d orders, want 24", len(counts))
	}
	var list []int
	for _, n := range counts {
		list = append(list, n)
	}
	fits(t, "orders", list)

	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 20).Draw(t, "s")
		shuffled := slices.Clone(s)
		Shuffle(Key(rapid.Uint64().Draw(t, "key")), shuffled)
		slices.Sort(s)
		slices.Sort(shuffled)
		if !slices.Equal(s, shuffled) {
			t.Fatal("shuffling changed the elements")
		}
	})
}

func TestHashBytes(t *testing.T) {
	seen := make(map[uint64]string)
	add := func(b []byte) {
		t.Helper()
		h := HashBytes(b)
		if other, ok := seen[h]; ok && other != string(b) {
			t.Fatalf("%q and %q have the same hash", b, other)
		}
		seen[h] = string(b)
	}
	for n := range 40 { // lengths around whole words, zeros that a plain sum would miss
		add(make([]byte, n))
		for i := range n {
			for bit := range 8 {
				b := make([]byte, n)
				b[i] = 1 << bit
				add(b)
			}
		}
	}
	b := []byte("the same bytes")
	if HashBytes(b) != HashBytes(slices.Clone(b)) {
		t.Error("equal bytes have different hashes")
	}
}

func TestNormal(t *testing.T) {
	// By the normal distribution's own quantiles the draws are uniform.
	counts := make([]int, 50)
	for i := range uint64(50_000) {
		x := NewKey(3).Normal(i)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatalf("draw %d is %v", i, x)
		}
		counts[min(int(distuv.UnitNormal.CDF(x)*50), 49)]++
	}
	fits(t, "Normal", counts)
}
