package kernels

import (
	"fmt"
	"unsafe"
)

// blockM is how many rows a panel is multiplied with at a time: their results wait in
// the second-level cache for what is done with them (32 KiB for each panel).
const blockM = 256

// tileK is how many inner indices of bfloat16 at most a panel is read at a time, so that
// they stay in the first-level cache (36 of its 48 KiB) while the rows pass by.
const tileK = 576

// Mul computes c = a b, or c += a b if acc, for a [M, K] and b [K, N]:
//
//	for l := range K { sum += a[i,l] * b[l,j] }
//	c[i,j] += sum
//
// The sum begins with zero: where c is large, as the residual stream of pretrained models
// is in places, every product would be rounded to what c can hold.
func (k *Kernels) Mul(c Mat, a Rows, b *Panels, acc bool, s *Scratch) {
	var base Mat
	if acc {
		base = c
	}
	k.mul("Mul", c, base, a, b, s)
}

// AddMul computes c = base + a b, see Mul. base may be c.
func (k *Kernels) AddMul(c, base Mat, a Rows, b *Panels, s *Scratch) {
	base.check("AddMul", "base")
	if base.Rows != c.Rows || base.Cols != c.Cols {
		panic(ShapeError{"AddMul", fmt.Sprintf("base %dx%d", c.Rows, c.Cols), fmt.Sprintf("%dx%d", base.Rows, base.Cols)})
	}
	k.mul("AddMul", c, base, a, b, s)
}

// mul is AddMul, or Mul if base is the zero value.
func (k *Kernels) mul(op string, c, base Mat, a Rows, b *Panels, s *Scratch) {
	c.check(op, "c")
	checkProduct(op, c.Rows, c.Cols, a, b)
	if b.f != nil || b.K == 0 { // straight to c
		switch {
		case base.Data != nil && b.K > 0:
			k.addMulFloat(c, base, a.Mat(), b, s)
			return
		case base.Data != nil && len(c.Data) > 0 && &base.Data[0] != &c.Data[0]:
			for i := range c.Rows {
				copy(c.Row(i), base.Row(i))
			}
		}
		if !emptyMul(c, b.K, base.Data != nil) {
			k.mulFloat(c, a.Mat(), b)
		}
		return
	}
	k.product(result{c: c, base: base}, a, b, s)
}

// Term is a product a b.
type Term struct {
	A Rows
	B *Panels
}

// MulSum computes c = a1 b1 + a2 b2 + ..., the terms in their order. On tiles the sum
// leaves the registers once.
func (k *Kernels) MulSum(c Mat, s *Scratch, terms ...Term) {
	for _, t := range terms {
		checkProduct("MulSum", c.Rows, c.Cols, t.A, t.B)
		if !k.tiles || t.B.h == nil || t.B.K == 0 {
			for i, t := range terms {
				k.Mul(c, t.A, t.B, i > 0, s)
			}
			return
		}
	}
	k.mulSum(result{c: c}, s, terms...)
}

// mulSum is MulSum on tiles.
func (k *Kernels) mulSum(to result, s *Scratch, terms ...Term) {
	m, n := terms[0].A.N, terms[0].B.N
	step := evenly(m, rowsAtOnce(terms[0].B.inner))
	for r0 := 0; r0 < m; r0 += step {
		rows := min(step, m-r0)
		whole := rows &^ (panelWidth - 1)
		tile := s.tileRows(0, rows)
		for n0 := 0; n0 < n; n0 += panelWidth {
			n := min(panelWidth, n-n0)
			for i, t := range terms {
				a := t.A.Slice(r0, r0+rows)
				eachStep(rows, t.B.inner, tileK, func(l0, inner int) {
					var end target
					then := ptr(t.B.h, n0*t.B.inner+(l0+inner)*panelWidth)
					if l0+inner == t.B.inner {
						then = next(terms, i, n0, r0+rows < m)
						if i == len(terms)-1 {
							end = to.target(r0, n0, n)
						}
					}
					k.panelTiles(ptr(tile, 0), ptr(a.h, l0), a.stride, ptr(t.B.h, n0*t.B.inner+l0*panelWidth), rows, inner, 1, i > 0 || l0 > 0, end, then)
				})
			}
			to.store(k, tile[whole*panelWidth:], r0+whole, rows-whole, n0, n)
		}
	}
}

// next returns what mulSum reads after the panel of term i at column n0; again says
// whether more rows go past the terms.
func next(terms []Term, i, n0 int, again bool) unsafe.Pointer {
	switch b := terms[0].B; {
	case i+1 < len(terms):
		return terms[i+1].B.at(n0)
	case n0+panelWidth < b.N:
		return b.at(n0 + panelWidth)
	case again:
		return b.at(0)
	}
	return terms[i].B.then
}

// rowsAtOnce returns how many rows of bfloat16 a panel is multiplied with at a time: as
// many as stay in the second-level cache with their results.
func rowsAtOnce(inner int) int {
	const bytes = 800 << 10
	return min(max(bytes/(2*inner)&^(panelWidth-1), 128), 512)
}

// MulRows is Mul with its result stored as rows.
func (k *Kernels) MulRows(dst, a Rows, b *Panels, s *Scratch) {
	checkProduct("MulRows", dst.N, dst.Cols, a, b)
	if dst.h == nil {
		k.Mul(dst.Mat(), a, b, false, s)
		return
	}
	k.product(result{rows: dst}, a, b, s)
}

// product computes a b. With many rows on tiles a block of the result goes where it
// belongs while the next one is computed.
func (k *Kernels) product(to result, a Rows, b *Panels, s *Scratch) {
	if k.tiles && b.h != nil && b.K > 0 && a.N > panelWidth {
		k.mulSum(to, s, Term{a, b})
		return
	}
	k.eachTile(a, b, s, func(tile []float32, r0, rows, n0, n int) {
		to.store(k, tile, r0, rows, n0, n)
	})
}

// eachTile computes a b in tiles [rows][32] and hands each to emit, which may write to
// it: rows [r0, r0+rows) of the result and n columns from n0; the other columns are
// zero.
func (k *Kernels) eachTile(a Rows, b *Panels, s *Scratch, emit func(tile []float32, r0, rows, n0, n int)) {
	for r0 := 0; r0 < a.N; r0 += blockM {
		rows := min(blockM, a.N-r0)
		left := k.left(a.Slice(r0, r0+rows), b, s)
		for n0 := 0; n0 < b.N; {
			panels := panelsAtOnce(rows, b.N-n0)
			tiles := s.tileRows(0, panels*rows)
			k.mulTiles(tiles, left, b, n0, panels, b.at(n0+panels*panelWidth), s)
			for ; panels > 0; panels-- {
				emit(tiles[:rows*panelWidth], r0, rows, n0, min(panelWidth, b.N-n0))
				tiles = tiles[rows*panelWidth:]
				n0 += panelWidth
			}
		}
	}
}

// panelsAtOnce returns how many of the panels of the next n columns are multiplied in one
// call: with few rows several, so that the stream of weights from memory does not pause.
func panelsAtOnce(rows, n int) int {
	if rows > panelWidth {
		return 1
	}
	return min(16, blockM/rows, (n+panelWidth-1)/panelWidth)
}

// left is a block of rows as mulTiles wants it: planes or words if b holds int8; rows,
// which are of float32 if there are no tiles, else.
type left struct {
	Rows
	planes planes
	words  words
}

func (k *Kernels) left(a Rows, b *Panels, s *Scratch) left {
	switch {
	case a.h == nil || b.K == 0:
		return left{Rows: a}
	case b.q != nil && k.tiles:
		p, ok := a.heldPlanes()
		if !ok {
			p = newPlanes(a.N, b.inner, &s.planes, &s.rowScale)
			k.toPlanes(p, 0, a, b.inner)
		}
		return left{Rows: a, planes: p}
	case b.q != nil && k.simd != noSIMD:
		w, ok := a.heldWords()
		if !ok {
			w = newWords(a.N, b.inner, &s.words, &s.rowScale)
			k.toWords(w, 0, a)
		}
		return left{Rows: a, words: w}
	case !k.tiles:
		return left{Rows: FloatRows(k.widen(a, &s.wideA))}
	}
	return left{Rows: a}
}

// widen returns rows as float32.
func (k *Kernels) widen(a Rows, buf *[]float32) Mat {
	m := NewMat(grow(buf, a.N*a.Cols), a.N, a.Cols)
	for i := range a.N {
		k.fromBF16Row(m.Row(i), a.row(i))
	}
	return m
}

// mulTiles computes tiles [panels][a.N][32] = a b for the panels of b from column n0; then
// is what will be read after them.
func (k *Kernels) mulTiles(tiles []float32, a left, b *Panels, n0, panels int, then unsafe.Pointer, s *Scratch) {
	switch {
	case b.K == 0:
		clear(tiles)
	case k.tiles && b.q != nil:
		k.planeTiles(tiles, a.planes, b.q[n0*b.inner:], b.scale[n0:], b.inner, panels, then, s)
	case k.tiles && b.h != nil:
		eachStep(a.N, b.inner, tileK, func(l0, n int) {
			part := then
			if l0+n < b.inner {
				part = ptr(b.h, n0*b.inner+(l0+n)*panelWidth)
			}
			k.panelTiles(ptr(tiles, 0), ptr(a.h, l0), a.stride, ptr(b.h, n0*b.inner+l0*panelWidth), a.N, n, panels, l0 > 0, target{}, part)
		})
	default:
		for ; panels > 0; panels-- {
			if a.words.n > 0 {
				k.mulWords(tiles, a.words, b.q[n0*b.inner:], b.inner)
				for i, scale := range a.words.scale {
					row := tiles[i*panelWidth:][:panelWidth]
					k.ScaleMul(row, row, b.scale[n0:][:panelWidth], scale)
				}
			} else {
				k.mulWide(tiles, a.Rows, b, n0, s)
			}
			tiles = tiles[a.N*panelWidth:]
			n0 += panelWidth
		}
	}
}

// eachStep cuts the inner indices in steps, in order, so that what a panel holds for
// them stays in the first-level cache while the rows pass by. With few rows it is read
// once.
func eachStep(rows, inner, step int, f func(l0, n int)) {
	if rows <= panelWidth {
		step = inner
	}
	step = evenly(inner, step)
	for l0 := 0; l0 < inner; l0 += step {
		f(l0, min(step, inner-l0))
	}
}

// evenly returns the length of the parts, multiples of 32, when n is cut in as few as can
// be of at most so many, a multiple of 32 too.
func evenly(n, most int) int {
	parts := max((n+most-1)/most, 1)
	return max(roundUp((n+parts-1)/parts, panelWidth), panelWidth)
}

// mulWide computes tile [a.N][32] = a b in float32 for the panel of b at column n0.
func (k *Kernels) mulWide(tile []float32, a Rows, b *Panels, n0 int, s *Scratch) {
	done := 0
	if even := b.K &^ 1; b.h != nil && even > 0 && a.N <= k.fewRows() {
		k.mulFew(tile, a, b.h[n0*b.inner:], even)
		done = even
	}
	for l0 := done; l0 < b.K; l0 += blockK {
		kk := min(blockK, b.K-l0)
		k.panel(operands{
			a: ptr(a.f, l0), ars: a.stride, acs: 1,
			b: k.floatPanel(b, n0, l0, kk, s), brs: panelWidth,
			c: ptr(tile, 0), crs: panelWidth,
			m: a.N, n: panelWidth, k: kk, acc: l0 > 0,
		})
	}
	if b.q == nil {
		return
	}
	for i := range a.N {
		row := tile[i*panelWidth:][:panelWidth]
		k.ScaleMul(row, row, b.scale[n0:][:panelWidth], 1)
	}
}

// floatPanel returns inner indices [l0, l0+n) of a panel as float32 [n][32], of int8
// without its scale. l0 is a multiple of 4.
func (k *Kernels) floatPanel(b *Panels, n0, l0, n int, s *Scratch) unsafe.Pointer {
	if b.f != nil {
		return ptr(b.f, n0*b.K+l0*panelWidth)
	}
	wide := grow(&s.wideB, blockK*panelWidth)
	at := n0*b.inner + l0*panelWidth
	if b.q != nil {
		widenQuads(wide, b.q[at:], n)
	} else {
		k.widenPairs(wide, b.h[at:], n)
	}
	return ptr(wide, 0)
}

// storeTile stores the first n columns of tile [rows][32] at (r0, n0) of c, added to
// those of base if it is not the zero value.
func (k *Kernels) storeTile(c, base Mat, tile []float32, r0, rows, n0, n int) {
	if k.simd == simd512 {
		var from *float32
		if base.Data != nil {
			from = &base.Data[r0*base.Stride+n0]
		}
		tileStoreAVX512(&c.Data[r0*c.Stride+n0], uintptr(c.Stride)*4, &tile[0], rows, uint32(uint64(1)<<n-1), from, uintptr(base.Stride)*4)
		return
	}
	for i := range rows {
		dst, src := c.Data[(r0+i)*c.Stride+n0:][:n], tile[i*panelWidth:][:n]
		if base.Data == nil {
			copy(dst, src)
			continue
		}
		for j, v := range base.Data[(r0+i)*base.Stride+n0:][:n] {
			dst[j] = v + src[j]
		}
	}
}

// storeRows stores the first n columns of tile [rows][32] at (r0, n0) of dst.
func (k *Kernels) storeRows(dst Rows, tile []float32, r0, rows, n0, n int) {
	if dst.h == nil {
		k.storeTile(dst.Mat(), Mat{}, tile, r0, rows, n0, n)
		return
	}
	if k.tiles {
		tileToBF16AMX(&dst.h[r0*dst.stride+n0], uintptr(dst.stride)*2, &tile[0], rows)
		return
	}
	for i := range rows {
		k.toBF16Row(dst.h[(r0+i)*dst.stride+n0:][:panelWidth], tile[i*panelWidth:][:n])
	}
}

// loadRows reads n columns at (r0, n0) of src to tile [rows][32]; the others are zero.
func (k *Kernels) loadRows(tile []float32, src Rows, r0, rows, n0, n int) {
	if src.h != nil && k.simd == simd512 {
		tileFromBF16AVX512(&tile[0], &src.h[r0*src.stride+n0], uintptr(src.stride)*2, rows)
		return
	}
	for i := range rows {
		dst := tile[i*panelWidth:][:panelWidth]
		if src.h == nil {
			clear(dst[copy(dst, src.f[(r0+i)*src.stride+n0:][:n]):])
			continue
		}
		k.fromBF16Row(dst, src.h[(r0+i)*src.stride+n0:])
	}
}

func checkProduct(op string, rows, cols int, a Rows, b *Panels) {
	if a.Cols != b.K || rows != a.N || cols != b.N || a.N > 0 && a.Type() != b.Type().RowType() {
		panic(ShapeError{op, fmt.Sprintf("%dx%d and equal inner sizes of one type", a.N, b.N),
			fmt.Sprintf("%dx%d, %s rows of %d, %s panels of %d", rows, cols, a.Type(), a.Cols, b.Type(), b.K)})
	}
}
