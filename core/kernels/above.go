package kernels

// Above stores the indices of the elements above a floor, ascending, and returns their
// number: of a row of logits, the few that may be among the largest. dst must have room for
// len(x).
//
//	for i, v := range x { if v > floor { dst[n] = i; n++ } }
func (k *Kernels) Above(dst []int32, x []float32, floor float32) (n int) {
	if len(x) == 0 {
		return 0
	}
	if k.simd == simd512 {
		dst = dst[:len(x)]
		return aboveAVX512(&dst[0], &x[0], len(x), floor)
	}
	for i, v := range x {
		if v > floor {
			dst[n] = int32(i)
			n++
		}
	}
	return n
}
