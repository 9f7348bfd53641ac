//go:build !noasm

package kernels

import "unsafe"

// tileOperands describes c (+)= a b for tileBlocks and tileRows, which read it by
// offset: do not reorder. Rows of c are 32 numbers and contiguous; panels of b follow
// each other, of which there is one if there are several blocks. The callee counts.
type tileOperands struct {
	config  *tileConfig
	a, b, c unsafe.Pointer
	stride  uintptr        // bytes between rows of a
	steps   int            // of 64 bytes of a row of a and 2 KiB of b, at least 1
	blocks  int            // of 32 rows, at least 1; tileRows: 1
	panels  int            // at least 1
	then    unsafe.Pointer // what is read after the last panel; nil if that is not known
	last    unsafe.Pointer // the last step of b; unused by tileBlocks
	acc     int            // 0: c is overwritten
	to      target         // unused by tileRows
	advance uintptr        // bytes between results of blocks or panels
	asking  int            // blocks that ask for the next panel; unused by tileRows
}

// panelTiles computes tiles [panels][m][32] = a b, or adds to them, for m rows of bf16
// and panels in pairs that follow each other; inner is a multiple of 32. then is what will
// be read after the panels, or nil.
//
//	for l := range inner { tile[p,i,j] += a[i,l] * b[p,l/2,j,l%2] }
//
// The sum over pairs is the instruction's: both products are added to the accumulator,
// which is rounded once for each. No function that uses tiles is interrupted by Go's
// scheduler, so the tiles need not survive a goroutine's move to another thread; they
// are configured and released inside each call.
//
// Whole blocks of 32 rows go to the target instead, if it has one; then there is one
// panel, and only the last m%32 rows of the tile mean something.
func (k *Kernels) panelTiles(tile, a unsafe.Pointer, stride int, b unsafe.Pointer, m, inner, panels int, acc bool, to target, then unsafe.Pointer) {
	o := tileOperands{a: a, b: b, c: tile, stride: uintptr(stride) * 2, steps: inner / 32, panels: panels,
		then: then, last: unsafe.Add(b, (panels*inner-32)*64), advance: 32 * 128}
	if acc {
		o.acc = 1
	}
	n, rest := m/32, m%32
	if n > 0 {
		o.config, o.blocks, o.asking, o.to = &k.config[32], n, asking(n), to
		if to.kind != keepTile && !acc { // no block's sums are needed again
			o.advance = 0
		}
		tileBlocks(&o)
		if rest == 0 {
			return
		}
		o.a, o.b, o.c = unsafe.Add(a, 32*n*stride*2), b, unsafe.Add(tile, 32*n*128)
		o.panels, o.to.kind = panels, keepTile
	}
	o.config, o.blocks, o.advance = &k.config[rest], 1, uintptr(m)*128
	if rest <= 16 {
		if then == nil {
			o.then = o.last
		}
		tileRows(&o)
		return
	}
	o.asking = 0
	if n == 0 {
		o.asking = 1
	}
	tileBlocks(&o)
}

// asking returns how many of n blocks of rows ask memory for the panel that follows:
// one, two or four blocks share that.
func asking(n int) int { return [5]int{0, 1, 2, 2, 4}[min(n, 4)] }

// int8Operands describes the product of planes and panels in quads for tileInt8, which
// reads it by offset: do not reorder. The callee counts.
type int8Operands struct {
	config   *tileConfig
	a, b     unsafe.Pointer
	tile     *float32       // [panels][n][32]
	stride   uintptr        // bytes between rows of a
	steps    int            // of 64 inner indices, at least 1
	sums     *int32         // [2][16][32]
	panels   int            // at least 1
	then     unsafe.Pointer // what is read after the last panel; nil if that is not known
	last     unsafe.Pointer // the last step of b; of up to 8 rows
	n        int            // rows, at least 1
	rowScale *float32
	scale    *float32 // of the columns
	low      uintptr  // bytes between sums of the planes; of 16 rows, unless both are one tile
	groups   int      // of rows, at least 1
	asking   int      // groups that ask for the next panel
	first    int      // 1: no sums are waiting yet
	other    *int32   // [2][16][32], for every other group
	left     int      // rows of the panel whose sums are still to become floats: n
	row      *float32 // rowScale, of those
	_        int      // groups left of the panel
	_        uintptr  // a, this group
}

// planeTiles computes tile [panels][a.n][32] = a b for panels in quads, with their
// scales, that follow each other; inner is a multiple of 64. then is what will be read
// after them, or nil.
//
//	for l := range inner { sum[t,i,j] += a[t,i,l] * b[p,l/4,j,l%4] }
//	tile[p,i,j] = (128*sum[0,i,j] + sum[1,i,j]) * scale[p,j] * rowScale[i]
func (k *Kernels) planeTiles(tile []float32, a planes, b []int8, scale []float32, inner, panels int, then unsafe.Pointer, s *Scratch) {
	_, _, _ = tile[panels*a.n*panelWidth-1], b[panels*panelWidth*inner-1], scale[panels*panelWidth-1]
	const size = 2 * 16 * panelWidth
	sums := grow(&s.sums, 2*size)
	o := int8Operands{config: &k.config[2*a.rows], a: ptr(a.q, 0), b: ptr(b, 0), tile: &tile[0], stride: uintptr(a.stride),
		steps: inner / 64, sums: &sums[0], panels: panels, then: then, last: ptr(b, panels*panelWidth*inner-2048),
		n: a.n, rowScale: &a.scale[0], scale: &scale[0], low: uintptr(a.rows) * 128, groups: a.groups, asking: asking(a.groups),
		first: 1, other: &sums[size], left: a.n, row: &a.scale[0]}
	if then == nil && a.rows < 16 {
		o.then = o.last
	}
	tileInt8(&o)
}

//go:noescape
func tileInt8(o *int8Operands)

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
func scaleMulBF16AMX(dst *uint16, x, w *float32, n int, s float32)

//go:noescape
func toBF16AMX(dst *uint16, x *float32, n int)

//go:noescape
func tileToBF16AMX(dst *uint16, stride uintptr, tile *float32, rows int)

//go:noescape
func tileFromBF16AVX512(tile *float32, src *uint16, stride uintptr, rows int)

//go:noescape
func tileStoreAVX512(c *float32, stride uintptr, tile *float32, rows int, mask uint32, base *float32, baseStride uintptr)

//go:noescape
func pairsAVX512(dst, src *uint16, stride uintptr, pairs int)

//go:noescape
func transpose16AVX512(dst unsafe.Pointer, dstStride uintptr, src unsafe.Pointer, srcStride uintptr)

//go:noescape
func gatedAMX(ffn, gate, up *uint16, stride uintptr, tileg, tileu *float32, rows int)

//go:noescape
func gatedGradAMX(dgate, dup, ffn, gate, up *uint16, stride uintptr, d *float32, rows int)
