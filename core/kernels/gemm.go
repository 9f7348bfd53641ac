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

// mulStrided packs b block by block on the way: with more than a few rows in a, the
// copies cost little and spare the cache the strides of b.
func (k *Kernels) mulStrided(c, a Mat, m, ars, acs int, b Mat, acc bool) {
	if emptyMul(c, b.Rows, acc) {
		return
	}
	scratch := k.blocks.Get().(*[]float32)
	defer k.blocks.Put(scratch)
	block := *scratch
	for l0 := 0; l0 < b.Rows; l0 += blockK {
		kk := min(blockK, b.Rows-l0)
		for n0 := 0; n0 < b.Cols; n0 += panelWidth {
			n := min(panelWidth, b.Cols-n0)
			for l := range kk {
				row := b.Data[(l0+l)*b.Stride+n0:]
				copy(block[l*panelWidth:(l+1)*panelWidth], row[:n])
				clear(block[l*panelWidth+n : (l+1)*panelWidth])
			}
			k.panel(operands{
				a: ptr(a.Data, l0*acs), ars: ars, acs: acs,
				b: ptr(block, 0), brs: panelWidth,
				c: ptr(c.Data, n0), crs: c.Stride,
				m: m, n: n, k: kk,
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

func checkMul(op string, c Mat, m, ka, kb, n int) {
	c.check(op, "c")
	if ka != kb || c.Rows != m || c.Cols != n {
		panic(ShapeError{op, fmt.Sprintf("c %dx%d and equal inner sizes", m, n), fmt.Sprintf("c %dx%d, inner sizes %d and %d", c.Rows, c.Cols, ka, kb)})
	}
}
