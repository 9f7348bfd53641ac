//go:build !amd64 || noasm

package kernels

// Without assembly panels of int8 are widened to float32: these are never called.

func (k *Kernels) mulWords(_ []float32, _ words, _ []int8, _ int) { panic("kernels: no assembly") }
func wordRowAVX2(_ *int16, _ *uint16, _ int, _ float32)           {}
func maxMagnitudeAVX2(_ *uint16, _ int) uint16                    { return 0 }
