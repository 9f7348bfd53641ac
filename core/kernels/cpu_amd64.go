//go:build !noasm

package kernels

import "golang.org/x/sys/cpu"

// cpuLevels returns the levels for which this CPU and operating system have all that the
// assembly uses, best first. What is here decides; the model of the CPU does not.
func cpuLevels() []Level {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA && x.HasBMI2
	avx512 := avx2 && x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ
	amx := avx512 && x.HasAVX512BF16 && x.HasAMXTile && x.HasAMXBF16 && x.HasAMXInt8 && allowTiles()
	switch {
	case amx:
		return []Level{AMX, AVX512, AVX2}
	case avx512:
		return []Level{AVX512, AVX2}
	case avx2:
		return []Level{AVX2}
	}
	return nil
}
