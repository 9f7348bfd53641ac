package kernels

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRotateHeads(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(6, 6))
		for _, dim := range []int{2, 6, 32, 34, 64, 80} {
			for heads := range 4 {
				cos, sin := normal(rng, dim/2), normal(rng, dim/2)
				row, check := guarded(t, rng, heads*dim)
				want := slices.Clone(row)
				for h := range heads {
					head := want[h*dim : (h+1)*dim]
					k.Rotate(head[:dim/2], head[dim/2:], cos, sin, -1)
				}
				k.RotateHeads(row, dim, cos, sin, -1)
				check()
				if !slices.Equal(row, want) {
					t.Fatalf("%d heads of %d: %v, want %v", heads, dim, row, want)
				}
			}
		}
	})
}
