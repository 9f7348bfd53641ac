package kernels

import (
	"fmt"
	"unsafe"
)

// sumRows is how many rows MulTransposed sums before it adds to the result: in float32
// that is no other order of addition, in bfloat16 it is.
const sumRows = 512

// MulTransposed computes c = aᵀ b, or c += aᵀ b if acc, for a [K, M] and b [K, N]. It
// sums over rows: gradients of weights.
//
//	for l := range K { c[i,j] += a[l,i] * b[l,j] }
//
// In bfloat16, sums of 512 rows are added up in float32.
func (k *Kernels) MulTransposed(c Mat, a, b Rows, acc bool, s *Scratch) {
	c.check("MulTransposed", "c")
	if a.N != b.N || c.Rows != a.Cols || c.Cols != b.Cols || a.N > 0 && a.Type() != b.Type() {
		panic(ShapeError{"MulTransposed", fmt.Sprintf("c %dx%d and equal numbers of rows of one type", a.Cols, b.Cols),
			fmt.Sprintf("c %dx%d, %d %s and %d %s rows", c.Rows, c.Cols, a.N, a.Type(), b.N, b.Type())})
	}
	if emptyMul(c, b.N, acc) {
		return
	}
	if a.h == nil {
		k.mulColumns(c, a.Mat(), b.Mat(), acc, s)
		return
	}
	for r0 := 0; r0 < a.N; r0 += sumRows {
		n := min(sumRows, a.N-r0)
		if k.tiles {
			k.mulTransposedTiles(c, a.Slice(r0, r0+n), b.Slice(r0, r0+n), acc || r0 > 0, s)
			continue
		}
		wa, wb := k.widen(a.Slice(r0, r0+n), &s.wideA), k.widen(b.Slice(r0, r0+n), &s.wideB)
		k.mulColumns(c, wa, wb, acc || r0 > 0, s)
	}
}

// mulTransposedTiles packs b as panels in pairs of rows and turns the columns of a, as many
// as stay in the second-level cache, to rows. Both go through the rows 32 at a time, so that what is read
// lies side by side.
func (k *Kernels) mulTransposedTiles(c Mat, a, b Rows, acc bool, s *Scratch) {
	to := result{c: c}
	if acc {
		to.base = c
	}
	inner := roundUp(a.N, 32)
	width := roundUp(b.Cols, panelWidth)
	right := grow(&s.pairs, inner*width)
	for r0 := 0; r0 < a.N; r0 += 32 {
		for n0 := 0; n0 < width; n0 += panelWidth {
			k.pairRows(right[n0*inner+r0*panelWidth:][:32*panelWidth], b, r0, n0)
		}
	}
	step := evenly(a.Cols, rowsAtOnce(inner))
	tile := s.tileRows(0, step)
	block := grow(&s.block, 32*panelWidth)
	for m0 := 0; m0 < a.Cols; m0 += step {
		m := min(step, a.Cols-m0)
		s.turned.Resize(BF16, roundUp(m, panelWidth), inner)
		for r0 := 0; r0 < a.N; r0 += 32 {
			for i := 0; i < m; i += panelWidth {
				k.pairRows(block, a, r0, m0+i)
				k.transposePairs(s.turned.h[i*s.turned.stride+r0:], s.turned.stride, block, 2*panelWidth, 16, panelWidth)
			}
		}
		for n0 := 0; n0 < b.Cols; n0 += panelWidth {
			n, whole := min(panelWidth, b.Cols-n0), m&^(panelWidth-1)
			var then unsafe.Pointer
			if n0+panelWidth < b.Cols {
				then = ptr(right, (n0+panelWidth)*inner)
			}
			k.panelTiles(ptr(tile, 0), ptr(s.turned.h, 0), s.turned.stride, ptr(right, n0*inner), m, inner, 1, false, to.target(m0, n0, n), then)
			to.store(k, tile[whole*panelWidth:], m0+whole, m-whole, n0, n)
		}
	}
}

// pairRows packs 32 columns of src from n0 and 32 rows from r0 in pairs of rows: dst
// [16][32][2], with zeros behind the last row.
func (k *Kernels) pairRows(dst []uint16, src Rows, r0, n0 int) {
	n := min(32, src.N-r0)
	even := n &^ 1
	from := src.h[r0*src.stride+n0:]
	k.pairs(dst, from, src.stride, even)
	if even == 32 {
		return
	}
	rest := dst[even*panelWidth:]
	clear(rest)
	if even < n {
		for j, v := range from[even*src.stride:][:panelWidth] {
			rest[2*j] = v
		}
	}
}
