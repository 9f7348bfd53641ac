package kernels

import (
	"fmt"
	"unsafe"
)

// panelWidth is the number of columns that one register tile covers.
const panelWidth = 32

// Panels is a matrix B [K, N] stored for products from the right, in panels of 32
// columns, the last one filled up with zeros. A panel holds, in the order of its memory,
//
//	float32  [K][32]
//	bf16     [K/2][32][2]  pairs of inner indices; K rounded up to a multiple of 32
//	int8     [K/4][32][4]  quads; K rounded up to a multiple of 64; a scale a column
//
// with zeros behind K. While one panel is multiplied memory is asked for the next.
type Panels struct {
	K, N  int
	inner int // K rounded up
	f     []float32
	h     []uint16
	q     []int8
	scale []float32      // [N rounded up], of int8
	then  unsafe.Pointer // what is read after the last panel, if that is known
}

// NewPanels allocates panels for a matrix of K rows and N columns.
func NewPanels(t Type, k, n int) *Panels {
	p := &Panels{K: k, N: n}
	width := roundUp(n, panelWidth)
	switch t {
	case Float32:
		p.inner = k
		p.f = Aligned(k * width)
	case BF16:
		p.inner = roundUp(k, 32)
		p.h = aligned[uint16](p.inner * width)
	case Int8:
		if k > int8MaxK {
			panic(ShapeError{"NewPanels", fmt.Sprintf("at most %d inner indices of int8", int8MaxK), fmt.Sprint(k)})
		}
		p.inner = roundUp(k, 64)
		p.q, p.scale = aligned[int8](p.inner*width), aligned[float32](width)
	default:
		panic(ShapeError{"NewPanels", "a type of weights", string(t)})
	}
	return p
}

// Type returns what the panels hold.
func (p *Panels) Type() Type {
	switch {
	case p.h != nil:
		return BF16
	case p.q != nil:
		return Int8
	}
	return Float32
}

// Bytes returns the memory held.
func (p *Panels) Bytes() int { return 4*(len(p.f)+len(p.scale)) + 2*len(p.h) + len(p.q) }

// Columns returns a view of the columns [from, to), which begins and ends with a panel.
func (p *Panels) Columns(from, to int) Panels {
	if from%panelWidth != 0 || to%panelWidth != 0 && to != p.N || from > to || to > p.N {
		panic(ShapeError{"Panels.Columns", fmt.Sprintf("whole panels of %d columns", p.N), fmt.Sprintf("%d to %d", from, to)})
	}
	v := Panels{K: p.K, N: to - from, inner: p.inner, then: p.at(to)}
	a, b := from*p.inner, roundUp(to, panelWidth)*p.inner
	switch {
	case p.h != nil:
		v.h = p.h[a:b]
	case p.q != nil:
		v.q, v.scale = p.q[a:b], p.scale[from:roundUp(to, panelWidth)]
	default:
		v.f = p.f[a:b]
	}
	return v
}

// Before returns p as a view whose products, with their last panel, ask memory for panel i
// of next: what its reader will read then, as far as that is known.
func (p *Panels) Before(next *Panels, i int) Panels {
	v := *p
	v.then = next.at(i * panelWidth)
	return v
}

// at returns the panel at column n0, or what is read after the last one.
func (p *Panels) at(n0 int) unsafe.Pointer {
	switch {
	case n0 >= p.N || p.inner == 0:
		return p.then
	case p.h != nil:
		return ptr(p.h, n0*p.inner)
	case p.q != nil:
		return ptr(p.q, n0*p.inner)
	}
	return nil
}

// Column stores column j, as the panels hold it, in dst [K].
func (p *Panels) Column(dst []float32, j int) {
	checkLen("Panels.Column", p.K, len(dst))
	panel, at := j/panelWidth*panelWidth*p.inner, j%panelWidth
	switch {
	case p.h != nil:
		for l := range dst {
			dst[l] = fromBF16(p.h[panel+(l/2*panelWidth+at)*2+l%2])
		}
	case p.q != nil:
		for l := range dst {
			dst[l] = float32(p.q[panel+(l/4*panelWidth+at)*4+l%4]) * p.scale[j]
		}
	default:
		for l := range dst {
			dst[l] = p.f[panel+l*panelWidth+at]
		}
	}
}

// Pack stores w [K, N].
func (p *Panels) Pack(k *Kernels, w Mat, s *Scratch) {
	w.check("Pack", "w")
	if w.Rows != p.K || w.Cols != p.N {
		panic(ShapeError{"Pack", fmt.Sprintf("w %dx%d", p.K, p.N), fmt.Sprintf("%dx%d", w.Rows, w.Cols)})
	}
	if p.f != nil || p.K == 0 {
		for n0 := 0; n0 < p.N; n0 += panelWidth {
			panel := p.f[n0*p.K : (n0+panelWidth)*p.K]
			for l := range p.K {
				row := panel[l*panelWidth : (l+1)*panelWidth]
				clear(row[copy(row, w.Row(l)[n0:min(n0+panelWidth, p.N)]):])
			}
		}
		return
	}
	if p.q != nil {
		column := make([]float32, p.K)
		for n0 := 0; n0 < p.N; n0 += panelWidth {
			p.packInt8(k, n0, min(panelWidth, p.N-n0), func(j int) []float32 {
				for l := range column {
					column[l] = w.Data[l*w.Stride+n0+j]
				}
				return column
			}, s)
		}
		return
	}
	// 32 inner indices at a time: rounded, then every panel's part in pairs.
	for l0 := 0; l0 < p.K; l0 += 32 {
		rows := &s.rounded
		rows.Resize(BF16, 32, p.N)
		n := min(32, p.K-l0)
		k.Convert(rows.Slice(0, n), w.RowsOf(l0, l0+n))
		clear(rows.h[n*rows.stride:])
		for n0 := 0; n0 < p.N; n0 += panelWidth {
			k.pairs(p.h[n0*p.inner+l0*panelWidth:][:32*panelWidth], rows.h[n0:], rows.stride, 32)
		}
	}
}

// PackTransposed stores the transpose of w [N, K], a linear map's weight as
// checkpoints hold it, so that Mul computes x wᵀ.
func (p *Panels) PackTransposed(k *Kernels, w Mat, s *Scratch) {
	w.check("PackTransposed", "w")
	if w.Rows != p.N || w.Cols != p.K {
		panic(ShapeError{"PackTransposed", fmt.Sprintf("w %dx%d", p.N, p.K), fmt.Sprintf("%dx%d", w.Rows, w.Cols)})
	}
	for n0 := 0; n0 < p.N; n0 += panelWidth {
		n := min(panelWidth, p.N-n0)
		if p.f != nil || p.K == 0 {
			k.transpose(p.f[n0*p.K:(n0+panelWidth)*p.K], w.RowsOf(n0, n0+n))
			continue
		}
		if p.q != nil {
			p.packInt8(k, n0, n, func(j int) []float32 { return w.Row(n0 + j) }, s)
			continue
		}
		rows := &s.rounded
		rows.Resize(BF16, panelWidth, p.K)
		k.Convert(rows.Slice(0, n), w.RowsOf(n0, n0+n))
		clear(rows.h[n*rows.stride:])
		k.transposePairs(p.h[n0*p.inner:][:panelWidth*p.inner], 2*panelWidth, rows.h, rows.stride, panelWidth, p.inner/2)
	}
}

// transpose stores the transpose of w, which has at most 32 rows, as rows of 32: panel[l,j]
// = w[j,l].
func (k *Kernels) transpose(panel []float32, w Mat) {
	done := 0
	if whole := w.Cols &^ 15; k.simd == simd512 && w.Rows == panelWidth {
		for j := 0; j < panelWidth; j += 16 {
			for l := 0; l < whole; l += 16 {
				transpose16AVX512(ptr(panel, l*panelWidth+j), panelWidth*4, ptr(w.Data, j*w.Stride+l), uintptr(w.Stride)*4)
			}
		}
		done = whole
	}
	for j := range w.Rows {
		for l, v := range w.Row(j)[done:] {
			panel[(done+l)*panelWidth+j] = v
		}
	}
}
