//go:build !amd64 || noasm

package kernels

// Without assembly these are never called.

func toBF16AVX512(_ *uint16, _ *float32, _ int)                     {}
func scaleMulBF16AVX512(_ *uint16, _, _ *float32, _ int, _ float32) {}
func fromBF16AVX512(_ *float32, _ *uint16, _ int)                   {}
func widenPairsAVX512(_ *float32, _ *uint16, _ int)                 {}
func toBF16AVX2(_ *uint16, _ *float32, _ int)                       {}
func scaleMulBF16AVX2(_ *uint16, _, _ *float32, _ int, _ float32)   {}
func fromBF16AVX2(_ *float32, _ *uint16, _ int)                     {}
func widenPairsAVX2(_ *float32, _ *uint16, _ int)                   {}
