package kernels

import "fmt"

// RotateHeads is Rotate for every head of dim elements of a row: the first half of a head
// with its second.
func (k *Kernels) RotateHeads(row []float32, dim int, cos, sin []float32, sign float32) {
	half := dim / 2
	if half == 0 || dim != 2*half || len(row)%dim != 0 || len(cos) != half || len(sin) != half {
		panic(ShapeError{"RotateHeads", "whole heads of an even size, and an angle for each pair",
			fmt.Sprintf("%d elements in heads of %d, %d cosines, %d sines", len(row), dim, len(cos), len(sin))})
	}
	for ; len(row) > 0; row = row[dim:] {
		switch k.simd {
		case simd512:
			rotateAVX512(&row[0], &row[half], &cos[0], &sin[0], half, sign)
		case simd256:
			rotateAVX2(&row[0], &row[half], &cos[0], &sin[0], half, sign)
		default:
			k.Rotate(row[:half], row[half:dim], cos, sin, sign)
		}
	}
}
