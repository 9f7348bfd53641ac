package kernels

import (
	"fmt"
	"math"
)

// blockRows is how many rows attend together. It is a multiple of the tile height and
// has no influence on results.
const blockRows = 48

// Attend is attention of rows to prefixes of the keys, for the key/value heads [g0, g1).
// Row r of q [R, heads*Dim] sees the first ends[r] keys of kv; query head h uses
// key/value head h*kv.Heads/heads. q is already scaled by 1/sqrt(Dim). For each row and
// head
//
//	p[j] = exp(q·k[j]) / sum over i < ends[r] of exp(q·k[i]), dst = sum of p[j] v[j]
//
// A row that sees no key gets zeros. If lse [R, heads] is not nil it receives the
// logarithm of each denominator, which AttendGrad needs. q and dst have the type of kv.
// Nothing is written for other heads, so that threads may share the heads of one call.
func (k *Kernels) Attend(dst, q Rows, ends []int32, kv *KV, g0, g1 int, lse []float32, s *Scratch) {
	heads := checkAttend("Attend", dst, q, ends, kv, g0, g1)
	group := heads / kv.Heads
	if q.h == nil {
		k.attend(dst.Mat(), q.Mat(), ends, kv, g0*group, g1*group, lse, s)
		return
	}
	var in, res []float32
	out := NewMat(growFloats(&res, q.N*q.Cols), q.N, q.Cols)
	k.attend(out, k.widen(q, &in), ends, kv, g0*group, g1*group, lse, s)
	for r := range q.N {
		for c := g0 * group * kv.Dim; c < g1*group*kv.Dim; c++ {
			dst.row(r)[c] = toBF16(out.Row(r)[c])
		}
		if g1 == kv.Heads {
			clear(dst.row(r)[dst.Cols:])
		}
	}
}

func (k *Kernels) attend(dst, q Mat, ends []int32, kv *KV, h0, h1 int, lse []float32, s *Scratch) {
	heads := q.Cols / kv.Dim
	for r0 := 0; r0 < q.Rows; r0 += blockRows {
		rows := min(blockRows, q.Rows-r0)
		longest := longestEnd(ends[r0 : r0+rows])
		if longest == 0 {
			for r := r0; r < r0+rows; r++ {
				clear(dst.Row(r)[h0*kv.Dim : h1*kv.Dim])
			}
			continue
		}
		width := roundUp(longest, panelWidth)
		scores := NewMat(s.floats(rows*width), rows, width)
		for h := h0; h < h1; h++ {
			g := h * kv.Heads / heads
			k.scores(scores, q, r0, h, kv, g)
			for r := range rows {
				end := int(ends[r0+r])
				p := scores.Row(r)
				if end > 0 {
					m := k.Max(p[:end])
					sum := k.ExpSum(p[:end], p[:end], m)
					k.Scale(p[:end], 1/sum)
					if lse != nil {
						lse[(r0+r)*heads+h] = m + float32(math.Log(float64(sum)))
					}
				}
				clear(p[end:longest])
			}
			k.timesRows(headOf(dst, r0, rows, h, kv.Dim), scores.Data, width, 1, kv.values(g), kv.vdim, rows, longest, false)
		}
	}
}

// AttendGrad is the backward of Attend. From dout [R, heads*Dim], the forward's output
// out and lse, it writes dq [R, heads*Dim] and adds to dk and dv [kv.Len,
// kv.Heads*Dim]. Scores are computed again. dout, out and q have the type of kv.
func (k *Kernels) AttendGrad(dq, dk, dv Mat, dout, out, q Rows, ends []int32, kv *KV, lse []float32, s *Scratch) {
	checkAttend("AttendGrad", dout, q, ends, kv, 0, kv.Heads)
	checkAttend("AttendGrad", out, q, ends, kv, 0, kv.Heads)
	checkGrad(dq, dk, dv, q, kv, lse)
	if q.h == nil {
		k.attendGrad(dq, dk, dv, dout.Mat(), out.Mat(), q.Mat(), ends, kv, lse, s)
		return
	}
	var wideOut, wideQ []float32
	k.attendGrad(dq, dk, dv, k.widen(dout, &s.wideA), k.widen(out, &wideOut), k.widen(q, &wideQ), ends, kv, lse, s)
}

func (k *Kernels) attendGrad(dq, dk, dv, dout, out, q Mat, ends []int32, kv *KV, lse []float32, s *Scratch) {
	heads := q.Cols / kv.Dim
	dim, vdim := kv.Dim, kv.vdim
	keys := longestEnd(ends)
	width := roundUp(keys, panelWidth)
	// Scratch: probabilities and their gradients, the block's rows of one head padded
	// to whole panels, and one head's keys as rows and values as panels.
	buf := s.floats(2*blockRows*width + 2*blockRows*vdim + width*vdim + width*dim)
	take := func(n int) []float32 { f := buf[:n:n]; buf = buf[n:]; return f }
	pBuf, dpBuf := take(blockRows*width), take(blockRows*width)
	qBuf, doBuf := take(blockRows*vdim), take(blockRows*vdim)
	keyRows, valuePanels := take(width*vdim), take(width*dim)
	clear(qBuf)
	clear(doBuf)
	clear(keyRows)

	for h := range heads {
		g := h * kv.Heads / heads
		if h == 0 || g != (h-1)*kv.Heads/heads {
			transposeHead(kv, g, keys, keyRows, valuePanels)
		}
		for r0 := 0; r0 < q.Rows; r0 += blockRows {
			rows := min(blockRows, q.Rows-r0)
			longest := longestEnd(ends[r0 : r0+rows])
			if longest == 0 {
				for r := range rows {
					clear(headOf(dq, r0, rows, h, dim).Row(r))
				}
				continue
			}
			w := roundUp(longest, panelWidth)
			p, dp := NewMat(pBuf[:rows*w], rows, w), NewMat(dpBuf[:rows*w], rows, w)
			k.scores(p, q, r0, h, kv, g)
			for t := 0; t < w; t += panelWidth {
				k.panel(operands{
					a: ptr(dout.Data, r0*dout.Stride+h*dim), ars: dout.Stride, acs: 1,
					b: ptr(valuePanels, t*dim), brs: panelWidth,
					c: ptr(dp.Data, t), crs: w, m: rows, n: panelWidth, k: dim,
				})
			}
			for r := range rows {
				end := int(ends[r0+r])
				pr, dpr := p.Row(r), dp.Row(r)
				if end > 0 {
					do := dout.Row(r0 + r)[h*dim : (h+1)*dim]
					o := out.Row(r0 + r)[h*dim : (h+1)*dim]
					k.ExpSum(pr[:end], pr[:end], lse[(r0+r)*heads+h])
					k.softmaxGrad(dpr[:end], pr[:end], dpr[:end], k.Dot(do, o))
				}
				clear(pr[end:])
				clear(dpr[end:])
				copy(qBuf[r*vdim:], q.Row(r0 + r)[h*dim:(h+1)*dim])
				copy(doBuf[r*vdim:], dout.Row(r0 + r)[h*dim:(h+1)*dim])
			}
			k.timesRows(headOf(dq, r0, rows, h, dim), dp.Data, w, 1, keyRows, vdim, rows, longest, false)
			k.timesRows(headOf(dk, 0, longest, g, dim), dp.Data, 1, w, qBuf, vdim, longest, rows, true)
			k.timesRows(headOf(dv, 0, longest, g, dim), p.Data, 1, w, doBuf, vdim, longest, rows, true)
		}
	}
}

// scores computes s[r,j] = q[r0+r, head h] · key j, for whole panels of keys.
func (k *Kernels) scores(s, q Mat, r0, h int, kv *KV, g int) {
	for t := 0; t*panelWidth < s.Cols; t++ {
		k.panel(operands{
			a: ptr(q.Data, r0*q.Stride+h*kv.Dim), ars: q.Stride, acs: 1,
			b: ptr(kv.keys(g, t), 0), brs: panelWidth,
			c: ptr(s.Data, t*panelWidth), crs: s.Stride,
			m: s.Rows, n: panelWidth, k: kv.Dim,
		})
	}
}

// timesRows computes c (+)= a b for a [m, n] with the given strides and rows b of
// stride brs, which is a multiple of panelWidth.
func (k *Kernels) timesRows(c Mat, a []float32, ars, acs int, b []float32, brs, m, n int, acc bool) {
	for n0 := 0; n0 < c.Cols; n0 += panelWidth {
		k.panel(operands{
			a: ptr(a, 0), ars: ars, acs: acs,
			b: ptr(b, n0), brs: brs,
			c: ptr(c.Data, n0), crs: c.Stride,
			m: m, n: min(panelWidth, c.Cols-n0), k: n, acc: acc,
		})
	}
}

// transposeHead unpacks the first n keys of head g to rows [n][vdim] and packs its
// values to panels [n/32][Dim][32].
func transposeHead(kv *KV, g, n int, keyRows, valuePanels []float32) {
	clear(valuePanels)
	values := kv.values(g)
	for j := range n {
		panel := kv.keys(g, j/panelWidth)
		out := valuePanels[j/panelWidth*kv.Dim*panelWidth:]
		for d := range kv.Dim {
			keyRows[j*kv.vdim+d] = panel[d*panelWidth+j%panelWidth]
			out[d*panelWidth+j%panelWidth] = values[j*kv.vdim+d]
		}
	}
}

// headOf views the columns of head h in rows [r0, r0+rows) of m.
func headOf(m Mat, r0, rows, h, dim int) Mat {
	return Mat{m.Data[r0*m.Stride+h*dim : (r0+rows-1)*m.Stride+(h+1)*dim], rows, dim, m.Stride}
}

func longestEnd(ends []int32) int {
	longest := int32(0)
	for _, e := range ends {
		longest = max(longest, e)
	}
	return int(longest)
}

func checkAttend(op string, dst, q Rows, ends []int32, kv *KV, g0, g1 int) (heads int) {
	heads = q.Cols / kv.Dim
	if q.Cols%kv.Dim != 0 || heads%kv.Heads != 0 || dst.N != q.N || dst.Cols != q.Cols || len(ends) != q.N {
		panic(ShapeError{op, fmt.Sprintf("rows of a multiple of %d heads of %d", kv.Heads, kv.Dim),
			fmt.Sprintf("q %dx%d, dst %dx%d, %d ends", q.N, q.Cols, dst.N, dst.Cols, len(ends))})
	}
	if q.N > 0 && (q.Type() != kv.Type() || dst.Type() != kv.Type()) {
		panic(ShapeError{op, fmt.Sprintf("%s rows", kv.Type()), fmt.Sprintf("q of %s, dst of %s", q.Type(), dst.Type())})
	}
	if g0 < 0 || g0 > g1 || g1 > kv.Heads {
		panic(ShapeError{op, fmt.Sprintf("key/value heads in 0..%d", kv.Heads), fmt.Sprintf("%d to %d", g0, g1)})
	}
	for _, e := range ends {
		if e < 0 || int(e) > kv.Len {
			panic(ShapeError{op, fmt.Sprintf("ends in 0..%d", kv.Len), fmt.Sprint(e)})
		}
	}
	return heads
}

func checkGrad(dq, dk, dv Mat, q Rows, kv *KV, lse []float32) {
	dq.check("AttendGrad", "dq")
	dk.check("AttendGrad", "dk")
	dv.check("AttendGrad", "dv")
	width := kv.Heads * kv.Dim
	if dq.Rows != q.N || dq.Cols != q.Cols || dk.Rows != kv.Len || dk.Cols != width || dv.Rows != kv.Len || dv.Cols != width || len(lse) != q.N*q.Cols/kv.Dim {
		panic(ShapeError{"AttendGrad", fmt.Sprintf("dq %dx%d, dk and dv %dx%d, lse a row and head", q.N, q.Cols, kv.Len, width),
			fmt.Sprintf("dq %dx%d, dk %dx%d, dv %dx%d, lse %d", dq.Rows, dq.Cols, dk.Rows, dk.Cols, dv.Rows, dv.Cols, len(lse))})
	}
}
