package model

import (
	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
)

// blockRows is how many rows go through a part of a layer together, so that what is
// between two products stays in the second-level cache.
const blockRows = 256

// Workspace is the memory of one pass, reused by the next: buffers only grow. Each
// goroutine has its own.
//
// R is the number of content and query rows together, C of content rows alone, B the
// rows of a block. Rows are in the type that the model's products read.
type Workspace struct {
	m *Model

	// Recompute makes a training pass keep only the inputs of the layers, and compute
	// the rest of a layer's activations a second time in the backward.
	Recompute bool

	inputs [][]float32   // [R, H] of each layer, and of the final norm; one if nothing is kept
	acts   []activations // one a layer if they are kept, else one
	rstd   []float32     // [R] of the final norm
	final  kernels.Rows  // [R, H] after the final norm

	// Temporary.
	normed kernels.Rows // [B, H]
	ffn    kernels.Rows // [B, F], in the backward [R, F]
	q32    []float32    // [B, q]
	k, v   []float32    // [C, kv]
	logits []float32    // [B, headChunk]

	// Of the backward.
	dx         []float32    // [R, H]
	dnorm      []float32    // [B, H]
	dnormed    []float32    // [Next+Q, H] gradient of the scored rows after the final norm
	dweight    []float32    // [H] of a norm
	dy         kernels.Rows // [R, H] dx as rows
	mids       kernels.Rows // [R, H] a norm's output again
	dgate, dup kernels.Rows // [R, F]
	datt       kernels.Rows // [R, q]
	dq         []float32    // [R, q]
	dk, dv     []float32    // [C, kv]
	dqRows     kernels.Rows // [R, q]
	dkRows     kernels.Rows // [C, kv]
	dvRows     kernels.Rows // [C, kv]
	low        []float32    // [R, Rank] of an adapter's gradient
	lowRows    kernels.Rows // [R, Rank]
	dlogits    kernels.Rows // [Next+Q, headChunk]
	softmax    []Softmax    // [Next+Q]

	merged []float32 // the largest linear map: weights with their adapter, to be packed

	pos    []int32 // [R] positions of all rows
	starts []int   // first content row of each segment
	nll    []float64
	s      kernels.Scratch
	cache  []*Cache // keys and values of segments that bring no cache
	now    layer
	keep   bool // the pass is one of training

	// Of a pass that a team shares.
	team              *parallel.Team
	mates             []*Workspace
	byRows, byColumns bool
	norming           norming
	quantizing        kernels.Rows
	turning           turning
	dealing           dealTask
	appending         appendTask
	products          productTask
	gated             gatedTask
	attending         attendTask
	dealt             rowsTask
}

// activations are what the backward of a layer needs of its forward, besides its input.
type activations struct {
	rstdIn   []float32    // [R]
	q        kernels.Rows // [R, q] rotated and scaled by 1/sqrt(HeadDim)
	att      kernels.Rows // [R, q] attention output
	lse      []float32    // [R, Heads]
	mid      []float32    // [R, H] x + attention
	rstdPost []float32    // [R]
	gate, up kernels.Rows // [R, F]
}

// NewWorkspace returns an empty workspace.
func (m *Model) NewWorkspace() *Workspace { return &Workspace{m: m} }

// grow returns a slice of n elements, reusing *buf if it is large enough. Its content
// is arbitrary.
func grow(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = kernels.Aligned(n + cap(*buf)/8) // a first guess is exact
	}
	*buf = (*buf)[:n]
	return *buf
}

func growMat(buf *[]float32, rows, cols int) kernels.Mat {
	return kernels.NewMat(grow(buf, rows*cols), rows, cols)
}

// resize gives rows of the model's type a shape and returns them.
func (ws *Workspace) resize(r *kernels.Rows, n, cols int) kernels.Rows {
	r.Resize(ws.m.Type, n, cols)
	return *r
}

// operand is resize for rows that products read: they hold their integers if the weights
// are such.
func (ws *Workspace) operand(r *kernels.Rows, n, cols int) kernels.Rows {
	ws.resize(r, n, cols)
	if ws.m.Type == kernels.Int8 {
		ws.m.k.HoldIntegers(r)
	}
	return *r
}

// segmentCache returns the cache of segment i: its own, or one of the workspace's.
func (ws *Workspace) segmentCache(i int, s Segment) *Cache {
	if s.Cache != nil {
		return s.Cache
	}
	for len(ws.cache) <= i {
		ws.cache = append(ws.cache, nil)
	}
	if c := ws.cache[i]; c == nil || c.layers[0].Cap() < s.Keys {
		ws.cache[i] = ws.m.NewCache(max(s.Keys, 1))
	}
	return ws.cache[i]
}

// blocks calls f for the rows [from, to), a block at a time.
func blocks(from, to int, f func(from, to int)) {
	for ; from < to; from += blockRows {
		f(from, min(from+blockRows, to))
	}
}

// Bytes returns the memory held, keys and values included.
func (ws *Workspace) Bytes() int {
	n := 8*cap(ws.nll) + 16*cap(ws.softmax) + 4*cap(ws.pos)
	floats, rows := ws.buffers()
	for _, buf := range floats {
		n += 4 * cap(*buf)
	}
	for _, r := range rows {
		n += r.Bytes()
	}
	for _, c := range ws.cache {
		if c != nil {
			n += c.Bytes()
		}
	}
	return n
}

// buffers lists all memory whose size depends on the batch but keys and values.
func (ws *Workspace) buffers() (floats []*[]float32, rows []*kernels.Rows) {
	floats = []*[]float32{
		&ws.rstd, &ws.q32, &ws.k, &ws.v, &ws.logits,
		&ws.dx, &ws.dnorm, &ws.dnormed, &ws.dweight, &ws.dq, &ws.dk, &ws.dv, &ws.low, &ws.merged,
	}
	rows = []*kernels.Rows{
		&ws.final, &ws.normed, &ws.ffn, &ws.attending.q, &ws.attending.att,
		&ws.dy, &ws.mids, &ws.dgate, &ws.dup, &ws.datt, &ws.dqRows, &ws.dkRows, &ws.dvRows, &ws.dlogits, &ws.lowRows,
	}
	for i := range ws.inputs {
		floats = append(floats, &ws.inputs[i])
	}
	for i := range ws.acts {
		a := &ws.acts[i]
		floats = append(floats, &a.rstdIn, &a.lse, &a.mid, &a.rstdPost)
		rows = append(rows, &a.q, &a.att, &a.gate, &a.up)
	}
	return floats, rows
}
