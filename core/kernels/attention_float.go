package kernels

import "math"

// blockLanes is how many lanes attend together in float32. It is a multiple of the tile
// heights and has no influence on results.
const blockLanes = 48

// floatBlock is keyBlock for float32, where a block costs a call of each vector kernel.
const floatBlock = 256

// attendFloat is Attend in float32; bfloat16 is widened on the way.
func (k *Kernels) attendFloat(dst, q Rows, ends []int32, kv *KV, g0, g1 int, lse []float32, s *Scratch) {
	h := kv.heads(q)
	dim, width := h.dim, h.width
	buf := s.floats(blockLanes*(dim+floatBlock+width) + floatBlock*width)
	take := func(n int) []float32 { f := buf[:n:n]; buf = buf[n:]; return f }
	lanes, scores, out := take(blockLanes*dim), take(blockLanes*floatBlock), take(blockLanes*width)
	wide := take(floatBlock * width)
	var ends32 [blockLanes]int32
	var most, sums [blockLanes]float32
	for h.g = g0; h.g < g1; h.g++ {
		for l0 := 0; l0 < q.N*h.group; l0 += blockLanes {
			n := min(blockLanes, q.N*h.group-l0)
			_, longest := h.seen(ends32[:n], ends, l0, 0)
			h.load(k, lanes, dim, q, l0, n)
			for k0 := 0; k0 < longest; k0 += floatBlock {
				keys := min(floatBlock, longest-k0)
				k.scores(scores, floatBlock, lanes, dim, kv, h.g, k0, keys, n, wide)
				for i := range n {
					p := scores[i*floatBlock : i*floatBlock+keys]
					end := min(max(int(ends32[i])-k0, 0), keys)
					clear(p[end:])
					if end == 0 {
						continue
					}
					m := k.Max(p[:end])
					if k0 == 0 {
						most[i], sums[i] = m, k.ExpSum(p[:end], p[:end], m)
						continue
					}
					if m > most[i] {
						f := float32(math.Exp(float64(most[i] - m)))
						k.Scale(out[i*width:i*width+dim], f)
						most[i], sums[i] = m, sums[i]*f
					}
					sums[i] += k.ExpSum(p[:end], p[:end], most[i])
				}
				k.timesRows(NewMat(out, blockLanes, width).ColsOf(0, dim), scores, floatBlock, 1, kv.floatValues(k, h.g, k0, keys, wide), n, keys, k0 > 0)
			}
			at := h.lane(l0)
			for i := range n {
				row := out[i*width : i*width+dim]
				if ends32[i] == 0 {
					clear(row)
				} else {
					k.Scale(row, 1/sums[i])
					if lse != nil {
						lse[at.r*h.all+at.h] = most[i] + float32(math.Log(float64(sums[i])))
					}
				}
				at.next()
			}
			h.store(k, dst, out, width, l0, n)
		}
	}
}

// attendGradFloat is AttendGrad in float32.
func (k *Kernels) attendGradFloat(dq, dk, dv Mat, dout, out, q Rows, ends []int32, kv *KV, lse []float32, s *Scratch) {
	h := kv.heads(q)
	dim, width := h.dim, h.width
	// Scratch: probabilities and their gradients, the lanes padded to whole panels, and
	// one head's keys as rows and values as panels.
	buf := s.floats(2*blockLanes*gradKeys + 4*blockLanes*width + 3*gradKeys*width)
	take := func(n int) []float32 { f := buf[:n:n]; buf = buf[n:]; return f }
	p, dp := take(blockLanes*gradKeys), take(blockLanes*gradKeys)
	ql, dol, ol, dql := take(blockLanes*width), take(blockLanes*width), take(blockLanes*width), take(blockLanes*width)
	keyRows, valuePanels, wide := take(gradKeys*width), take(gradKeys*width), take(gradKeys*width)
	var ends32 [blockLanes]int32
	keys := longestEnd(ends)
	for h.g = range kv.Heads {
		for k0 := 0; k0 == 0 || k0 < keys; k0 += gradKeys {
			kv.turn(k, h.g, k0, min(gradKeys, keys-k0), keyRows, valuePanels, wide)
			for l0 := 0; l0 < q.N*h.group; l0 += blockLanes {
				n := min(blockLanes, q.N*h.group-l0)
				_, longest := h.seen(ends32[:n], ends, l0, k0)
				if longest <= 0 {
					if k0 == 0 {
						clear(dql)
						h.add(dq, dql, width, l0, n, false)
					}
					continue
				}
				longest = min(longest, gradKeys)
				h.load(k, ql, width, q, l0, n)
				h.load(k, dol, width, dout, l0, n)
				h.load(k, ol, width, out, l0, n)
				k.scores(p, gradKeys, ql, width, kv, h.g, k0, longest, n, wide)
				for t := 0; t < longest; t += panelWidth {
					k.panel(operands{
						a: ptr(dol, 0), ars: width, acs: 1,
						b: ptr(valuePanels, t*dim), brs: panelWidth,
						c: ptr(dp, t), crs: gradKeys, m: n, n: panelWidth, k: dim,
					})
				}
				at := h.lane(l0)
				for i := range n {
					pi, dpi := p[i*gradKeys:i*gradKeys+longest], dp[i*gradKeys:i*gradKeys+longest]
					end := min(max(int(ends32[i]), 0), longest)
					if end > 0 {
						delta := k.Dot(dol[i*width:i*width+dim], ol[i*width:i*width+dim])
						k.ExpSum(pi[:end], pi[:end], lse[at.r*h.all+at.h])
						k.softmaxGrad(dpi[:end], pi[:end], dpi[:end], delta)
					}
					clear(pi[end:])
					clear(dpi[end:])
					at.next()
				}
				k.timesRows(NewMat(dql, blockLanes, width).ColsOf(0, dim), dp, gradKeys, 1, rowsOfFloats(keyRows, width), n, longest, false)
				h.add(dq, dql, width, l0, n, k0 > 0)
				to := func(m Mat) Mat { return m.RowsOf(k0, k0+longest).ColsOf(h.g*dim, (h.g+1)*dim) }
				k.timesRows(to(dk), dp, 1, gradKeys, rowsOfFloats(ql, width), longest, n, true)
				k.timesRows(to(dv), p, 1, gradKeys, rowsOfFloats(dol, width), longest, n, true)
			}
		}
	}
}

// scores computes s[i,j] = lane i · key k0+j for n lanes and the given number of keys,
// rounded up to whole panels; rows of s and lanes are sStride and stride apart.
func (k *Kernels) scores(s []float32, sStride int, lanes []float32, stride int, kv *KV, g, k0, keys, n int, wide []float32) {
	for t := 0; t < keys; t += panelWidth {
		k.panel(operands{
			a: ptr(lanes, 0), ars: stride, acs: 1,
			b: ptr(kv.floatPanel(k, g, (k0+t)/panelWidth, wide), 0), brs: panelWidth,
			c: ptr(s, t), crs: sStride, m: n, n: panelWidth, k: kv.Dim,
		})
	}
}

// columns are the rows of a right operand, 32 columns of which lie at data[c/32*next:],
// stride apart.
type columns struct {
	data         []float32
	stride, next int
}

func rowsOfFloats(data []float32, width int) columns { return columns{data, width, panelWidth} }

// timesRows computes c[:m] (+)= a b for a [m, n] with the given strides.
func (k *Kernels) timesRows(c Mat, a []float32, ars, acs int, b columns, m, n int, acc bool) {
	for n0 := 0; n0 < c.Cols; n0 += panelWidth {
		k.panel(operands{
			a: ptr(a, 0), ars: ars, acs: acs,
			b: ptr(b.data, n0/panelWidth*b.next), brs: b.stride,
			c: ptr(c.Data, n0), crs: c.Stride,
			m: m, n: min(panelWidth, c.Cols-n0), k: n, acc: acc,
		})
	}
}

// floatPanel is keyPanel for both types; buf [width][32] is used for bfloat16.
func (kv *KV) floatPanel(k *Kernels, g, t int, buf []float32) []float32 {
	if kv.typ == Float32 {
		return kv.keyPanel(g, t)
	}
	k.widenPairs(buf, kv.keyPairs(g, t), kv.width)
	return buf
}

// floatValues returns the values of keys [k0, k0+n) for both types; buf, room for n keys
// and one more, is used for bfloat16. k0 is even.
func (kv *KV) floatValues(k *Kernels, g, k0, n int, buf []float32) columns {
	if kv.typ == Float32 {
		return rowsOfFloats(kv.valueRows(g)[k0*kv.width:], kv.width)
	}
	n = roundUp(n, 2)
	for c := 0; c < kv.width; c += panelWidth {
		k.widenPairs(buf[c*n:], kv.valuePairs(g, c)[k0*panelWidth:], n)
	}
	return columns{buf, panelWidth, n * panelWidth}
}

// turn unpacks keys [k0, k0+n) of head g to rows [n][width] and packs their values to
// panels [n/32][Dim][32].
func (kv *KV) turn(k *Kernels, g, k0, n int, keyRows, valuePanels, wide []float32) {
	clear(keyRows)
	clear(valuePanels)
	for t := 0; t < n; t += panelWidth {
		panel := kv.floatPanel(k, g, (k0+t)/panelWidth, wide)
		for j := range min(panelWidth, n-t) {
			for d := range kv.Dim {
				keyRows[(t+j)*kv.width+d] = panel[d*panelWidth+j]
			}
		}
	}
	if n <= 0 {
		return
	}
	values := kv.floatValues(k, g, k0, n, wide)
	for j := range n {
		panel := valuePanels[j/panelWidth*kv.Dim*panelWidth:]
		for d := range kv.Dim {
			panel[d*panelWidth+j%panelWidth] = values.data[d/panelWidth*values.next+j*values.stride+d%panelWidth]
		}
	}
}

// load copies lanes [l0, l0+n) of src to rows dst, stride apart; what lies between their
// elements and stride becomes zero.
func (h heads) load(k *Kernels, dst []float32, stride int, src Rows, l0, n int) {
	at := h.lane(l0)
	for i := range n {
		from, lane := at.r*src.stride+at.h*h.dim, dst[i*stride:(i+1)*stride]
		if src.h == nil {
			copy(lane, src.f[from:from+h.dim])
		} else {
			k.fromBF16Row(lane[:h.dim], src.h[from:])
		}
		clear(lane[h.dim:])
		at.next()
	}
}

// store is the reverse of load.
func (h heads) store(k *Kernels, dst Rows, src []float32, stride, l0, n int) {
	at := h.lane(l0)
	for i := range n {
		to, lane := at.r*dst.stride+at.h*h.dim, src[i*stride:i*stride+h.dim]
		switch {
		case dst.h == nil:
			copy(dst.f[to:], lane)
		case h.dim == h.width:
			k.toBF16Row(dst.h[to:to+h.dim], lane)
		default: // what follows belongs to others
			for d, x := range lane {
				dst.h[to+d] = toBF16(x)
			}
		}
		at.next()
	}
}

// add stores lanes in float32, or adds them if acc.
func (h heads) add(dst Mat, src []float32, stride, l0, n int, acc bool) {
	at := h.lane(l0)
	for i := range n {
		to, lane := dst.Row(at.r)[at.h*h.dim:(at.h+1)*h.dim], src[i*stride:i*stride+h.dim]
		if acc {
			for d, x := range lane {
				to[d] += x
			}
		} else {
			copy(to, lane)
		}
		at.next()
	}
}
