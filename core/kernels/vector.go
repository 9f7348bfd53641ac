package kernels

import "math"

// The vector kernels. Each one's comment is the loop it computes; the portable twin
// is that loop.

// Max returns the largest element of x, which must not be empty. The result is
// undefined if x holds a NaN.
func (k *Kernels) Max(x []float32) float32 {
	switch k.simd {
	case simd512:
		return maxAVX512(&x[0], len(x))
	case simd256:
		return maxAVX2(&x[0], len(x))
	}
	m := x[0]
	for _, v := range x[1:] {
		m = max(m, v)
	}
	return m
}

// ExpSum stores dst[i] = exp(x[i] - shift) and returns the sum. dst may be x.
func (k *Kernels) ExpSum(dst, x []float32, shift float32) float32 {
	checkLen("ExpSum", len(dst), len(x))
	if len(x) == 0 {
		return 0
	}
	switch k.simd {
	case simd512:
		return expSumAVX512(&dst[0], &x[0], len(x), shift)
	case simd256:
		return expSumAVX2(&dst[0], &x[0], len(x), shift)
	}
	var sum float32
	for i, v := range x {
		e := float32(math.Exp(float64(v - shift)))
		dst[i] = e
		sum += e
	}
	return sum
}

// Dot returns the sum of x[i] * y[i].
func (k *Kernels) Dot(x, y []float32) float32 {
	checkLen("Dot", len(x), len(y))
	if len(x) == 0 {
		return 0
	}
	switch k.simd {
	case simd512:
		return dotAVX512(&x[0], &y[0], len(x))
	case simd256:
		return dotAVX2(&x[0], &y[0], len(x))
	}
	var sum float32
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// Axpy computes dst[i] += alpha * x[i].
func (k *Kernels) Axpy(dst, x []float32, alpha float32) {
	checkLen("Axpy", len(dst), len(x))
	if len(x) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		axpyAVX512(&dst[0], &x[0], len(x), alpha)
		return
	case simd256:
		axpyAVX2(&dst[0], &x[0], len(x), alpha)
		return
	}
	for i, v := range x {
		dst[i] += alpha * v
	}
}

// ScaleMul computes dst[i] = x[i] * s * w[i]. dst may be x or w.
func (k *Kernels) ScaleMul(dst, x, w []float32, s float32) {
	checkLen("ScaleMul", len(dst), len(x), len(w))
	if len(x) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		scaleMulAVX512(&dst[0], &x[0], &w[0], len(x), s)
		return
	case simd256:
		scaleMulAVX2(&dst[0], &x[0], &w[0], len(x), s)
		return
	}
	for i, v := range x {
		dst[i] = v * s * w[i]
	}
}

// MulAdd computes dst[i] += x[i] * s * y[i].
func (k *Kernels) MulAdd(dst, x, y []float32, s float32) {
	checkLen("MulAdd", len(dst), len(x), len(y))
	if len(x) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		mulAddAVX512(&dst[0], &x[0], &y[0], len(x), s)
		return
	case simd256:
		mulAddAVX2(&dst[0], &x[0], &y[0], len(x), s)
		return
	}
	for i, v := range x {
		dst[i] += v * s * y[i]
	}
}

// Scale computes x[i] *= s.
func (k *Kernels) Scale(x []float32, s float32) {
	if len(x) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		scaleAVX512(&x[0], len(x), s)
		return
	case simd256:
		scaleAVX2(&x[0], len(x), s)
		return
	}
	for i := range x {
		x[i] *= s
	}
}

// SiLUMul computes dst[i] = silu(gate[i]) * up[i], silu(g) = g / (1 + exp(-g)).
// dst may be gate or up.
func (k *Kernels) SiLUMul(dst, gate, up []float32) {
	checkLen("SiLUMul", len(dst), len(gate), len(up))
	if len(dst) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		siluMulAVX512(&dst[0], &gate[0], &up[0], len(dst))
		return
	case simd256:
		siluMulAVX2(&dst[0], &gate[0], &up[0], len(dst))
		return
	}
	for i, g := range gate {
		dst[i] = g / (1 + float32(math.Exp(float64(-g)))) * up[i]
	}
}

// SiLUMulGrad is the backward of SiLUMul: from dout it computes
//
//	dup[i]   = dout[i] * silu(gate[i])
//	dgate[i] = dout[i] * up[i] * s * (1 + gate[i]*(1-s)), s = 1/(1 + exp(-gate[i]))
//
// dgate may be gate or dout, dup may be up.
func (k *Kernels) SiLUMulGrad(dgate, dup, gate, up, dout []float32) {
	checkLen("SiLUMulGrad", len(dgate), len(dup), len(gate), len(up), len(dout))
	if len(dout) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		siluMulGradAVX512(&dgate[0], &dup[0], &gate[0], &up[0], &dout[0], len(dout))
		return
	case simd256:
		siluMulGradAVX2(&dgate[0], &dup[0], &gate[0], &up[0], &dout[0], len(dout))
		return
	}
	for i, d := range dout {
		g, u := gate[i], up[i]
		s := 1 / (1 + float32(math.Exp(float64(-g))))
		dup[i] = d * (g * s)
		dgate[i] = d * u * (s * (1 + g*(1-s)))
	}
}

// softmaxGrad computes ds[i] = p[i] * (dp[i] - delta). ds may be dp.
func (k *Kernels) softmaxGrad(ds, p, dp []float32, delta float32) {
	checkLen("softmaxGrad", len(ds), len(p), len(dp))
	if len(ds) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		softmaxGradAVX512(&ds[0], &p[0], &dp[0], len(ds), delta)
		return
	case simd256:
		softmaxGradAVX2(&ds[0], &p[0], &dp[0], len(ds), delta)
		return
	}
	for i, v := range dp {
		ds[i] = p[i] * (v - delta)
	}
}

// Rotate turns the pairs (a[i], b[i]) in place by the angles whose cosine and sine are
// given, forward for sign 1, backward for sign -1 (RoPE, Su et al. 2021, and its
// transpose):
//
//	a[i], b[i] = a[i]*cos[i] - b[i]*sin[i]*sign, b[i]*cos[i] + a[i]*sin[i]*sign
func (k *Kernels) Rotate(a, b, cos, sin []float32, sign float32) {
	checkLen("Rotate", len(a), len(b), len(cos), len(sin))
	if len(a) == 0 {
		return
	}
	switch k.simd {
	case simd512:
		rotateAVX512(&a[0], &b[0], &cos[0], &sin[0], len(a), sign)
		return
	case simd256:
		rotateAVX2(&a[0], &b[0], &cos[0], &sin[0], len(a), sign)
		return
	}
	for i, x := range a {
		y, c, s := b[i], cos[i], sin[i]*sign
		a[i] = x*c - y*s
		b[i] = y*c + x*s
	}
}
