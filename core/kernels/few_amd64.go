//go:build !noasm

package kernels

// fewRows says how many rows at most mulFew takes: with more, a panel is widened once for
// all of them.
func (k *Kernels) fewRows() int {
	switch k.simd {
	case simd512:
		return 8
	case simd256:
		return 4
	}
	return 0
}

// mulFew computes tile [a.N][32] = a b over the first n inner indices of a panel in
// pairs, n positive and even.
func (k *Kernels) mulFew(tile []float32, a Rows, panel []uint16, n int) {
	_, _ = tile[a.N*panelWidth-1], panel[n*panelWidth-1]
	for i := 0; i < a.N; {
		rows, f := 1, pairs1AVX512
		switch left := a.N - i; {
		case k.simd == simd512 && left >= 4:
			rows, f = 4, pairs4AVX512
		case k.simd == simd512 && left >= 2:
			rows, f = 2, pairs2AVX512
		case k.simd == simd256 && left >= 2:
			rows, f = 2, pairs2AVX2
		case k.simd == simd256:
			f = pairs1AVX2
		}
		f(&tile[i*panelWidth], &a.f[i*a.stride], uintptr(a.stride)*4, &panel[0], n/2)
		i += rows
	}
}

//go:noescape
func pairs1AVX512(tile, a *float32, stride uintptr, b *uint16, pairs int)

//go:noescape
func pairs2AVX512(tile, a *float32, stride uintptr, b *uint16, pairs int)

//go:noescape
func pairs4AVX512(tile, a *float32, stride uintptr, b *uint16, pairs int)

//go:noescape
func pairs1AVX2(tile, a *float32, stride uintptr, b *uint16, pairs int)

//go:noescape
func pairs2AVX2(tile, a *float32, stride uintptr, b *uint16, pairs int)
