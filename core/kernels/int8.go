package kernels

import "math"

// Weights of 8 bits: column j of a matrix is scale[j] * q[l,j], q between -127 and 127
// and scale the largest magnitude of the column / 127.
//
// On tiles the rows that meet them are integers too: an element is
//
//	x ~ scale * (128*hi + lo), hi in [-127, 127], lo in [-64, 63]
//
// with a scale for each row: 15 bits, where the 8 bits of a bfloat16 row's larger
// elements find room, and no error above 2^-15 of the row's largest. The sums of hi and of lo
// over the inner index are exact integers; only their weighted sum is rounded. Other
// levels multiply in float32, the bfloat16 rows as they are.
//
// A row or column that holds an infinity or NaN gets the scale NaN, and so do all results
// that it meets. One whose elements all are below tiny counts as zero.

// tiny is a magnitude whose inverse, 2^14 times as large, is still a float32.
const tiny = 0x1p-100

// int8MaxK is the largest inner dimension whose sums fit 32 bits: 127*127*K < 2^31.
const int8MaxK = 1 << 17

// magnitude is a scale's numerator and the inverse of the scale, for integers up to
// limit; bits are those of the largest magnitude, of which infinities and NaN are larger
// than every number.
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
		dst[i] = int8(toInt(v * inverse))
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

// planes are rows of bfloat16 as integers, in groups of 16 rows: 16 rows of hi, then
// 16 of lo, each filled up with zeros to the inner dimension of the panels. Rows behind
// the last are there, and mean nothing.
type planes struct {
	n, stride int
	q         []int8
	scale     []float32 // of each row
}

// toPlanes stores rows as integers; inner is a multiple of 64.
func (k *Kernels) toPlanes(a Rows, inner int, s *Scratch) planes {
	groups := (a.N + 15) / 16
	p := planes{n: a.N, stride: (inner/64 | 1) * 64}
	p.q, p.scale = grow(&s.planes, groups*32*p.stride), grow(&s.rowScale, groups*16)
	for i := range a.N {
		x := a.row(i)
		at := (i/16*32 + i%16) * p.stride
		hi, lo := p.q[at:][:inner], p.q[at+16*p.stride:][:inner]
		var inverse float32
		p.scale[i], inverse = scaleOf(uint32(maxMagnitudeAMX(&x[0], len(x)))<<16, 127*128)
		if inverse == 0 {
			clear(hi)
			clear(lo)
			continue
		}
		planeRowAMX(&hi[0], &lo[0], &x[0], len(x), inverse)
		clear(hi[len(x):])
		clear(lo[len(x):])
	}
	return p
}

// mulInt8 computes tiles [panels][a.n][32] = a b for panels of b from column n0.
func (k *Kernels) mulInt8(tile []float32, a planes, b *Panels, n0, panels int, s *Scratch) {
	groups := (a.n + 15) / 16
	sums := grow(&s.sums, panels*groups*1024)
	eachStep(a.n, b.inner, 2*tileK, func(l0, inner int) {
		k.planeTiles(sums, a, l0, ptr(b.q, n0*b.inner+l0*panelWidth), inner, panels, l0 > 0)
	})
	for p := range panels {
		for i := 0; i < a.n; i += 16 {
			sumsToTileAMX(&tile[(p*a.n+i)*panelWidth], &sums[(p*groups+i/16)*1024], &a.scale[i], min(16, a.n-i), &b.scale[n0+p*panelWidth])
		}
	}
}

// widenQuads stores n inner indices of a panel in quads as float32: dst[l,j] =
// src[l/4,j,l%4].
func (k *Kernels) widenQuads(dst []float32, src []int8, n int) {
	for l := range n {
		for j := range panelWidth {
			dst[l*panelWidth+j] = float32(src[(l/4*panelWidth+j)*4+l%4])
		}
	}
}
