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

func panelAVX2(operands)                                  { panic("kernels: no assembly") }
func maxAVX2(*float32, int) float32                       { panic("kernels: no assembly") }
func expSumAVX2(_, _ *float32, _ int, _ float32) float32  { panic("kernels: no assembly") }
func dotAVX2(_, _ *float32, _ int) float32                { panic("kernels: no assembly") }
func axpyAVX2(_, _ *float32, _ int, _ float32)            { panic("kernels: no assembly") }
func scaleMulAVX2(_, _, _ *float32, _ int, _ float32)     { panic("kernels: no assembly") }
func mulAddAVX2(_, _, _ *float32, _ int, _ float32)       { panic("kernels: no assembly") }
func scaleAVX2(*float32, int, float32)                    { panic("kernels: no assembly") }
func siluMulAVX2(_, _, _ *float32, _ int)                 { panic("kernels: no assembly") }
func siluMulGradAVX2(_, _, _, _, _ *float32, _ int)       { panic("kernels: no assembly") }
func softmaxGradAVX2(_, _, _ *float32, _ int, _ float32)  { panic("kernels: no assembly") }
func rotateAVX2(_, _, _, _ *float32, _ int, _ float32)    { panic("kernels: no assembly") }
func adamwAVX2(_, _, _, _ *float32, _ int, _ *adamCoeffs) { panic("kernels: no assembly") }
