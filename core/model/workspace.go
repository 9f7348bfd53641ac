package model

import "github.com/any-order/a3/core/kernels"

// Workspace is the memory of one pass, reused by the next: buffers only grow. Each
// goroutine has its own.
//
// R is the number of content and query rows together, C of content rows alone.
type Workspace struct {
	m      *Model
	layers []activations // one a layer if the pass keeps them for the backward, else one
	final  []float32     // [R, H] rows after the last layer
	rstd   []float32     // [R] of the final norm
	normed []float32     // [R, H] rows after the final norm

	// Temporary, overwritten by every layer.
	k, v   []float32 // [C, kv]
	ffn    []float32 // [R, F]
	logits []float32 // [chunk, V]

	// Of the backward.
	dx, dmid, dnorm []float32 // [R, H]
	datt, dq        []float32 // [R, q]
	dk, dv          []float32 // [C, kv]
	dffn            []float32 // [R, F]
	dgate, dup      []float32 // [R, F]

	pos   []int32 // [R] positions of all rows
	nll   []float64
	attn  kernels.Scratch
	cache []*Cache // keys and values of segments that bring no cache
}

// activations are what the backward of a layer needs of its forward.
type activations struct {
	x        []float32 // [R, H] input
	rstdIn   []float32 // [R]
	q        []float32 // [R, q] rotated and scaled by 1/sqrt(HeadDim)
	att      []float32 // [R, q] attention output
	lse      []float32 // [R, Heads]
	mid      []float32 // [R, H] x + attention
	rstdPost []float32 // [R]
	gate, up []float32 // [R, F]
}

// NewWorkspace returns an empty workspace.
func (m *Model) NewWorkspace() *Workspace { return &Workspace{m: m} }

// grow returns a slice of n elements, reusing *buf if it is large enough. Its content
// is arbitrary.
func grow(buf *[]float32, n int) []float32 {
	if cap(*buf) < n {
		*buf = kernels.Aligned(n + n/4)
	}
	*buf = (*buf)[:n]
	return *buf
}

func growMat(buf *[]float32, rows, cols int) kernels.Mat {
	return kernels.NewMat(grow(buf, rows*cols), rows, cols)
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
