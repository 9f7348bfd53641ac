package bench

import "math/rand/v2"

// noise is a block of normally distributed numbers, of which all operands are made.
type noise []float32

// newNoise draws a block. Its length is odd, so that rows of a matrix differ.
func newNoise() noise {
	rng := rand.New(rand.NewPCG(26, 1))
	n := make(noise, 1<<16+1)
	for i := range n {
		n[i] = float32(rng.NormFloat64())
	}
	return n
}

// fill writes numbers of the given standard deviation.
func (n noise) fill(x []float32, deviation float32) {
	for len(x) > 0 {
		part := x[:min(len(x), len(n))]
		for i := range part {
			part[i] = deviation * n[i]
		}
		x = x[len(part):]
	}
}
