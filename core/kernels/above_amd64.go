//go:build !noasm

package kernels

//go:noescape
func aboveAVX512(dst *int32, x *float32, n int, floor float32) int
