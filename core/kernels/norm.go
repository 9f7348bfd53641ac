package kernels

import "math"

// RMSNorm computes, for every row of x [R, H],
//
//	dst[r,i] = x[r,i] * weight[i] * rstd[r], rstd[r] = 1/sqrt(mean(x[r]²) + eps)
//
// and keeps rstd [R] for the backward (Zhang and Sennrich 2019). dst may be x.
func (k *Kernels) RMSNorm(dst Rows, x Mat, weight, rstd []float32, eps float32) {
	checkLen("RMSNorm", x.Rows, len(rstd))
	for r := range x.Rows {
		row := x.Row(r)
		rstd[r] = float32(1 / math.Sqrt(float64(k.Dot(row, row))/float64(x.Cols)+float64(eps)))
	}
	k.RMSNormApply(dst, x, weight, rstd)
}

// RMSNormApply recomputes the output of RMSNorm from the rstd it kept.
func (k *Kernels) RMSNormApply(dst Rows, x Mat, weight, rstd []float32) {
	dst.check("RMSNormApply", x.Rows, x.Cols)
	checkLen("RMSNormApply", x.Rows, len(rstd))
	for r := range x.Rows {
		if dst.h != nil {
			k.scaleMulBF16(dst.row(r), x.Row(r), weight, rstd[r])
		} else {
			k.ScaleMul(dst.f[r*dst.stride:][:dst.Cols], x.Row(r), weight, rstd[r])
		}
	}
}

// RMSNormGrad is the backward of RMSNorm. From dy [R, H] it adds to dx [R, H] and to
// dweight [H]:
//
//	dx[r,i]    += rstd*w[i]*dy[r,i] - x[r,i] * rstd³/H * sum_j(w[j]*dy[r,j]*x[r,j])
//	dweight[i] += dy[r,i] * x[r,i] * rstd
//
// dy is overwritten.
func (k *Kernels) RMSNormGrad(dx, dy, x Mat, weight, rstd, dweight []float32) {
	checkLen("RMSNormGrad", x.Rows, dx.Rows, dy.Rows, len(rstd))
	checkLen("RMSNormGrad", x.Cols, dx.Cols, dy.Cols, len(weight), len(dweight))
	for r := range x.Rows {
		xr, dyr, dxr, s := x.Row(r), dy.Row(r), dx.Row(r), rstd[r]
		k.MulAdd(dweight, dyr, xr, s)
		k.ScaleMul(dyr, dyr, weight, 1)
		t := k.Dot(dyr, xr)
		k.Axpy(dxr, dyr, s)
		k.Axpy(dxr, xr, -s*s*s*t/float32(x.Cols))
	}
}
