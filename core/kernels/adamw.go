package kernels

import "math"

// AdamW holds the coefficients of one optimizer step (Loshchilov and Hutter 2019).
type AdamW struct {
	LR, Beta1, Beta2, Eps, Decay float64
	Step                         int     // from 1
	GradScale                    float64 // every gradient is multiplied by it first (clipping)
}

// adamCoeffs is read by the assembly: do not reorder.
type adamCoeffs struct {
	beta1, oneMinus1, beta2, oneMinus2, rate, keep, scale float64
	rsqrt2, eps                                           float32
}

// Update applies the step to the weights w with moments m and v and gradient g:
//
//	g *= scale
//	m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g²
//	w = w*(1 - lr*decay) - lr/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps)
//
// computed in float64 and rounded once, but for the root and the quotient, which are
// float32. g is not changed.
func (k *Kernels) Update(w, m, v, g []float32, a AdamW) {
	checkLen("AdamW", len(w), len(m), len(v), len(g))
	if len(w) == 0 {
		return
	}
	t := float64(a.Step)
	c := adamCoeffs{
		beta1: a.Beta1, oneMinus1: 1 - a.Beta1, beta2: a.Beta2, oneMinus2: 1 - a.Beta2,
		rate: a.LR / (1 - math.Pow(a.Beta1, t)), keep: 1 - a.LR*a.Decay, scale: a.GradScale,
		rsqrt2: float32(1 / math.Sqrt(1-math.Pow(a.Beta2, t))), eps: float32(a.Eps),
	}
	switch k.simd {
	case simd512:
		adamwAVX512(&w[0], &m[0], &v[0], &g[0], len(w), &c)
		return
	case simd256:
		adamwAVX2(&w[0], &m[0], &v[0], &g[0], len(w), &c)
		return
	}
	for i := range g {
		x := float64(g[i]) * c.scale
		first := float64(m[i])*c.beta1 + c.oneMinus1*x
		second := float64(v[i])*c.beta2 + c.oneMinus2*(x*x)
		m[i], v[i] = float32(first), float32(second)
		root := float32(math.Sqrt(float64(v[i])))
		w[i] = float32(float64(w[i])*c.keep - float64(float32(first*c.rate)/(root*c.rsqrt2+c.eps)))
	}
}
