package kernels

import "math"

// Weights of 8 bits: column j of a matrix is scale[j] * q[l,j], q between -127 and 127
// and scale the largest magnitude of the column / 127.
//
// The rows that meet them are integers too: an element is
//
//	x ~ scale * q, q in [-127*128, 127*128]
//
// with a scale for each row: room for the 8 bits of a bfloat16 row's larger elements, and
// no error above 2^-15 of the row's largest. Tiles take q in two planes of 8 bits,
//
//	q = 128*hi + lo, hi in [-127, 127], lo in [-64, 63]
//
// vectors in 16 bits. Sums over the inner index are exact integers, of each plane, or of
// up to 1024 inner indices; only what becomes of them is rounded. The portable level
// multiplies in float32, the bfloat16 rows as they are.
//
// A row or column that holds an infinity or NaN gets the scale NaN, and so do all results
// that it meets. One whose elements all are below tiny counts as zero.

// tiny is a magnitude whose inverse, 2^14 times as large, is still a float32.
const tiny = 0x1p-100

// int8MaxK is the largest inner dimension whose sums fit 32 bits: 127*127*K < 2^31.
const int8MaxK = 1 << 17

// scaleOf returns the scale that makes integers up to limit of numbers, and its inverse,
// which is 0 if all of them become 0. bits are those of the largest magnitude, where
// infinities and NaN come after every number.
func scaleOf(bits uint32, limit float32) (scale, inverse float32) {
	most := math.Float32frombits(bits)
	switch {
	case bits >= 0x7f800000:
		return float32(math.NaN()), 0
	case most < tiny:
		return 0, 0
	}
	return most / limit, limit / most
}

// toInt rounds to nearest, ties to even, for |f| < 2^22.
func toInt(f float32) int32 {
	const shift = 3 << 22 // its last bit is worth 1
	return int32(float32(f+shift) - shift)
}

// quantize stores round(x[i] / scale) in dst and returns the scale.
func quantize(dst []int8, x []float32) float32 {
	var most uint32
	for _, v := range x {
		most = max(most, math.Float32bits(v)&0x7fffffff)
	}
	scale, inverse := scaleOf(most, 127)
	if inverse == 0 {
		clear(dst)
		return scale
	}
	for i, v := range x {
		dst[i] = int8(toInt(float32(v * inverse))) // the conversion keeps a fused multiply-add away
	}
	return scale
}

// packInt8 stores n <= 32 columns, column(j) for j < n, as the panel at column n0.
func (p *Panels) packInt8(k *Kernels, n0, n int, column func(j int) []float32, s *Scratch) {
	rows := grow(&s.quantized, panelWidth*p.inner)
	for j := range panelWidth {
		row := rows[j*p.inner : (j+1)*p.inner]
		p.scale[n0+j] = 0
		if j < n {
			p.scale[n0+j] = quantize(row[:p.K], column(j))
			row = row[p.K:]
		}
		clear(row)
	}
	k.transposePairs(asPairs(p.q[n0*p.inner:][:panelWidth*p.inner]), 2*panelWidth, asPairs(rows), p.inner/2, panelWidth, p.inner/4)
}

// planes are rows of bfloat16 as integers: first the hi of a group of rows, then the lo,
// each row filled up with zeros to the inner dimension of the panels. Up to 8 rows are
// one group, so that a tile holds both planes; more are groups of 16, where rows behind
// the last mean nothing.
type planes struct {
	n, groups, rows, stride int
	q                       []int8
	scale                   []float32 // of each row
}

// groupRows is how many rows a group of planes has.
const groupRows = 16

// newPlanes returns room for n rows of inner elements, a multiple of 64.
func newPlanes(n, inner int, q *[]int8, scale *[]float32) planes {
	p := planes{n: n, groups: (n + groupRows - 1) / groupRows, rows: n, stride: (inner/64 | 1) * 64}
	if p.rows > groupRows/2 {
		p.rows = groupRows
	}
	p.q, p.scale = grow(q, p.groups*2*p.rows*p.stride), grow(scale, n)
	return p
}

// toPlanes stores rows as the rows of p from number at on.
func (k *Kernels) toPlanes(p planes, at int, a Rows, inner int) {
	for i := range a.N {
		x, hi, lo := a.row(i), p.row(at+i, 0)[:inner], p.row(at+i, 1)[:inner]
		var inverse float32
		p.scale[at+i], inverse = scaleOf(uint32(maxMagnitudeAVX2(&x[0], len(x)))<<16, 127*128)
		if inverse == 0 {
			clear(hi)
			clear(lo)
			continue
		}
		planeRowAMX(&hi[0], &lo[0], &x[0], len(x), inverse)
		clear(hi[len(x):])
		clear(lo[len(x):])
	}
}

// row returns the hi (0) or lo (1) of row i.
func (p planes) row(i, plane int) []int8 {
	at := (i/16*2+plane)*p.rows + i%16
	return p.q[at*p.stride:][:p.stride]
}

// words are rows of bfloat16 as integers of 16 bits, scale * q with q between -127*128
// and 127*128, filled up with zeros to the inner dimension of the panels. They meet int8
// on levels with vectors and no tiles.
type words struct {
	n, stride int
	q         []int16
	scale     []float32 // of each row
}

// wordsK is how many inner indices of words are summed in 32 bits, 127*128*127*wordsK <
// 2^31; such sums are added in float32.
const wordsK = 1024

// newWords returns room for n rows of inner elements, a multiple of 64.
func newWords(n, inner int, q *[]int16, scale *[]float32) words {
	return words{n: n, stride: inner, q: grow(q, n*inner), scale: grow(scale, n)}
}

// toWords stores rows as the rows of w from number at on.
func (k *Kernels) toWords(w words, at int, a Rows) {
	for i := range a.N {
		x, q := a.row(i), w.q[(at+i)*w.stride:][:w.stride]
		var inverse float32
		w.scale[at+i], inverse = scaleOf(uint32(maxMagnitudeAVX2(&x[0], len(x)))<<16, 127*128)
		if inverse == 0 {
			clear(q)
			continue
		}
		wordRowAVX2(&q[0], &x[0], len(x), inverse)
		clear(q[len(x):])
	}
}

// widenQuads stores n inner indices of a panel in quads as float32: dst[l,j] =
// src[l/4,j,l%4]. The portable level multiplies these.
func widenQuads(dst []float32, src []int8, n int) {
	for l := range n {
		for j := range panelWidth {
			dst[l*panelWidth+j] = float32(src[(l/4*panelWidth+j)*4+l%4])
		}
	}
}
