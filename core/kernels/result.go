package kernels

import "unsafe"

// result is where a product goes: the matrix c, or base + c if base is not the zero value;
// or rows.
type result struct {
	c, base Mat
	rows    Rows
}

// store stores the first n columns of tile [rows][32] at (r0, n0).
func (to result) store(k *Kernels, tile []float32, r0, rows, n0, n int) {
	switch {
	case rows == 0:
	case to.rows.h != nil:
		k.storeRows(to.rows, tile, r0, rows, n0, n)
	default:
		k.storeTile(to.c, to.base, tile, r0, rows, n0, n)
	}
}

// target is a result for the assembly, from one row and panel on, which reads it by
// offset: do not reorder.
type target struct {
	dst        unsafe.Pointer
	stride     uintptr // bytes between rows
	base       unsafe.Pointer
	baseStride uintptr
	mask       uint32 // columns that dst and base have, if they are float32
	kind       targetKind
}

type targetKind uint32

const (
	keepTile targetKind = iota // to memory that was lent
	intoRows                   // to rows, which have room for 32 columns
	intoMat                    // to a matrix, base added if there is one
)

// target returns the result for n columns from (r0, n0).
func (to result) target(r0, n0, n int) target {
	if r := to.rows; r.h != nil {
		return target{dst: ptr(r.h, r0*r.stride+n0), stride: uintptr(r.stride) * 2, kind: intoRows}
	}
	t := target{dst: ptr(to.c.Data, r0*to.c.Stride+n0), stride: uintptr(to.c.Stride) * 4, mask: uint32(uint64(1)<<n - 1), kind: intoMat}
	if to.base.Data != nil {
		t.base, t.baseStride = ptr(to.base.Data, r0*to.base.Stride+n0), uintptr(to.base.Stride)*4
	}
	return t
}
