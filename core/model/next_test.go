package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// nextSegments are documents whose content rows are scored: one longer than a tile, one
// with weights that differ and end early, a short one, and one of BOS alone.
func nextSegments(vocab int) []seq.Segment {
	rng := rand.New(rand.NewPCG(25, 26))
	list := []seq.Segment{
		{Weight: append([]float32{0}, slices.Repeat([]float32{1}, 39)...)},
		{Weight: []float32{0, 1, 0, 2, 0.5, 0}},
		{Weight: []float32{0, 1}},
		{Weight: []float32{0}},
	}
	for i := range list {
		s := &list[i]
		s.Next = true
		for p := range s.Weight {
			s.Tokens, s.Group = append(s.Tokens, int32(rng.IntN(vocab))), append(s.Group, int32(p))
		}
	}
	return list
}

// mixed are segments of both streams, in no order.
func mixed(vocab int) []seq.Segment {
	a, b := segments(vocab), nextSegments(vocab)
	return []seq.Segment{b[0], a[0], a[1], b[1], a[2], b[2], b[3], a[3], a[4]}
}

// Content rows that are scored are those of the plain pass, bit for bit: the row of each
// position predicts the token behind it.
func TestNextIsTheContentStream(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		for i, s := range nextSegments(m.Config.Vocab) {
			b := pack(s)
			got := slices.Clone(m.NewWorkspace().LogProbs(b))
			plain := s
			plain.Next, plain.Weight = false, slices.Repeat([]float32{1}, s.Len())
			wide := pack(plain)
			wide.WantContent = true
			ws := m.NewWorkspace()
			ws.run(wide, false)
			var want []float64
			for j := range got {
				p := b.Predicts(j)
				if p != j+1 || b.Target[j] != s.Tokens[p] || b.Weight[j] != s.Weight[p] {
					t.Fatalf("segment %d: row %d predicts position %d, token %d of weight %v", i, j, p, b.Target[j], b.Weight[j])
				}
				want = append(want, ws.LogProb(ws.final, j, s.Tokens[p]))
			}
			sameBits(t, fmt.Sprint("segment ", i), got, want)
		}
	})
}

// Packed with others, segments of both streams have the numbers that they have alone.
func TestStreamsPackedTogether(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		list := mixed(m.Config.Vocab)
		packed := pack(list...)
		got := slices.Clone(m.NewWorkspace().LogProbs(packed))
		ws := m.NewWorkspace()
		for _, next := range []bool{true, false} { // scored content rows come first
			for _, s := range list {
				if s.Next != next {
					continue
				}
				b := pack(s)
				alone := ws.LogProbs(b)
				sameBits(t, "packed", got[:len(alone)], alone)
				got = got[len(alone):]
			}
		}
		if len(got) > 0 {
			t.Errorf("%d numbers too many", len(got))
		}
	})
}

// A batch that scores content rows alone is a plain Llama's: the query embedding has no
// part in it.
func TestNextLeavesTheQueryAlone(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		b := pack(nextSegments(m.Config.Vocab)...)
		if _, query := b.Rows(); query != 0 {
			t.Fatalf("%d query rows", query)
		}
		grads, _, _ := gradientOf(m.NewWorkspace(), 1, b)
		if n := norm(grads.Query); n != 0 {
			t.Errorf("the query embedding's gradient has norm %v", n)
		}
		want := slices.Clone(m.NewWorkspace().LogProbs(b))
		clear(m.Params.Query)
		m.Pack()
		sameBits(t, "with another query embedding", m.NewWorkspace().LogProbs(b), want)
	})
}

// Content rows that are scored lie behind all others, so they cannot be followed.
func TestNextComesLast(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	b := &Batch{}
	b.AddSegment(nextSegments(13)[0])
	b.AddSegment(segments(13)[0])
}

func TestScoredRowsPanic(t *testing.T) {
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	for name, spoil := range map[string]func(b *Batch){
		"more scored than there are": func(b *Batch) { b.Next = len(b.Token) + 1 },
		"fewer than none":            func(b *Batch) { b.Next = -1 },
		"a target too few":           func(b *Batch) { b.Target = b.Target[1:] },
		"a weight too few":           func(b *Batch) { b.Weight = b.Weight[1:] },
	} {
		b := pack(mixed(m.Config.Vocab)...)
		m.NewWorkspace().LogProbs(b)
		spoil(b)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			m.NewWorkspace().LogProbs(b)
		}()
	}
}
