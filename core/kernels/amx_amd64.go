//go:build !noasm

package kernels

import "unsafe"

// tileOperands describes c (+)= a b for tileBlocks and tileRows, which read it by
// offset: do not reorder. Rows of c are 32 numbers and contiguous; panels of b follow
// each other. The callee counts panels down.
type tileOperands struct {
	config  *tileConfig
	a, b, c unsafe.Pointer
	stride  uintptr // bytes between rows of a
	steps   int     // of 64 bytes of a row of a and 2 KiB of b, at least 1
	blocks  int     // of 32 rows, at least 1; unused by tileRows
	panels  int     // at least 1
	ahead   int     // b is read ahead by so many bytes
	next    uintptr // bytes between results of panels
	acc     int     // 0: c is overwritten
	quads   int     // 0: a and b are bf16 and c is float32; else int8 and int32
}

// readAhead is how many bytes of weights are asked for before they are used.
const readAhead = 6 << 10

// panelTiles computes tiles [panels][m][32] = a b, or adds to them, for m rows of bf16
// and panels in pairs that follow each other; inner is a multiple of 32.
//
//	for l := range inner { tile[p,i,j] += a[i,l] * b[p,l/2,j,l%2] }
//
// The sum over pairs is the instruction's: both products are added to the accumulator,
// which is rounded once for each. No function that uses tiles is interrupted by Go's
// scheduler, so the tiles need not survive a goroutine's move to another thread; they
// are configured and released inside each call.
func (k *Kernels) panelTiles(tile, a unsafe.Pointer, stride int, b unsafe.Pointer, m, inner, panels int, acc bool) {
	o := tileOperands{a: a, b: b, c: tile, stride: uintptr(stride) * 2, steps: inner / 32, next: uintptr(m) * 128, ahead: readAhead}
	if acc {
		o.acc = 1
	}
	if n := m / 32; n > 0 {
		o.config, o.blocks, o.panels = &k.config[32], n, panels
		tileBlocks(&o)
		if m%32 == 0 {
			return
		}
		o.a, o.c = unsafe.Add(o.a, 32*n*stride*2), unsafe.Add(o.c, 32*n*128)
	}
	o.config, o.blocks, o.panels = &k.config[m%32], 1, panels
	if m%32 <= 16 {
		tileRows(&o)
	} else {
		tileBlocks(&o)
	}
}

// planeTiles computes sums [panels][groups][2][rows][32] = a b, or adds to them, for the
// groups of rows of a in planes and panels in quads that follow each other; inner is a
// multiple of 64.
//
//	for l := range inner { sums[p,g,t,i,j] += a[g,t,i,l] * b[p,l/4,j,l%4] }
func (k *Kernels) planeTiles(sums []int32, a planes, l0 int, b unsafe.Pointer, inner, panels int, acc bool) {
	_ = sums[panels*a.groups*2*a.rows*panelWidth-1]
	o := tileOperands{config: &k.config[2*a.rows], a: ptr(a.q, l0), b: b, c: ptr(sums, 0), stride: uintptr(a.stride),
		steps: inner / 64, blocks: a.groups, panels: panels, next: uintptr(a.groups*2*a.rows) * 128, ahead: readAhead, quads: 1}
	if acc {
		o.acc = 1
	}
	if 2*a.rows <= 16 { // both planes are one tile
		tileRows(&o)
		return
	}
	tileBlocks(&o)
}

//go:noescape
func tileBlocks(o *tileOperands)

//go:noescape
func tileRows(o *tileOperands)

// planeRowAMX is planeRow for a row whose elements are finite: x has n elements, a
// multiple of 32.
//
//go:noescape
func planeRowAMX(hi, lo *int8, x *uint16, n int, inverse float32)

//go:noescape
func maxMagnitudeAMX(x *uint16, n int) uint16

//go:noescape
func sumsToTileAMX(tile *float32, sums *int32, low uintptr, rowScale *float32, rows int, scale *float32)

//go:noescape
func scaleMulBF16AMX(dst *uint16, x, w *float32, n int, s float32)

//go:noescape
func toBF16AMX(dst *uint16, x *float32, n int)

//go:noescape
func tileToBF16AMX(dst *uint16, stride uintptr, tile *float32, rows int)

//go:noescape
func tileFromBF16AMX(tile *float32, src *uint16, stride uintptr, rows int)

//go:noescape
func tileStoreAVX512(c *float32, stride uintptr, tile *float32, rows int, mask uint32, base *float32, baseStride uintptr)

//go:noescape
func pairsAMX(dst, src *uint16, stride uintptr, pairs int)

//go:noescape
func transpose16AMX(dst unsafe.Pointer, dstStride uintptr, src unsafe.Pointer, srcStride uintptr)

//go:noescape
func gatedAMX(ffn, gate, up *uint16, stride uintptr, tileg, tileu *float32, rows int)

//go:noescape
func gatedGradAMX(dgate, dup, ffn, gate, up *uint16, stride uintptr, d *float32, rows int)
