package model

import (
	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
)

// A pass can be shared by a team, in one of two ways, with the same bits. With few rows
// the members take columns of every product, so that each weight is read by one of them;
// with many they take rows. Attention is dealt by key/value heads, and blocks of rows.

// ShareRows is how many rows a thread must have for it not to read all weights with others,
// each some of the columns: then a pass is shared by rows, or threads have passes of their
// own. Of int8 less is read.
func (m *Model) ShareRows() int {
	if m.Type == kernels.Int8 {
		return 64
	}
	return 128
}

// shareWork is how many multiplications a step of a pass must have for the team to be
// called: below, handing it out takes longer than half of it.
const shareWork = 1 << 15

// Share lets a team compute the passes of ws, which is the workspace of member 0; mates
// are those of all members and lend their temporary memory. A nil team ends it.
func (ws *Workspace) Share(team *parallel.Team, mates []*Workspace) {
	ws.team, ws.mates = team, mates
	if team != nil && team.Size() == 1 {
		ws.team = nil
	}
}

// share chooses how the team shares a pass of n rows.
func (ws *Workspace) share(n int) {
	ws.byRows = ws.team != nil && n >= ws.m.ShareRows()*ws.team.Size()
	ws.byColumns = ws.team != nil && !ws.byRows
}

// pieceWork is how many weights a piece of a product has at most: those are read in some
// ten microseconds.
const pieceWork = 1 << 17

// pieces returns in how many pieces the team does products of n panels with so many
// weights: as many for each member, and at least one.
func (ws *Workspace) pieces(n, weights int) int {
	size := ws.team.Size()
	return min(n, size*((weights+size*pieceWork-1)/(size*pieceWork)))
}

// dealRows is how many rows a piece has at least of work that treats each row by itself:
// so many make integers together.
const dealRows = 16

// dealTask is work on rows of a pass that is shared by columns.
type dealTask struct {
	ws      *Workspace
	part    func(ws *Workspace, from, to int)
	n, size int // rows, of all and of a piece
}

func (t *dealTask) Piece(_, i int) { t.part(t.ws, i*t.size, min((i+1)*t.size, t.n)) }

// deal calls part for the rows [0, n), by the team if it shares the pass by columns. part
// writes to these rows and uses no temporary memory.
func (ws *Workspace) deal(n int, part func(ws *Workspace, from, to int)) {
	if !ws.byColumns || n <= dealRows {
		part(ws, 0, n)
		return
	}
	t := &ws.dealing
	pieces := 2 * ws.team.Size()
	size := (n + pieces*dealRows - 1) / (pieces * dealRows) * dealRows
	*t = dealTask{ws, part, n, size}
	ws.team.Do((n+size-1)/size, t)
}

// appendTask appends keys and values to the caches of a layer, by segments.
type appendTask struct {
	ws *Workspace
	b  *Batch
	l  int
}

func (t *appendTask) Piece(_, i int) {
	ws, s := t.ws, t.b.Segments[i]
	from := ws.starts[i]
	to := from + s.Keys
	ws.segmentCache(i, s).layers[t.l].Append(ws.m.k, ws.now.key.RowsOf(from, to), ws.now.value.RowsOf(from, to))
}

// appendAll appends the keys and values of all segments.
func (ws *Workspace) appendAll(b *Batch, l int) {
	t := &ws.appending
	*t = appendTask{ws, b, l}
	if ws.team != nil {
		ws.team.Do(len(b.Segments), t)
		return
	}
	for i := range b.Segments {
		t.Piece(0, i)
	}
}

// product is c = a b, or c = base + a b if base is not the zero value; it may be c.
type product struct {
	c, base kernels.Mat
	a       kernels.Rows
	b       *kernels.Panels
}

// compute computes the columns [c0, c1) of p, which those of panels are.
func (p *product) compute(k *kernels.Kernels, panels *kernels.Panels, c0, c1 int, s *kernels.Scratch) {
	if p.base.Data == nil {
		k.Mul(p.c.ColsOf(c0, c1), p.a, panels, false, s)
		return
	}
	k.AddMul(p.c.ColsOf(c0, c1), p.base.ColsOf(c0, c1), p.a, panels, s)
}

// productTask computes products that do not depend on each other, by columns.
type productTask struct {
	ws             *Workspace
	list           []product
	panels, pieces int   // of all products together
	then           group // what is read afterwards
}

func (t *productTask) Piece(member, i int) {
	s, k := &t.ws.mates[member].s, t.ws.m.k
	from, to := i*t.panels/t.pieces, (i+1)*t.panels/t.pieces
	for j := range t.list {
		p := &t.list[j]
		n := p.b.Count()
		if lo, hi := max(from, 0), min(to, n); lo < hi {
			part, c0, c1 := p.b.ColumnsOf(lo, hi)
			if hi == n && j+1 < len(t.list) {
				part = part.Before(t.list[j+1].b, 0)
			}
			if hi == to {
				part = t.ws.before(part, i, t.pieces, t.then)
			}
			p.compute(k, &part, c0, c1, s)
		}
		from, to = from-n, to-n
	}
}

// before returns the panels that piece i of n ends with. A member's last piece is followed
// by its first of what comes then.
func (ws *Workspace) before(p kernels.Panels, i, n int, then group) kernels.Panels {
	for m := range ws.team.Size() {
		if _, to := ws.team.Range(n, m); i+1 == to {
			return p.Before(then.part(m, ws.team.Size()))
		}
	}
	return p
}

// mul computes products that do not depend on each other. Then the weights are read that
// then lists.
func (ws *Workspace) mul(then group, list ...product) {
	t := &ws.products
	work, weights := 0, 0
	t.panels = 0
	for i := range list {
		p := &list[i]
		work += p.a.N * p.b.K * p.b.N
		weights += p.b.K * p.b.N
		t.panels += p.b.Count()
	}
	if !ws.byColumns || work < shareWork {
		for i := range list {
			p := &list[i]
			next, at := then.part(0, 1)
			if i+1 < len(list) {
				next = list[i+1].b
			}
			b := p.b.Before(next, at)
			p.compute(ws.m.k, &b, 0, p.c.Cols, &ws.s)
		}
		return
	}
	t.ws, t.list, t.pieces, t.then = ws, append(t.list[:0], list...), ws.pieces(t.panels, weights), then
	ws.team.Do(t.pieces, t)
}

// gatedTask computes the first half of a feed-forward block, by columns.
type gatedTask struct {
	ws       *Workspace
	ffn, a   kernels.Rows
	gate, up *kernels.Panels
	down     *kernels.Panels // read afterwards
	pieces   int
}

func (t *gatedTask) Piece(member, i int) {
	n := t.gate.Count()
	from, to := i*n/t.pieces, (i+1)*n/t.pieces
	gate, c0, c1 := t.gate.ColumnsOf(from, to)
	gate = t.ws.before(gate, i, t.pieces, group{t.down})
	up, _, _ := t.up.ColumnsOf(from, to)
	t.ws.m.k.MulGated(t.ffn.ColsOf(c0, c1), kernels.Rows{}, kernels.Rows{}, t.a, &gate, &up, &t.ws.mates[member].s)
}

// mulGated is kernels.MulGated.
func (ws *Workspace) mulGated(ffn, gate, up, a kernels.Rows, w *linear) {
	if !ws.byColumns || gate.N > 0 || a.N*a.Cols*ffn.Cols < shareWork {
		b := w.gate.Before(w.down, 0)
		ws.m.k.MulGated(ffn, gate, up, a, &b, w.up, &ws.s)
		return
	}
	t := &ws.gated
	*t = gatedTask{ws: ws, ffn: ffn, a: a, gate: w.gate, up: w.up, down: w.down, pieces: ws.pieces(w.gate.Count(), 2*w.gate.K*w.gate.N)}
	ws.team.Do(t.pieces, t)
}

// rowsTask computes a part of a layer, by rows.
type rowsTask struct {
	ws       *Workspace
	part     rowsPart
	from, to int
	size     int // rows of a piece
}

// rowsPart is a part of a layer's forward that treats each row by itself: it computes
// rows [from, to) with the temporary memory of w, which may be that of a mate.
type rowsPart func(ws, w *Workspace, from, to int)

func (t *rowsTask) Piece(member, i int) {
	from := t.from + i*t.size
	t.part(t.ws, t.ws.mates[member], from, min(from+t.size, t.to))
}

// rows computes a part of a layer for the rows [from, to), in blocks.
func (ws *Workspace) rows(from, to int, part rowsPart) {
	if !ws.byRows {
		blocks(from, to, func(from, to int) { part(ws, ws, from, to) })
		return
	}
	t := &ws.dealt
	n := 2 * ws.team.Size()
	size := min(((to-from+n-1)/n+31)/32*32, blockRows)
	*t = rowsTask{ws: ws, part: part, from: from, to: to, size: max(size, 1)}
	ws.team.Do((to-from+t.size-1)/t.size, t)
}
