package kernels

import "unsafe"

// Aligned returns n zero floats that begin on a cache line of 64 bytes.
func Aligned(n int) []float32 {
	buf := make([]float32, n+16)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(buf)))&63) / 4
	return buf[skip : skip+n : skip+n]
}

// ptr returns the address of s[i]; i may equal len(s), for a zero-sized operand.
func ptr(s []float32, i int) unsafe.Pointer {
	if i > len(s) {
		panic(ShapeError{"operand", "an offset within its data", "one behind it"})
	}
	return unsafe.Pointer(unsafe.SliceData(s[i:]))
}
