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
	beta1, oneMinus1, beta2, oneMinus2, rate, rsqrt2, eps, keep, scale float32
}

// Update applies the step to the weights w with moments m and v and gradient g:
//
//	g *= scale; w *= 1 - lr*decay
//	m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g²
//	w -= lr/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps)
//
// g is not changed.
func (k *Kernels) Update(w, m, v, g []float32, a AdamW) {
	checkLen("AdamW", len(w), len(m), len(v), len(g))
	if len(w) == 0 {
		return
	}
	t := float64(a.Step)
	c := adamCoeffs{
		beta1: float32(a.Beta1), oneMinus1: float32(1 - a.Beta1),
		beta2: float32(a.Beta2), oneMinus2: float32(1 - a.Beta2),
		rate:   float32(a.LR / (1 - math.Pow(a.Beta1, t))),
		rsqrt2: float32(1 / math.Sqrt(1-math.Pow(a.Beta2, t))),
		eps:    float32(a.Eps),
		keep:   float32(1 - a.LR*a.Decay),
		scale:  float32(a.GradScale),
	}
	if k.asm {
		adamwAVX512(&w[0], &m[0], &v[0], &g[0], len(w), &c)
		return
	}
	for i, x := range g {
		x *= c.scale
		m[i] = m[i]*c.beta1 + c.oneMinus1*x
		v[i] = v[i]*c.beta2 + c.oneMinus2*(x*x)
		den := float32(math.Sqrt(float64(v[i])))*c.rsqrt2 + c.eps
		w[i] = w[i]*c.keep - m[i]*c.rate/den
	}
}
