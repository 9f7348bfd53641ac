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
// the content rows are NaN still.
func TestDeadRowsAreNotComputed(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		b, ws := pack(segments(m.Config.Vocab)...), m.NewWorkspace()
		content, query := b.Rows()
		want, clean := NewParams(&m.Config), slices.Clone(ws.LogProbs(b))
		ws.LossGrad(b, want, 1)
		got := NewParams(&m.Config)
		ws.poison()
		ws.LossGrad(b, got, 1)
		sameBits(t, "gradient", got.Flat, want.Flat)

		last := &ws.layers[m.Config.Layers-1]
		for name, buf := range map[string]struct {
			data []float32
			cols int
		}{
			"q": {last.q, m.Config.queryWidth()}, "attention": {last.att, m.Config.queryWidth()},
			"middle": {last.mid, m.Config.Hidden}, "gate": {last.gate, m.Config.FFN}, "up": {last.up, m.Config.FFN},
			"final": {ws.final, m.Config.Hidden},
		} {
			if rows := computed(buf.data, buf.cols); rows != query {
				t.Errorf("%s of the last layer: %d rows computed, want the %d query rows of %d", name, rows, query, content+query)
			}
		}
		if rows := computed(ws.layers[0].gate, m.Config.FFN); rows != content+query {
			t.Errorf("gate of the first layer: %d rows computed, want all %d", rows, content+query)
		}

		ws.poison()
		sameBits(t, "log-probabilities", ws.LogProbs(b), clean)
		if rows := computed(ws.normed, m.Config.Hidden); rows != query {
			t.Errorf("%d rows normed at the end, want %d", rows, query)
		}
		wide := *b
		wide.WantContent = true
		ws.poison()
		sameBits(t, "with content", ws.LogProbs(&wide), clean)
		if rows := computed(ws.normed, m.Config.Hidden); rows != content+query {
			t.Errorf("WantContent: %d rows normed at the end, want %d", rows, content+query)
		}
	})
}

// computed returns the number of rows that are not all NaN.
func computed(data []float32, cols int) (n int) {
	for row := range slices.Chunk(data, cols) {
		if slices.ContainsFunc(row, func(v float32) bool { return v == v }) {
			n++
		}
	}
	return n
}

// poison fills every buffer with NaN, keys and values included.
func (ws *Workspace) poison() {
	nan := float32(math.NaN())
	fill := func(buf []float32) {
		buf = buf[:cap(buf)]
		for i := range buf {
			buf[i] = nan
		}
	}
	for _, buf := range ws.buffers() {
		fill(buf)
	}
	for _, cache := range ws.cache {
		cache.Truncate(0)
		width := ws.m.Config.kvWidth()
		rows := kernels.NewMat(make([]float32, cache.Cap()*width), cache.Cap(), width)
		fill(rows.Data)
		for _, kv := range cache.layers {
			kv.Append(rows, rows)
		}
	}
}

// buffers lists the workspace's floats but for keys, values and attention scratch.
func (ws *Workspace) buffers() [][]float32 {
	list := [][]float32{
		ws.final, ws.rstd, ws.normed, ws.k, ws.v, ws.ffn, ws.logits,
		ws.dx, ws.dmid, ws.dnorm, ws.datt, ws.dq, ws.dk, ws.dv, ws.dffn, ws.dgate, ws.dup,
	}
	for i := range ws.layers {
		a := &ws.layers[i]
		list = append(list, a.x, a.rstdIn, a.q, a.att, a.lse, a.mid, a.rstdPost, a.gate, a.up)
	}
	return list
}

// The formulas of MODEL.md.
func TestMemory(t *testing.T) {
	eachModel(t, func(t *testing.T, m *Model) {
		c := &m.Config
		b := pack(segments(c.Vocab)...)
		content, query := b.Rows()
		rows, q, kv := content+query, c.queryWidth(), c.kvWidth()
		logits := min(48, query) * c.Vocab
		floats := func(ws *Workspace) (n int) {
			for _, buf := range ws.buffers() {
				n += len(buf)
			}
			return n + max(0, logits-len(ws.logits)) // the last chunk may have been smaller
		}
		reads, trains := m.NewWorkspace(), m.NewWorkspace()
		reads.LogProbs(b)
		trains.LossGrad(b, NewParams(c), 1)
		if got, want := floats(reads), rows*(5*c.Hidden+2*q+3*c.FFN+c.Heads+3)+2*content*kv+logits; got != want {
			t.Errorf("a pass that reads holds %d floats, want %d", got, want)
		}
		want := c.Layers*rows*(2*c.Hidden+2*q+2*c.FFN+c.Heads+2) + rows*(5*c.Hidden+2*q+4*c.FFN+1) + 4*content*kv + logits
		if got := floats(trains); got != want {
			t.Errorf("a training pass holds %d floats, want %d", got, want)
		}
		head := c.Vocab * c.Hidden
		if !c.Tied {
			head *= 2
		}
		if got, want := c.Params(), head+c.Layers*(2*c.Hidden+2*c.Hidden*q+2*c.Hidden*kv+3*c.Hidden*c.FFN)+2*c.Hidden; got != want {
			t.Errorf("%d parameters, want %d", got, want)
		}
		if got, want := m.NewCache(40).Bytes(), 4*c.Layers*c.KVHeads*64*(c.HeadDim+32); got != want {
			t.Errorf("a cache of 40 tokens holds %d bytes, want %d", got, want)
		}
	})
}

// With its buffers grown, a pass allocates nothing.
func TestPassesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector lets sync.Pool forget at random")
	}
	eachModel(t, func(t *testing.T, m *Model) {
		b, ws := pack(segments(m.Config.Vocab)...), m.NewWorkspace()
		if n := testing.AllocsPerRun(10, func() { ws.Forward(b) }); n > 0 {
			t.Errorf("Forward allocates %v times", n)
		}
		if n := testing.AllocsPerRun(10, func() { ws.LogProbs(b) }); n > 0 {
			t.Errorf("LogProbs allocates %v times", n)
		}
		grads := NewParams(&m.Config)
		if n := testing.AllocsPerRun(10, func() { ws.LossGrad(b, grads, 1) }); n > 0 {
			t.Errorf("LossGrad allocates %v times", n)
		}
	})
}

// Batches that contradict themselves are mistakes of the program.
func TestBadBatchesPanic(t *testing.T) {
	m := newModel(t, tiny(), kernels.Best())
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
	list := segments(13)
	for range 2 {
		b.Reset()
		for _, s := range list {
			b.AddSegment(s)
		}
	}
	want := pack(list...)
	if b.WantContent || len(b.Segments) != len(want.Segments) || !slices.Equal(b.Token, want.Token) || !slices.Equal(b.Target, want.Target) {
		t.Error("a batch that was used before differs from a new one")
	}
	if n := testing.AllocsPerRun(10, b.Reset); n > 0 {
		t.Errorf("Reset allocates %v times", n)
	}
}

// An empty batch is no mistake.
func TestEmptyBatch(t *testing.T) {
	m := newModel(t, tiny(), kernels.Best())
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
