package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAbove(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(9, 9))
		for n := range 70 {
			for _, floor := range []float32{-inf, -1, 0, 1, 3, inf} {
				x, check := guarded(t, rng, n)
				for i := range x {
					x[i] = []float32{x[i], 0, 1, -inf, inf, nan}[rng.IntN(6)]
				}
				var want []int32
				for i, v := range x {
					if v > floor {
						want = append(want, int32(i))
					}
				}
				dst := slices.Repeat([]int32{-1}, n+1)
				got := dst[:k.Above(dst[:n], x, floor)]
				check()
				if !slices.Equal(got, want) {
					t.Fatalf("%d elements above %v: %v, want %v of %v", n, floor, got, want, x)
				}
				for _, v := range dst[len(got):] {
					if v != -1 {
						t.Fatalf("%d elements above %v: %v is written behind the last", n, floor, dst)
					}
				}
			}
		}
	})
}
