package kernels

import (
	"fmt"
	"unsafe"
)

// blockK is how many inner indices one pass over a panel takes, so that the panel's
// block (blockK x 32 floats, 24 KiB) stays in the first-level cache. Blocks are taken
// in order and continue the same accumulators: the result does not depend on it.
const blockK = 192

// Mat is a view of a row-major matrix: Rows rows of Cols floats, Stride apart.
type Mat struct {
	Data               []float32
	Rows, Cols, Stride int
}

// NewMat returns a dense view of data, which must hold rows*cols floats.
func NewMat(data []float32, rows, cols int) Mat {
	checkLen("NewMat", rows*cols, len(data))
	return Mat{data, rows, cols, cols}
}

// Row returns row i.
func (m Mat) Row(i int) []float32 { return m.Data[i*m.Stride : i*m.Stride+m.Cols] }

// RowsOf returns the view of rows [from, to).
func (m Mat) RowsOf(from, to int) Mat {
	if from == to {
		return Mat{nil, 0, m.Cols, m.Stride}
	}
	return Mat{m.Data[from*m.Stride : (to-1)*m.Stride+m.Cols], to - from, m.Cols, m.Stride}
}

// ColsOf returns the view of columns [from, to).
func (m Mat) ColsOf(from, to int) Mat {
	if from == to || m.Rows == 0 {
		return Mat{nil, m.Rows, to - from, m.Stride}
	}
	return Mat{m.Data[from : (m.Rows-1)*m.Stride+to], m.Rows, to - from, m.Stride}
}

func (m Mat) check(op, name string) {
	if m.Rows < 0 || m.Cols < 0 || m.Stride < m.Cols || (m.Rows > 0 && m.Cols > 0 && len(m.Data) < (m.Rows-1)*m.Stride+m.Cols) {
		panic(ShapeError{op, name + " with room for its shape", fmt.Sprintf("%dx%d stride %d in %d floats", m.Rows, m.Cols, m.Stride, len(m.Data))})
	}
}

// emptyMul deals with products that have no element or no inner index: operands without
// memory never reach the tiles.
func emptyMul(c Mat, inner int, acc bool) bool {
	if c.Rows == 0 || c.Cols == 0 {
		return true
	}
	if inner > 0 {
		return false
	}
	if !acc {
		for i := range c.Rows {
			clear(c.Row(i))
		}
	}
	return true
}

// floatM is how many rows of the result a float32 product computes together: what they
// need of a stays in the second-level cache while all panels of b pass by, and their part
// of a panel's results in the first, whatever the inner size. It does not change results.
const floatM = 96

// mulFloat computes c = a b for packed b.
func (k *Kernels) mulFloat(c, a Mat, b *Panels) {
	for r0 := 0; r0 < a.Rows; r0 += floatM {
		r1 := min(r0+floatM, a.Rows)
		k.mulPanels(c.RowsOf(r0, r1), ptr(a.Data, r0*a.Stride), a.Stride, 1, b.f, b.K, false)
	}
}

// addMulFloat computes c = base + a b for packed b; base may be c.
func (k *Kernels) addMulFloat(c, base, a Mat, b *Panels, s *Scratch) {
	for r0 := 0; r0 < a.Rows; r0 += floatM {
		rows := min(floatM, a.Rows-r0)
		for n0 := 0; n0 < c.Cols; n0 += panelWidth {
			width := min(panelWidth, c.Cols-n0)
			sum := NewMat(growFloats(&s.sum, rows*width), rows, width)
			k.mulPanels(sum, ptr(a.Data, r0*a.Stride), a.Stride, 1, b.f[n0*b.K:], b.K, false)
			for i := range rows {
				dst, x := c.Row(r0 + i)[n0:n0+width], base.Row(r0 + i)[n0:n0+width]
				for j, v := range sum.Row(i) {
					dst[j] = x[j] + v
				}
			}
		}
	}
}

// mulColumns computes c (+)= aᵀ b for a [K, M] and b [K, N]. Both are copied on the way,
// b to panels, a 96 columns at a time: where they lie, neighbours in a column are a row
// apart, in few sets of the cache and many pages.
func (k *Kernels) mulColumns(c, a, b Mat, acc bool, s *Scratch) {
	for r0 := 0; r0 < b.Rows; r0 += sumRows {
		n := min(sumRows, b.Rows-r0)
		right, left := growFloats(&s.right, n*roundUp(b.Cols, panelWidth)), growFloats(&s.left, n*floatM)
		for n0 := 0; n0 < b.Cols; n0 += panelWidth {
			width := min(panelWidth, b.Cols-n0)
			for l := range n {
				to := right[n0*n+l*panelWidth:][:panelWidth]
				clear(to[copy(to, b.Row(r0 + l)[n0:n0+width]):])
			}
		}
		for m0 := 0; m0 < a.Cols; m0 += floatM {
			m1 := min(m0+floatM, a.Cols)
			for l := range n {
				copy(left[l*floatM:], a.Row(r0 + l)[m0:m1])
			}
			k.mulPanels(c.RowsOf(m0, m1), ptr(left, 0), 1, floatM, right, n, acc || r0 > 0)
		}
	}
}

// mulPanels computes c (+)= a b for panels b [N/32][inner][32]; element [i,l] of a stands
// ars*i + acs*l floats behind a.
func (k *Kernels) mulPanels(c Mat, a unsafe.Pointer, ars, acs int, b []float32, inner int, acc bool) {
	for n0 := 0; n0 < c.Cols; n0 += panelWidth {
		for l0 := 0; l0 < inner; l0 += blockK {
			k.panel(operands{
				a: unsafe.Add(a, l0*acs*4), ars: ars, acs: acs,
				b: ptr(b, n0*inner+l0*panelWidth), brs: panelWidth,
				c: ptr(c.Data, n0), crs: c.Stride,
				m: c.Rows, n: min(panelWidth, c.Cols-n0), k: min(blockK, inner-l0),
				acc: acc || l0 > 0,
			})
		}
	}
}

// operands describes c [m, n] (+)= a [m, k] b [k, n], n <= 32, k > 0; strides are in floats.
// b's rows must have 32 readable columns.
type operands struct {
	a, b, c            unsafe.Pointer
	ars, acs, brs, crs int
	m, n, k            int
	acc                bool
}

// panel multiplies all rows of a by one panel of b.
func (k *Kernels) panel(o operands) {
	switch k.simd {
	case simd512:
		panelAVX512(o)
	case simd256:
		panelAVX2(o)
	default:
		panelPortable(o)
	}
}
