package kernels

import (
	"fmt"
	"math"
)

// blockRows is how many rows attend together. It is a multiple of the tile height and
// has no influence on results.
const blockRows = 48

// Scratch is working memory of the attention kernels, owned by one goroutine.
type Scratch struct{ buf []float32 }

func (s *Scratch) floats(n int) []float32 {
	if len(s.buf) < n {
		s.buf = Aligned(n)
	}
	return s.buf[:n]
}

// Attend is attention of rows to prefixes of the keys. Row r of q [R, heads*Dim] sees
// the first ends[r] keys of kv; query head h uses key/value head h*kv.Heads/heads. q
// is already scaled by 1/sqrt(Dim). For each row and head
//
//	p[j] = exp(q·k[j]) / sum over i < ends[r] of exp(q·k[i]), dst = sum of p[j] v[j]
//
// A row that sees no key gets zeros. If lse [R, heads] is not nil it receives the
// logarithm of each denominator, which AttendGrad needs.
//
// Scores of a block of rows are held whole (blockRows x longest prefix floats); the
// softmax of a row depends on its prefix alone.
func (k *Kernels) Attend(dst, q Mat, ends []int32, kv *KV, lse []float32, s *Scratch) {
	heads := checkAttend("Attend", dst, q, ends, kv)
	for r0 := 0; r0 < q.Rows; r0 += blockRows {
		rows := min(blockRows, q.Rows-r0)
		longest := longestEnd(ends[r0 : r0+rows])
		if longest == 0 {
			for r := r0; r < r0+rows; r++ {
				clear(dst.Row(r))
			}
			continue
		}
		width := roundUp(longest, panelWidth)
		scores := NewMat(s.floats(rows*width), rows, width)
		for h := range heads {
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
// kv.Heads*Dim]. Scores are computed again.
func (k *Kernels) AttendGrad(dq, dk, dv, dout, out, q Mat, ends []int32, kv *KV, lse []float32, s *Scratch) {
	heads := checkAttend("AttendGrad", dq, q, ends, kv)
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

func checkAttend(op string, dst, q Mat, ends []int32, kv *KV) (heads int) {
	heads = q.Cols / kv.Dim
	if q.Cols%kv.Dim != 0 || heads%kv.Heads != 0 || dst.Rows != q.Rows || dst.Cols != q.Cols || len(ends) != q.Rows {
		panic(ShapeError{op, fmt.Sprintf("rows of a multiple of %d heads of %d", kv.Heads, kv.Dim),
			fmt.Sprintf("q %dx%d, dst %dx%d, %d ends", q.Rows, q.Cols, dst.Rows, dst.Cols, len(ends))})
	}
	for _, e := range ends {
		if e < 0 || int(e) > kv.Len {
			panic(ShapeError{op, fmt.Sprintf("ends in 0..%d", kv.Len), fmt.Sprint(e)})
		}
	}
	return heads
}
