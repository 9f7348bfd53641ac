package model

import (
	"math"
	"slices"
	"testing"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// A segment's numbers do not depend on what it is packed with, bit for bit.
func TestPackedEqualsAlone(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		list := segments(m.Config.Vocab)
		packed := slices.Clone(m.NewWorkspace().LogProbs(pack(list...)))
		backwards := slices.Clone(list)
		slices.Reverse(backwards)
		reversed := slices.Clone(m.NewWorkspace().LogProbs(pack(backwards...)))
		ws := m.NewWorkspace()
		for i, s := range list {
			alone := ws.LogProbs(pack(s))
			sameBits(t, "packed", packed[:len(alone)], alone)
			sameBits(t, "packed in reverse", reversed[len(reversed)-len(alone):], alone)
			packed, reversed = packed[len(alone):], reversed[:len(reversed)-len(alone)]
			if i == 2 && len(alone) < 30 {
				t.Fatal("no segment is longer than a tile")
			}
		}
	})
}

// Content rows encoded in parts into a cache give the numbers of one pass.
func TestCacheEqualsOnePass(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		s := segments(m.Config.Vocab)[2]
		whole := pack(s)
		want := slices.Clone(m.NewWorkspace().LogProbs(whole))
		content, query := whole.Rows()
		cache, ws := m.NewCache(content), m.NewWorkspace()
		var got []float64
		for encoded, asked := 0, 0; asked < query; {
			// The queries that see as far as the next one does, and what they see.
			next := asked
			for next < query && whole.QueryEnd[next] == whole.QueryEnd[asked] {
				next++
			}
			end := int(whole.QueryEnd[asked])
			b := &Batch{
				Token: whole.Token[encoded:end], ContentPos: whole.ContentPos[encoded:end], ContentEnd: whole.ContentEnd[encoded:end],
				QueryPos: whole.QueryPos[asked:next], QueryEnd: whole.QueryEnd[asked:next],
				Target: whole.Target[asked:next], Weight: whole.Weight[asked:next],
				Segments: []Segment{{Content: end - encoded, Keys: end - encoded, Query: next - asked, Cache: cache}},
			}
			got = append(got, ws.LogProbs(b)...)
			encoded, asked = end, next
		}
		if cache.Len() != content {
			t.Fatalf("the cache holds %d tokens, want %d", cache.Len(), content)
		}
		sameBits(t, "in parts", got, want)
	})
}

// AddSegment lists a query row for each position with a weight, and a content row for
// each position that one of those sees.
func TestOnlyRowsThatAreReadAreListed(t *testing.T) {
	list := segments(13)
	permuted := list[2].Group
	inLast := 0
	for _, g := range permuted {
		if g == slices.Max(permuted) {
			inLast++
		}
	}
	for i, want := range [][2]int{
		{6, 6},                                  // left to right: nobody sees the last token
		{7, 4},                                  // the last position is a group of its own
		{len(permuted) - inLast, len(permuted)}, // nobody sees the last group
		{3, 4},                                  // the last group is position 2
		{0, 0},                                  // nothing is asked, so nothing is computed
	} {
		if content, query := pack(list[i]).Rows(); content != want[0] || query != want[1] {
			t.Errorf("segment %d: %d content and %d query rows, want %v", i, content, query, want)
		}
	}
}

// A pass writes every number that it reads, and leaves the rows alone that nobody
// reads: with a workspace full of NaN the results are the same, and in the last layer
// the content rows that are not scored are NaN still.
func TestDeadRowsAreNotComputed(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		b, ws := pack(mixed(m.Config.Vocab)...), m.NewWorkspace()
		content, query := b.Rows()
		scored := b.Next + query
		clean := slices.Clone(ws.LogProbs(b))
		want, _, _ := gradientOf(ws, 1, b)
		ws.poison()
		got, _, _ := gradientOf(ws, 1, b)
		sameBits(t, "gradient", got.Flat, want.Flat)

		last := &ws.acts[m.Config.Layers-1]
		middle := kernels.FloatRows(kernels.NewMat(last.mid, content+query, m.Config.Hidden))
		for name, rows := range map[string]kernels.Rows{
			"q": last.q, "attention": last.att, "middle": middle, "gate": last.gate, "up": last.up, "final": ws.final,
		} {
			if n := computed(rows); n != scored {
				t.Errorf("%s of the last layer: %d rows computed, want the %d scored rows of %d", name, n, scored, content+query)
			}
		}
		if n := computed(ws.acts[0].gate); n != content+query {
			t.Errorf("gate of the first layer: %d rows computed, want all %d", n, content+query)
		}

		ws.poison()
		sameBits(t, "log-probabilities", ws.LogProbs(b), clean)
		if n := computed(ws.final); n != scored {
			t.Errorf("%d rows normed at the end, want %d", n, scored)
		}
		wide := *b
		wide.WantContent = true
		ws.poison()
		sameBits(t, "with content", ws.LogProbs(&wide), clean)
		if n := computed(ws.final); n != content+query {
			t.Errorf("WantContent: %d rows normed at the end, want %d", n, content+query)
		}
	})
}

// computed returns the number of rows that are not all NaN.
func computed(rows kernels.Rows) (n int) {
	row := make([]float32, rows.Cols)
	for i := range rows.N {
		rows.Float(row, i)
		if slices.ContainsFunc(row, func(v float32) bool { return v == v }) {
			n++
		}
	}
	return n
}

// poison fills every buffer with NaN, keys and values included.
func (ws *Workspace) poison() {
	nans := func(n int) []float32 { return slices.Repeat([]float32{float32(math.NaN())}, n) }
	floats, rows := ws.buffers()
	for _, buf := range floats {
		copy((*buf)[:cap(*buf)], nans(cap(*buf)))
	}
	for _, r := range rows {
		ws.m.k.Convert(*r, kernels.NewMat(nans(r.N*r.Cols), r.N, r.Cols))
	}
	for _, cache := range ws.cache {
		cache.Truncate(0)
		width := ws.m.Config.kvWidth()
		rows := kernels.NewMat(nans(cache.Cap()*width), cache.Cap(), width)
		for _, kv := range cache.layers {
			kv.Append(ws.m.k, rows, rows)
		}
	}
}

// The formulas of MODEL.md, on sizes that need no rounding up.
func TestMemory(t *testing.T) {
	c := Config{
		Vocab: 700, Hidden: 96, FFN: 160, Layers: 3, Heads: 3, KVHeads: 1, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 100, MaxPositions: 64, PadToken: -1,
	}
	const documents, length = 5, 64
	for _, typ := range []kernels.Type{kernels.Float32, kernels.BF16} {
		m, err := New(c, kernels.Best(), typ)
		if err != nil {
			t.Fatal(err)
		}
		b := &Batch{}
		for range documents {
			s := seq.Segment{Tokens: make([]int32, length), Group: make([]int32, length), Weight: make([]float32, length)}
			for i := range s.Group {
				s.Group[i], s.Weight[i] = int32(i), 1
			}
			b.AddSegment(s)
		}
		C, Q := b.Rows()
		e := map[kernels.Type]int{kernels.Float32: 4, kernels.BF16: 2}[typ]
		R, B, L, H, F, q, kv, n, V := C+Q, blockRows, c.Layers, c.Hidden, c.FFN, c.queryWidth(), c.kvWidth(), c.Heads, headChunk
		cache := 0
		for range documents {
			cache += m.NewCache(length - 1).Bytes()
		}
		reads := 4*R*(2*H+3) + e*R*(2*q+H) + B*(e*(H+F)+4*q+4*V) + 8*C*kv + 28*Q + 4*C + cache
		trains := 4*R*((2*L+2)*H+q+L*(n+2)+1) + e*R*(L*(2*q+2*F)+3*H+3*F+2*q) + B*(e*H+4*(q+H+V)) +
			4*Q*H + e*Q*V + C*kv*(16+2*e) + 28*Q + 4*C + 4*H + cache
		for _, x := range []struct {
			what string
			run  func(ws *Workspace)
			want int
		}{
			{"reads", func(ws *Workspace) { ws.LogProbs(b) }, reads},
			{"trains", func(ws *Workspace) { gradientOf(ws, 1, b) }, trains},
		} {
			ws := m.NewWorkspace()
			x.run(ws)
			got := ws.Bytes()
			if got < x.want || float64(got) > 1.1*float64(x.want) {
				t.Errorf("%s: a pass that %s holds %d bytes, want %d", typ, x.what, got, x.want)
			}
		}
	}
}

// With its buffers grown, a pass allocates nothing.
func TestPassesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector lets sync.Pool forget at random")
	}
	eachModel(t, func(t *testing.T, m *Model) {
		b, ws := pack(mixed(m.Config.Vocab)...), m.NewWorkspace()
		if n := testing.AllocsPerRun(10, func() { ws.Forward(b) }); n > 0 {
			t.Errorf("Forward allocates %v times", n)
		}
		if n := testing.AllocsPerRun(10, func() { ws.LogProbs(b) }); n > 0 {
			t.Errorf("LogProbs allocates %v times", n)
		}
		g := m.NewGradient()
		if n := testing.AllocsPerRun(10, func() { g.Reset(); ws.LossGrad(b, g, 0, 1) }); n > 0 {
			t.Errorf("LossGrad allocates %v times", n)
		}
	})
}

// Batches that contradict themselves are mistakes of the program.
func TestBadBatchesPanic(t *testing.T) {
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	good := func() *Batch { return pack(segments(m.Config.Vocab)[:2]...) }
	m.NewWorkspace().LogProbs(good())
	for name, spoil := range map[string]func(b *Batch){
		"segments count too many rows": func(b *Batch) { b.Segments[0].Content++ },
		"segments count too few rows":  func(b *Batch) { b.Segments[0].Query-- },
		"more keys than content":       func(b *Batch) { b.Segments[0].Keys++ },
		"negative count":               func(b *Batch) { b.Segments[0].Keys = -1 },
		"columns differ":               func(b *Batch) { b.QueryEnd = b.QueryEnd[1:] },
		"negative position":            func(b *Batch) { b.ContentPos[0] = -1 },
		"token too large":              func(b *Batch) { b.Token[0] = int32(m.Config.Vocab) },
		"token negative":               func(b *Batch) { b.Token[0] = -1 },
		"target too large":             func(b *Batch) { b.Target[0] = int32(m.Config.Vocab) },
		"no targets":                   func(b *Batch) { b.Target = nil },
		"row sees beyond the keys":     func(b *Batch) { b.QueryEnd[0] = 100 },
		"row sees less than nothing":   func(b *Batch) { b.ContentEnd[0] = -1 },
	} {
		b := good()
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

// Reset keeps the memory and nothing else.
func TestBatchReset(t *testing.T) {
	b := &Batch{WantContent: true}
	list := mixed(13)
	refill := func() {
		b.Reset()
		b.AddSegments(list)
	}
	refill()
	refill()
	want := pack(list...)
	if b.Next != want.Next || !slices.Equal(b.Weight, want.Weight) {
		t.Errorf("%d content rows are scored, want %d", b.Next, want.Next)
	}
	if b.WantContent || len(b.Segments) != len(want.Segments) || !slices.Equal(b.Token, want.Token) || !slices.Equal(b.Target, want.Target) {
		t.Error("a batch that was used before differs from a new one")
	}
	if n := testing.AllocsPerRun(10, b.Reset); n > 0 {
		t.Errorf("Reset allocates %v times", n)
	}
}

// An empty batch is no mistake.
func TestEmptyBatch(t *testing.T) {
	m := filled(t, tiny(), kernels.Best(), kernels.Float32)
	if got := m.NewWorkspace().LogProbs(pack()); len(got) != 0 {
		t.Errorf("%d log-probabilities of nothing", len(got))
	}
	if got := m.NewWorkspace().LogProbs(pack(seq.Segment{})); len(got) != 0 {
		t.Errorf("%d log-probabilities of an empty segment", len(got))
	}
}

func sameBits[F float32 | float64](t *testing.T, what string, got, want []F) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float64bits(float64(got[i])) != math.Float64bits(float64(want[i])) {
			t.Fatalf("%s: number %d is %v, want the bits of %v", what, i, got[i], want[i])
		}
	}
}

// A token whose embedding is no number spoils its own document and no other.
func TestNaNStaysInItsSegment(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		const bad = 12
		list := segments(bad)[:3] // no other document holds the token
		want := slices.Clone(m.NewWorkspace().LogProbs(pack(list...)))
		list[1].Tokens[0] = bad
		for i := range m.Params.Embed.Row(bad) { // not packed: the head stays sound
			m.Params.Embed.Row(bad)[i] = float32(math.NaN())
		}
		got := m.NewWorkspace().LogProbs(pack(list...))
		_, first := pack(list[0]).Rows()
		_, last := pack(list[:2]...).Rows()
		sameBits(t, "the segment before", got[:first], want[:first])
		sameBits(t, "the segment behind", got[last:], want[last:])
		for _, lp := range got[first:last] {
			if !math.IsNaN(lp) {
				t.Errorf("log-probability %v", lp)
			}
		}
	})
}
