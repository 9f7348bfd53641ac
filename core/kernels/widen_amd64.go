//go:build !noasm

package kernels

// Conversions between float32 and bfloat16 on levels without tiles.

//go:noescape
func toBF16AVX512(dst *uint16, x *float32, n int)

//go:noescape
func scaleMulBF16AVX512(dst *uint16, x, w *float32, n int, s float32)

//go:noescape
func fromBF16AVX512(dst *float32, x *uint16, n int)

//go:noescape
func widenPairsAVX512(dst *float32, src *uint16, pairs int)

//go:noescape
func toBF16AVX2(dst *uint16, x *float32, n int)

//go:noescape
func scaleMulBF16AVX2(dst *uint16, x, w *float32, n int, s float32)

//go:noescape
func fromBF16AVX2(dst *float32, x *uint16, n int)

//go:noescape
func widenPairsAVX2(dst *float32, src *uint16, pairs int)
