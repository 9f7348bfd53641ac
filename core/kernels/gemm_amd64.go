//go:build !noasm

package kernels

import "unsafe"

// panelAVX512 computes operands in tiles of 12 rows and fewer at the end.
func panelAVX512(o operands) {
	ars, acs := uintptr(o.ars)*4, uintptr(o.acs)*4
	brs, crs := uintptr(o.brs)*4, uintptr(o.crs)*4
	mask := uint32(uint64(1)<<o.n - 1)
	acc := o.accFlag()
	a, c := o.a, o.c
	for m := o.m; m > 0; {
		var h int
		switch {
		case m >= 12:
			h = 12
			tile12AVX512(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		case m >= 8:
			h = 8
			tile8AVX512(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		case m >= 4:
			h = 4
			tile4AVX512(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		case m >= 2:
			h = 2
			tile2AVX512(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		default:
			h = 1
			tile1AVX512(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		}
		if m -= h; m > 0 {
			a, c = unsafe.Add(a, uintptr(h)*ars), unsafe.Add(c, uintptr(h)*crs)
		}
	}
}

// panelAVX2 computes operands in tiles of three rows; four rows that are left are two
// and two, which is faster than three and one.
func panelAVX2(o operands) {
	ars, acs := uintptr(o.ars)*4, uintptr(o.acs)*4
	brs, crs := uintptr(o.brs)*4, uintptr(o.crs)*4
	n, acc := uint32(o.n), o.accFlag()
	a, c := o.a, o.c
	for m := o.m; m > 0; {
		var h int
		switch {
		case m >= 3 && m != 4:
			h = 3
			tile3AVX2(a, o.b, c, ars, acs, brs, crs, o.k, n, acc)
		case m >= 2:
			h = 2
			tile2AVX2(a, o.b, c, ars, acs, brs, crs, o.k, n, acc)
		default:
			h = 1
			tile1AVX2(a, o.b, c, ars, acs, brs, crs, o.k, n, acc)
		}
		if m -= h; m > 0 {
			a, c = unsafe.Add(a, uintptr(h)*ars), unsafe.Add(c, uintptr(h)*crs)
		}
	}
}

func (o operands) accFlag() uint32 {
	if o.acc {
		return 1
	}
	return 0
}
