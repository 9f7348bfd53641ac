package kernels

import "math"

// Bfloat16 is the upper half of a float32: its range with 8 significant bits. Rounding
// is to nearest, ties to even; subnormal numbers become zero and NaN stays NaN, as the
// instructions do it.

func toBF16(f float32) uint16 {
	b := math.Float32bits(f)
	switch {
	case b&0x7f800000 == 0:
		return uint16(b >> 16 & 0x8000)
	case b&0x7fffffff > 0x7f800000:
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// RoundBF16 stores the elements of x as bfloat16 holds them. dst may be x.
func RoundBF16(dst, x []float32) {
	checkLen("RoundBF16", len(dst), len(x))
	for i, v := range x {
		dst[i] = fromBF16(toBF16(v))
	}
}

// lanes returns how many of n elements the vector assembly converts: whole lanes of 16.
func (k *Kernels) lanes(n int) int {
	if k.simd == noSIMD {
		return 0
	}
	return n &^ 15
}

// fromBF16Row stores dst[i] = x[i]; x may be longer.
func (k *Kernels) fromBF16Row(dst []float32, x []uint16) {
	x = x[:len(dst)]
	done := k.lanes(len(x))
	switch {
	case done == 0:
	case k.simd == simd512:
		fromBF16AVX512(&dst[0], &x[0], done)
	default:
		fromBF16AVX2(&dst[0], &x[0], done)
	}
	for i, v := range x[done:] {
		dst[done+i] = fromBF16(v)
	}
}

// toBF16Row stores dst[i] = bf16(x[i]), and zeros in the rest of dst, which has len(x)
// rounded up to a multiple of 32 elements.
func (k *Kernels) toBF16Row(dst []uint16, x []float32) {
	if len(x) == 0 {
		return
	}
	if k.tiles {
		toBF16AMX(&dst[0], &x[0], len(x))
		return
	}
	done := k.lanes(len(x))
	switch {
	case done == 0:
	case k.simd == simd512:
		toBF16AVX512(&dst[0], &x[0], done)
	default:
		toBF16AVX2(&dst[0], &x[0], done)
	}
	for i, v := range x[done:] {
		dst[done+i] = toBF16(v)
	}
	clear(dst[len(x):])
}

// scaleMulBF16 stores dst[i] = bf16(x[i] * s * w[i]), and zeros in the rest of dst.
func (k *Kernels) scaleMulBF16(dst []uint16, x, w []float32, s float32) {
	checkLen("scaleMulBF16", len(x), len(w))
	if len(x) == 0 {
		return
	}
	if k.tiles {
		scaleMulBF16AMX(&dst[0], &x[0], &w[0], len(x), s)
		return
	}
	done := k.lanes(len(x))
	switch {
	case done == 0:
	case k.simd == simd512:
		scaleMulBF16AVX512(&dst[0], &x[0], &w[0], done, s)
	default:
		scaleMulBF16AVX2(&dst[0], &x[0], &w[0], done, s)
	}
	for i, v := range x[done:] {
		dst[done+i] = toBF16(v * s * w[done+i])
	}
	clear(dst[len(x):])
}

// pairs packs rows of bf16 as tiles read them from the right: dst[p,j,t] = src[2p+t, j]
// for p < n/2, j < 32, t < 2. n is even and rows of src are stride elements apart.
func (k *Kernels) pairs(dst, src []uint16, stride, n int) {
	if n == 0 {
		return
	}
	_, _ = dst[n*panelWidth-1], src[(n-1)*stride+panelWidth-1]
	if k.simd == simd512 {
		pairsAVX512(&dst[0], &src[0], uintptr(stride)*2, n/2)
		return
	}
	for i := range n {
		for j, v := range src[i*stride : i*stride+panelWidth] {
			dst[(i/2*panelWidth+j)*2+i%2] = v
		}
	}
}

// transposePairs stores dst[j,i] = src[i,j] for n rows and m columns of *pairs* of
// elements, both multiples of 16; strides count elements.
func (k *Kernels) transposePairs(dst []uint16, dstStride int, src []uint16, srcStride, n, m int) {
	if n == 0 || m == 0 {
		return
	}
	_, _ = dst[(m-1)*dstStride+2*n-1], src[(n-1)*srcStride+2*m-1]
	for i := 0; i < n; i += 16 {
		for j := 0; j < m; j += 16 {
			d, s := dst[j*dstStride+2*i:], src[i*srcStride+2*j:]
			if k.simd == simd512 {
				transpose16AVX512(ptr(d, 0), uintptr(dstStride)*2, ptr(s, 0), uintptr(srcStride)*2)
				continue
			}
			for y := range 16 {
				for x := range 16 {
					d[x*dstStride+2*y], d[x*dstStride+2*y+1] = s[y*srcStride+2*x], s[y*srcStride+2*x+1]
				}
			}
		}
	}
}

// widenPairs stores n inner indices of a panel in pairs as float32: dst[l,j] =
// src[l/2,j,l%2]. dst has room for an even number of them.
func (k *Kernels) widenPairs(dst []float32, src []uint16, n int) {
	n = roundUp(n, 2)
	dst, src = dst[:n*panelWidth], src[:n*panelWidth]
	switch k.simd {
	case simd512:
		widenPairsAVX512(&dst[0], &src[0], n/2)
		return
	case simd256:
		widenPairsAVX2(&dst[0], &src[0], n/2)
		return
	}
	for l := range n {
		for j := range panelWidth {
			dst[l*panelWidth+j] = fromBF16(src[(l/2*panelWidth+j)*2+l%2])
		}
	}
}
