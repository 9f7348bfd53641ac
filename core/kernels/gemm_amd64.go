//go:build !noasm

package kernels

import "unsafe"

func panelAVX512(o operands) {
	ars, acs := uintptr(o.ars)*4, uintptr(o.acs)*4
	brs, crs := uintptr(o.brs)*4, uintptr(o.crs)*4
	mask := uint32(uint64(1)<<o.n - 1)
	var acc uint32
	if o.acc {
		acc = 1
	}
	a, c := o.a, o.c
	for m := o.m; m > 0; {
		var h int
		switch {
		case m >= 12:
			h = 12
			tile12(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		case m >= 8:
			h = 8
			tile8(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		case m >= 4:
			h = 4
			tile4(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		case m >= 2:
			h = 2
			tile2(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		default:
			h = 1
			tile1(a, o.b, c, ars, acs, brs, crs, o.k, mask, acc)
		}
		if m -= h; m > 0 {
			a, c = unsafe.Add(a, uintptr(h)*ars), unsafe.Add(c, uintptr(h)*crs)
		}
	}
}
