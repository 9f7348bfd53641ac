//go:build !noasm

package kernels

// tile<H> computes, for i < H and j < n,
//
//	c[i,j] = (acc != 0 ? c[i,j] : 0) + a[i,0]*b[0,j] + ... + a[i,k-1]*b[k-1,j]
//
// by fused multiply-adds in this order, one accumulator an element, so that all heights
// and both sets give equal bits. All 32 columns of b are read.
//
//go:noescape
func tile12AVX512(t *tile)

//go:noescape
func tile11AVX512(t *tile)

//go:noescape
func tile10AVX512(t *tile)

//go:noescape
func tile9AVX512(t *tile)

//go:noescape
func tile8AVX512(t *tile)

//go:noescape
func tile7AVX512(t *tile)

//go:noescape
func tile6AVX512(t *tile)

//go:noescape
func tile5AVX512(t *tile)

//go:noescape
func tile4AVX512(t *tile)

//go:noescape
func tile3AVX512(t *tile)

//go:noescape
func tile2AVX512(t *tile)

//go:noescape
func tile1AVX512(t *tile)

//go:noescape
func tile3AVX2(t *tile)

//go:noescape
func tile2AVX2(t *tile)

//go:noescape
func tile1AVX2(t *tile)

// The vector kernels take any length; each is the loop of its twin in vector.go. The
// two sets give equal bits.

//go:noescape
func maxAVX512(x *float32, n int) float32

//go:noescape
func expSumAVX512(dst, x *float32, n int, shift float32) float32

//go:noescape
func dotAVX512(x, y *float32, n int) float32

//go:noescape
func axpyAVX512(dst, x *float32, n int, alpha float32)

//go:noescape
func scaleMulAVX512(dst, x, w *float32, n int, s float32)

//go:noescape
func mulAddAVX512(dst, x, y *float32, n int, s float32)

//go:noescape
func scaleAVX512(x *float32, n int, s float32)

//go:noescape
func siluMulAVX512(dst, gate, up *float32, n int)

//go:noescape
func siluMulGradAVX512(dgate, dup, gate, up, dout *float32, n int)

//go:noescape
func softmaxGradAVX512(ds, p, dp *float32, n int, delta float32)

//go:noescape
func rotateAVX512(a, b, cos, sin *float32, n int, sign float32)

//go:noescape
func adamwAVX512(w, m, v, grad *float32, n int, c *adamCoeffs)

//go:noescape
func maxAVX2(x *float32, n int) float32

//go:noescape
func expSumAVX2(dst, x *float32, n int, shift float32) float32

//go:noescape
func dotAVX2(x, y *float32, n int) float32

//go:noescape
func axpyAVX2(dst, x *float32, n int, alpha float32)

//go:noescape
func scaleMulAVX2(dst, x, w *float32, n int, s float32)

//go:noescape
func mulAddAVX2(dst, x, y *float32, n int, s float32)

//go:noescape
func scaleAVX2(x *float32, n int, s float32)

//go:noescape
func siluMulAVX2(dst, gate, up *float32, n int)

//go:noescape
func siluMulGradAVX2(dgate, dup, gate, up, dout *float32, n int)

//go:noescape
func softmaxGradAVX2(ds, p, dp *float32, n int, delta float32)

//go:noescape
func rotateAVX2(a, b, cos, sin *float32, n int, sign float32)

//go:noescape
func adamwAVX2(w, m, v, grad *float32, n int, c *adamCoeffs)
