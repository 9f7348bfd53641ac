//go:build !noasm

package kernels

// mulWords computes tile [a.n][32] = a b for a panel in quads of inner indices, n of them,
// which is a multiple of 64.
func (k *Kernels) mulWords(tile []float32, a words, panel []int8, n int) {
	clear(tile[:a.n*panelWidth])
	for l0 := 0; l0 < n; l0 += wordsK {
		b, quads := &panel[l0*panelWidth], min(wordsK, n-l0)/4
		_ = panel[n*panelWidth-1]
		for i := 0; i < a.n; {
			t, x, stride := &tile[i*panelWidth], &a.q[i*a.stride+l0], uintptr(a.stride)*2
			switch left := a.n - i; {
			case k.simd == simd512 && left >= 4:
				words4AVX512(t, x, stride, b, quads)
				i += 4
			case k.simd == simd512:
				words1AVX512(t, x, stride, b, quads)
				i++
			case left >= 2:
				words2AVX2(t, x, stride, b, quads)
				words2AVX2(&tile[i*panelWidth+16], x, stride, &panel[l0*panelWidth+64], quads)
				i += 2
			default:
				words1AVX2(t, x, stride, b, quads)
				i++
			}
		}
	}
}

//go:noescape
func words1AVX512(tile *float32, a *int16, stride uintptr, b *int8, quads int)

//go:noescape
func words4AVX512(tile *float32, a *int16, stride uintptr, b *int8, quads int)

//go:noescape
func words1AVX2(tile *float32, a *int16, stride uintptr, b *int8, quads int)

//go:noescape
func words2AVX2(tile *float32, a *int16, stride uintptr, b *int8, quads int)

//go:noescape
func wordRowAVX2(dst *int16, x *uint16, n int, inverse float32)

//go:noescape
func maxMagnitudeAVX2(x *uint16, n int) uint16
