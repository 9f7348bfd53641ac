package kernels

import "unsafe"

// hugeFrom is the size in bytes from which memory is worth large pages.
const hugeFrom = 1 << 17

// Aligned returns n zero floats that begin on a cache line of 64 bytes.
func Aligned(n int) []float32 { return aligned[float32](n) }

// aligned returns n zero numbers that begin on a cache line.
func aligned[T number](n int) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	buf := make([]T, n+64/size)
	start := unsafe.Pointer(unsafe.SliceData(buf))
	if n*size >= hugeFrom {
		adviseHuge(start, n*size)
	}
	skip := int(-uintptr(start)&63) / size
	return buf[skip : skip+n : skip+n]
}

// number is what memory of kernels holds.
type number interface {
	int8 | int16 | uint16 | int32 | float32
}

// ptr returns the address of s[i]; i may equal len(s), for a zero-sized operand.
func ptr[T number](s []T, i int) unsafe.Pointer {
	if i > len(s) {
		panic(ShapeError{"operand", "an offset within its data", "one behind it"})
	}
	return unsafe.Pointer(unsafe.SliceData(s[i:]))
}

// asPairs views bytes as numbers of 16 bits.
func asPairs(s []int8) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(s))), len(s)/2)
}

// Scratch is working memory of the kernels, owned by one goroutine. Its zero value is
// ready; it grows to what the largest call needs and stays there.
type Scratch struct {
	buf       []float32    // attention in float32
	lanes     laneScratch  // attention on tiles
	tile      [4][]float32 // [blockM][32] results of panels, before they are stored
	sum       []float32    // [floatM][32] of a product, before it is added
	rounded   Rows         // a matrix on its way into panels
	quantized []int8       // the same, for panels of int8
	wideA     []float32    // bfloat16 rows as float32, where there are no tiles
	wideB     []float32    // [blockK][32] of a panel as float32
	left      []float32    // [sumRows][floatM] columns of a matrix, close together
	right     []float32    // a matrix as panels
	pairs     []uint16     // rows packed as panels in pairs
	turned    Rows         // columns as rows
	block     []uint16     // 32 x 32 elements in pairs of rows
	planes    []int8       // rows as integers in two planes
	words     []int16      // rows as integers of 16 bits
	rowScale  []float32    // their scales
	sums      []int32      // [2][2][16][32] results of planes
}

func (s *Scratch) floats(n int) []float32 { return grow(&s.buf, n) }

func growFloats(buf *[]float32, n int) []float32 { return grow(buf, n) }

// grow returns n numbers of buf, which hold anything.
func grow[T number](buf *[]T, n int) []T {
	if cap(*buf) < n {
		*buf = aligned[T](n)
	}
	return (*buf)[:n]
}

// tileRows returns room for the results of one panel, or of several with few rows.
func (s *Scratch) tileRows(i, rows int) []float32 {
	return grow(&s.tile[i], max(blockM, rows)*panelWidth)[:rows*panelWidth]
}
