//go:build !noasm

package kernels

import "unsafe"

// A tile is what the register tiles compute: element (i,l) of a is ars*i + acs*l bytes
// after a, rows of b and c are brs and crs bytes apart, n <= 32 columns of c are used. It
// is read by the assembly: do not reorder.
type tile struct {
	a, b, c            unsafe.Pointer
	ars, acs, brs, crs uintptr
	k                  int
	n, acc             uint32
}

func newTile(o operands) tile {
	t := tile{
		a: o.a, b: o.b, c: o.c,
		ars: uintptr(o.ars) * 4, acs: uintptr(o.acs) * 4, brs: uintptr(o.brs) * 4, crs: uintptr(o.crs) * 4,
		k: o.k, n: uint32(o.n),
	}
	if o.acc {
		t.acc = 1
	}
	return t
}

// below moves the tile h rows down.
func (t *tile) below(h int) {
	t.a = unsafe.Add(t.a, uintptr(h)*t.ars)
	t.c = unsafe.Add(t.c, uintptr(h)*t.crs)
}

// panelAVX512 takes as few tiles as 12 rows allow, of heights as equal as can be: 16 rows
// are 8 and 8, which is faster than 12 and 4, where 4 rows wait for each other's sums.
func panelAVX512(o operands) {
	const tallest = 12
	t := newTile(o)
	for m, tiles := o.m, (o.m+tallest-1)/tallest; ; tiles-- {
		h := (m + tiles - 1) / tiles
		switch h {
		case 12:
			tile12AVX512(&t)
		case 11:
			tile11AVX512(&t)
		case 10:
			tile10AVX512(&t)
		case 9:
			tile9AVX512(&t)
		case 8:
			tile8AVX512(&t)
		case 7:
			tile7AVX512(&t)
		case 6:
			tile6AVX512(&t)
		case 5:
			tile5AVX512(&t)
		case 4:
			tile4AVX512(&t)
		case 3:
			tile3AVX512(&t)
		case 2:
			tile2AVX512(&t)
		case 1:
			tile1AVX512(&t)
		}
		if m -= h; m == 0 {
			return
		}
		t.below(h)
	}
}

// panelAVX2 does the same with tiles of three rows.
func panelAVX2(o operands) {
	const tallest = 3
	t := newTile(o)
	for m, tiles := o.m, (o.m+tallest-1)/tallest; ; tiles-- {
		h := (m + tiles - 1) / tiles
		switch h {
		case 3:
			tile3AVX2(&t)
		case 2:
			tile2AVX2(&t)
		case 1:
			tile1AVX2(&t)
		}
		if m -= h; m == 0 {
			return
		}
		t.below(h)
	}
}
