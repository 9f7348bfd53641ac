//go:build !amd64 || noasm

package kernels

// Without assembly cpuLevels is empty, so none of these is ever called.

func panelAVX512(operands)                                  { panic("kernels: no assembly") }
func maxAVX512(*float32, int) float32                       { panic("kernels: no assembly") }
func expSumAVX512(_, _ *float32, _ int, _ float32) float32  { panic("kernels: no assembly") }
func dotAVX512(_, _ *float32, _ int) float32                { panic("kernels: no assembly") }
func axpyAVX512(_, _ *float32, _ int, _ float32)            { panic("kernels: no assembly") }
func scaleMulAVX512(_, _, _ *float32, _ int, _ float32)     { panic("kernels: no assembly") }
func mulAddAVX512(_, _, _ *float32, _ int, _ float32)       { panic("kernels: no assembly") }
func scaleAVX512(*float32, int, float32)                    { panic("kernels: no assembly") }
func siluMulAVX512(_, _, _ *float32, _ int)                 { panic("kernels: no assembly") }
func siluMulGradAVX512(_, _, _, _, _ *float32, _ int)       { panic("kernels: no assembly") }
func softmaxGradAVX512(_, _, _ *float32, _ int, _ float32)  { panic("kernels: no assembly") }
func rotateAVX512(_, _, _, _ *float32, _ int, _ float32)    { panic("kernels: no assembly") }
func adamwAVX512(_, _, _, _ *float32, _ int, _ *adamCoeffs) { panic("kernels: no assembly") }
