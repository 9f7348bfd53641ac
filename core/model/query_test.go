package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

func TestInitQuery(t *testing.T) {
	modelsOf(t, func(t *testing.T, m *Model) {
		const bos = 2
		c := &m.Config
		scratch := NewParams(c)
		scratch.Init(5, c.Layers)
		mean, embedding := make([]float32, c.Hidden), m.Params.Embed.Row(bos)
		tol := 1e-6
		if m.Type == kernels.BF16 {
			tol = 1.0 / 256 // they are read rounded, and below 2
		}
		for i := range mean {
			for r := range c.Vocab {
				mean[i] += m.Params.Embed.Row(r)[i] / float32(c.Vocab)
			}
		}
		// With embeddings that are trained and that are frozen.
		for _, m := range []*Model{m, adapted(t, m), partly(t, m, Trained{Freeze: []Part{PartEmbed}})} {
			for how, want := range map[QueryInit][]float32{
				QueryRandom: scratch.Query,
				QueryZero:   make([]float32, c.Hidden),
				QueryMean:   mean,
				QueryBOS:    embedding,
				QueryCopy:   scratch.Query,
			} {
				for i := range m.Params.Query {
					m.Params.Query[i] = float32(math.NaN())
				}
				if err := m.InitQuery(how, 5, bos); err != nil {
					t.Fatal(err)
				}
				for i, v := range m.Params.Query {
					if !(math.Abs(float64(v-want[i])) <= tol) {
						t.Errorf("%s: element %d is %v, want %v", how, i, v, want[i])
					}
				}
			}
		}
	}, kernels.Float32, kernels.BF16)
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	for want, err := range map[string]error{
		`"modal" is not known; use random`: m.InitQuery("modal", 5, 2),
		"BOS is token 13, outside":         m.InitQuery(QueryBOS, 5, 13),
		"BOS is token -1, outside":         m.InitQuery(QueryBOS, 5, -1),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

// A plain Llama, whose checkpoint has no query embedding, can be trained but not read:
// nothing could be asked of it.
func TestLoadPlainLlama(t *testing.T) {
	c := tiny()
	m := filled(t, c, kernels.Best(), kernels.Float32)
	f := file(t, slices.Delete(m.Params.SafeTensors(), 1, 2))
	loaded, err := LoadTrainable(c, f, kernels.Best(), kernels.Float32, Trained{})
	if err != nil {
		t.Fatal(err)
	}
	clear(m.Params.Query)
	sameBits(t, "loaded", loaded.Params.Flat, m.Params.Flat)
	if _, err := Load(c, f, kernels.Best(), kernels.Float32); err == nil || !strings.Contains(err.Error(), QueryEmbed) {
		t.Errorf("a plain Llama to be read: %v", err)
	}
}

// copying is pack, with every other query row that sees the token before it copying that.
func copying(list ...seq.Segment) *Batch {
	b := &Batch{CopyBefore: true}
	b.AddSegments(list)
	for i := 0; i < len(b.Before); i += 2 {
		b.Before[i] = -1
	}
	return b
}

// Query rows that copy the token before them have gradients, and the others start as ever.
func TestCopy(t *testing.T) {
	eachFloat32(t, func(t *testing.T, m *Model) {
		b := copying(mixed(m.Config.Vocab)...)
		copies := 0
		for i, before := range b.Before {
			want := m.Params.Query
			if before >= 0 {
				copies++
				want = m.Params.Embed.Row(int(before))
			}
			x := make([]float32, m.Config.Hidden)
			m.queryInput(x, b, i)
			sameBits(t, "input", x, want)
		}
		if copies < 10 || copies > len(b.Before)-10 {
			t.Errorf("%d of %d query rows copy: the test wants both", copies, len(b.Before))
		}
		checkGradient(t, m, b)
	})
}

// What a query row copies is the token at the position before, if that is in an earlier group.
func TestOnlyWhatIsSeenIsCopied(t *testing.T) {
	list := segments(13)
	b := &Batch{CopyBefore: true}
	b.AddSegments(list)
	row := 0
	for i, s := range list {
		for range b.Segments[i].Query {
			p := b.QueryPos[row]
			want := int32(-1)
			if p > 0 && s.Group[p-1] < s.Group[p] {
				want = s.Tokens[p-1]
			}
			if b.Before[row] != want {
				t.Errorf("position %d copies %d, want %d", p, b.Before[row], want)
			}
			row++
		}
	}
	if row != len(b.Before) {
		t.Errorf("%d of %d rows", row, len(b.Before))
	}
	if other := pack(list...); len(other.Before) > 0 {
		t.Error("rows copy though nobody asked for it")
	}
}

// Under left-to-right singletons a network without positions would make of such query rows
// the content stream, one position on: all that differs is where a row stands.
func TestCopyIsTheContentStream(t *testing.T) {
	eachFloat32(t, func(t *testing.T, m *Model) {
		next := nextSegments(m.Config.Vocab)[0]
		ltr := next
		ltr.Next = false
		b := &Batch{CopyBefore: true}
		b.AddSegment(ltr)
		for _, pos := range [][]int32{b.QueryPos, b.ContentPos} {
			clear(pos)
		}
		plain := pack(next)
		clear(plain.ContentPos)
		got := slices.Clone(m.NewWorkspace().LogProbs(b))
		for i, want := range m.NewWorkspace().LogProbs(plain) {
			if math.Abs(got[i]-want) > 1e-5 {
				t.Errorf("row %d: %v, want %v", i, got[i], want)
			}
		}
	})
}
