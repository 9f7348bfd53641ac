//go:build !amd64 || noasm

package kernels

import "unsafe"

// Without assembly no level has tiles: these are never called.

func (k *Kernels) panelTiles(_, _ unsafe.Pointer, _ int, _ unsafe.Pointer, _, _, _ int, _ bool, _ target, _ unsafe.Pointer) {
	panic("kernels: no assembly")
}
func (k *Kernels) planeTiles(_ []float32, _ planes, _ []int8, _ []float32, _, _ int, _ unsafe.Pointer, _ *Scratch) {
	panic("kernels: no assembly")
}
func planeRowAMX(_, _ *int8, _ *uint16, _ int, _ float32)                                       {}
func scaleMulBF16AMX(_ *uint16, _, _ *float32, _ int, _ float32)                                {}
func toBF16AMX(_ *uint16, _ *float32, _ int)                                                    {}
func tileToBF16AMX(_ *uint16, _ uintptr, _ *float32, _ int)                                     {}
func tileFromBF16AVX512(_ *float32, _ *uint16, _ uintptr, _ int)                                {}
func tileStoreAVX512(_ *float32, _ uintptr, _ *float32, _ int, _ uint32, _ *float32, _ uintptr) {}
func pairsAVX512(_, _ *uint16, _ uintptr, _ int)                                                {}
func transpose16AVX512(_ unsafe.Pointer, _ uintptr, _ unsafe.Pointer, _ uintptr)                {}
func gatedAMX(_, _, _ *uint16, _ uintptr, _, _ *float32, _ int)                                 {}
func gatedGradAMX(_, _, _, _, _ *uint16, _ uintptr, _ *float32, _ int)                          {}
