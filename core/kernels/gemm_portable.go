package kernels

import (
	"unsafe"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// portableRows is the height of the tiles given to Gonum. Its Gemm changes the order
// of summation once the output has four blocks of 64 x 64; a tile this small always
// takes the serial path, which adds in ascending order of the inner index.
//
// Gonum skips multipliers that are zero, so 0 * Inf adds nothing here; the assembly
// gives NaN.
const portableRows = 32

func panelPortable(o operands) {
	beta := float32(0)
	if o.acc {
		beta = 1
	}
	b := general(o.b, o.k, o.n, o.brs)
	for i := 0; i < o.m; i += portableRows {
		m := min(portableRows, o.m-i)
		c := general(unsafe.Add(o.c, i*o.crs*4), m, o.n, o.crs)
		if o.acs == 1 {
			a := general(unsafe.Add(o.a, i*o.ars*4), m, o.k, o.ars)
			blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, a, b, beta, c)
		} else {
			a := general(unsafe.Add(o.a, i*o.ars*4), o.k, m, o.acs)
			blas32.Gemm(blas.Trans, blas.NoTrans, 1, a, b, beta, c)
		}
	}
}

func general(p unsafe.Pointer, rows, cols, stride int) blas32.General {
	n := 0
	if rows > 0 {
		n = (rows-1)*stride + cols
	}
	return blas32.General{Rows: rows, Cols: cols, Stride: max(stride, cols, 1), Data: unsafe.Slice((*float32)(p), n)}
}
