package kernels

import (
	"math"
	"unsafe"
)

// Attention on tiles computes with the transposes, 32 lanes side by side, so that
// maximum, sum and mask of a lane are vertical: for width w, Dim rounded up to 32,
//
//	scores  [keys][32] = keys [keys][w] * queries [w/2][32][2]
//	weights [keys/2][32][2] bf16 = exp(scores - maximum), 0 where a lane does not see the key
//	out     [w][32] += values [keys/32][w][32] * weights
//
// The right operands are in pairs of inner indices, as tiles want them.

// laneState is what 32 lanes carry from one block of keys to the next.
type laneState struct {
	ends [panelWidth]int32   // keys seen
	most [panelWidth]float32 // largest score, in units of log 2
	sums [panelWidth]float32 // of weights
}

// nothingSeen is the largest score before the first key. It is finite, so that its
// difference to itself is zero.
const nothingSeen = -1e30

// laneOperands describes one call of attendLanesAMX, which reads it by offset and
// changes it.
type laneOperands struct {
	config   *tileConfig
	queries  unsafe.Pointer // [w/2][32][2]
	keys     unsafe.Pointer // [keys][w]
	values   unsafe.Pointer // [keys/32][w][32]
	out      unsafe.Pointer // [w][32], overwritten
	state    *laneState
	scores   unsafe.Pointer // [keyBlock][32], then weights in their place
	groups   int            // of 32 keys, at least 1
	shortest int            // keys that all lanes see
	steps    int            // w/32
	halves   int            // 1 for at most 16 lanes, else 2
}

// laneRows says where lanes lie in rows of heads. The assembly reads it by offset.
type laneRows struct {
	first unsafe.Pointer
	head  int // bytes from one head to the next
	next  int // bytes from the first head behind a row's group to the next row's first
	left  int // lanes in the first row
	group int // lanes in each further row
	lanes int // at least 1
	steps int // of 32 elements in a lane
	mask  uint32
}

// laneScratch is working memory of attention on tiles.
type laneScratch struct {
	op      laneOperands
	state   laneState
	rows    laneRows
	scale   [panelWidth]float32
	lse     [panelWidth]float32
	stack   []uint16  // [32][w] lanes as rows
	queries []uint16  // [w/2][32][2]
	scores  []float32 // [keyBlock][32]
	out     []float32 // [w][32]
	turned  []float32 // [32][w]
	grad    gradScratch
}

// rows describes lanes [l0, l0+n) in memory: elements of size bytes, rows stride elements
// apart.
func (h heads) rows(first unsafe.Pointer, size, stride, l0, n int) laneRows {
	r, i := l0/h.group, l0%h.group
	tail := h.dim - (h.width - panelWidth) // elements in the last step
	return laneRows{
		first: unsafe.Add(first, (r*stride+(h.g*h.group+i)*h.dim)*size),
		head:  h.dim * size, next: (stride - h.group*h.dim) * size,
		left: h.group - i, group: h.group,
		lanes: n, steps: h.width / panelWidth, mask: uint32(uint64(1)<<tail - 1),
	}
}

// gather copies lanes of x to rows dst [32][w], the rest of them zeros.
func (h heads) gather(dst []uint16, x Rows, l0, n int, rows *laneRows) {
	*rows = h.rows(ptr(x.h, 0), 2, x.stride, l0, n)
	gatherLanesAMX(&dst[0], rows)
	clear(dst[n*h.width : panelWidth*h.width])
}

// attendTiles is Attend in bfloat16 on tiles.
func (k *Kernels) attendTiles(dst, q Rows, ends []int32, kv *KV, g0, g1 int, lse []float32, s *laneScratch) {
	h := kv.heads(q)
	stack, queries := grow(&s.stack, panelWidth*h.width), grow(&s.queries, panelWidth*h.width)
	out, turned := grow(&s.out, panelWidth*h.width), grow(&s.turned, panelWidth*h.width)
	op := &s.op
	for h.g = g0; h.g < g1; h.g++ {
		for l0 := 0; l0 < q.N*h.group; l0 += panelWidth {
			n := min(panelWidth, q.N*h.group-l0)
			shortest, longest := h.seen(s.state.ends[:n], ends, l0, 0)
			if longest > 0 {
				h.gather(stack, q, l0, n, &s.rows)
				k.transposePairs(queries, 2*panelWidth, stack, h.width, panelWidth, h.width/2)
				for i := range s.state.most {
					s.state.most[i], s.state.sums[i] = nothingSeen, 0
				}
				*op = laneOperands{
					config: &k.config[panelWidth], queries: ptr(queries, 0), keys: ptr(kv.keyRows(h.g), 0),
					values: ptr(kv.valueBlock(h.g, 0), 0), out: ptr(out, 0), state: &s.state,
					scores: ptr(grow(&s.scores, keyBlock*panelWidth), 0),
					groups: (longest + 31) / 32, shortest: shortest, steps: h.width / 32, halves: (n + 15) / 16,
				}
				attendLanesAMX(op)
				transposeFloats(turned, h.width, out, panelWidth, h.width, panelWidth)
			}
			laneSumsAMX(&s.scale[0], &s.lse[0], &s.state)
			s.rows = h.rows(ptr(dst.h, 0), 2, dst.stride, l0, n)
			storeLanesAMX(&s.rows, &turned[0], &s.scale[0])
			if lse == nil {
				continue
			}
			at := h.lane(l0)
			for i, end := range s.state.ends[:n] {
				if end > 0 {
					lse[at.r*h.all+at.h] = s.lse[i]
				}
				at.next()
			}
		}
	}
}

// transposeFloats stores dst[j,i] = src[i,j] for n rows and m columns, multiples of 16.
func transposeFloats(dst []float32, dstStride int, src []float32, srcStride, n, m int) {
	_, _ = dst[(m-1)*dstStride+n-1], src[(n-1)*srcStride+m-1]
	for i := 0; i < n; i += 16 {
		for j := 0; j < m; j += 16 {
			transpose16AVX512(ptr(dst, j*dstStride+i), uintptr(dstStride)*4, ptr(src, i*srcStride+j), uintptr(srcStride)*4)
		}
	}
}

// gradPanels is how many panels of 32 lanes the backward pass takes together: the inner
// size of the products that sum over lanes.
const gradPanels = 4

// gradLanes is what 32 lanes bring to the backward pass.
type gradLanes struct {
	ends  [panelWidth]int32   // keys seen of this block
	lse   [panelWidth]float32 // in units of log 2
	delta [panelWidth]float32 // dout·out
}

// gradOperands describes one call of gradLanesAMX, which reads it by offset and changes
// it. For each 32 keys and panel of lanes, with the scores computed again as in the
// forward pass,
//
//	p  [keys][lanes] = exp(scores - lse)
//	ds [keys][lanes] = p (values dout - delta)
//
// and then dv += p dout, dk += ds q; at last dq [w][lanes] = keys as columns * ds.
type gradOperands struct {
	config     *tileConfig
	q, dout    unsafe.Pointer // [panels][w/2][32][2]
	qPairs     unsafe.Pointer // [w/32][panels*16][32][2], pairs of lanes
	doutPairs  unsafe.Pointer
	keys       unsafe.Pointer // [keys][w]
	values     unsafe.Pointer // [keys][w]
	dk, dv     unsafe.Pointer // [keys][w] float32
	dsPairs    unsafe.Pointer // [panels][gradKeys/2][32][2], pairs of keys
	dsStep     int            // bytes between its panels
	lanes      *[gradPanels]gradLanes
	longest    *[gradPanels]int // keys of this block that a panel sees
	scores     unsafe.Pointer   // [2][32][32] float32
	p, ds      unsafe.Pointer   // [32][panels*32]
	groups     int              // of 32 keys, at least 1
	panels     int              // at least 1
	steps      int              // w/32
	columns    unsafe.Pointer   // [w][keyStride]: keys as columns
	columnStep int              // bytes between its rows
	dq         unsafe.Pointer   // [panels][w][32] float32, of panels that see a key
	shortest   *[gradPanels]int // keys that all lanes of a panel see
}

// gradScratch is working memory of the backward pass on tiles.
type gradScratch struct {
	op                gradOperands
	lanes             [gradPanels]gradLanes
	longest, shortest [gradPanels]int
	outStack, doStack []uint16 // [32][w]
	q, dout           []uint16
	qPairs, doutPairs []uint16
	values            []uint16 // [gradKeys][w]
	keys              []uint16 // [w][gradKeys+32]: keys as columns
	pairs             []uint16 // [16][32][2]
	dsPairs           []uint16
	p, ds             []uint16
	scores            []float32
	dk, dv, dq        []float32
}

// keyStride is the distance between rows of keys as columns: no multiple of the
// first-level cache's sets.
const keyStride = gradKeys + panelWidth

// attendGradTiles is AttendGrad in bfloat16 on tiles: for blocks of keys, for panels of
// lanes in ascending order.
func (k *Kernels) attendGradTiles(dq, dk, dv Mat, dout, out, q Rows, ends []int32, kv *KV, lse []float32, s *laneScratch) {
	h := kv.heads(q)
	w, b := h.width, &s.grad
	sumK, sumV := grow(&b.dk, gradKeys*w), grow(&b.dv, gradKeys*w)
	keys := longestEnd(ends)
	for h.g = 0; h.g < kv.Heads; h.g++ {
		for k0 := 0; k0 == 0 || k0 < keys; k0 += gradKeys {
			n := min(gradKeys, keys-k0)
			k.turnKeys(kv, h.g, k0, n, b)
			clear(sumK[:roundUp(n, panelWidth)*w])
			clear(sumV[:roundUp(n, panelWidth)*w])
			for l0 := 0; l0 < q.N*h.group; l0 += gradPanels * panelWidth {
				lanes := min(gradPanels*panelWidth, q.N*h.group-l0)
				longest := k.loadGradLanes(h, dout, out, q, ends, lse, l0, lanes, k0, s)
				panels := (lanes + panelWidth - 1) / panelWidth
				if longest > 0 {
					b.op = gradOperands{
						config: &k.config[panelWidth], q: ptr(b.q, 0), dout: ptr(b.dout, 0), qPairs: ptr(b.qPairs, 0), doutPairs: ptr(b.doutPairs, 0),
						keys: ptr(kv.keyRows(h.g), k0*w), values: ptr(b.values, 0), dk: ptr(sumK, 0), dv: ptr(sumV, 0),
						dsPairs: ptr(grow(&b.dsPairs, gradPanels*gradKeys*panelWidth), 0), dsStep: gradKeys * panelWidth * 2,
						lanes: &b.lanes, longest: &b.longest, shortest: &b.shortest, scores: ptr(grow(&b.scores, 2*panelWidth*panelWidth), 0),
						p: ptr(grow(&b.p, gradPanels*panelWidth*panelWidth), 0), ds: ptr(grow(&b.ds, gradPanels*panelWidth*panelWidth), 0),
						groups: (longest + 31) / 32, panels: panels, steps: w / 32,
						columns: ptr(b.keys, 0), columnStep: 2 * keyStride, dq: ptr(grow(&b.dq, gradPanels*panelWidth*w), 0),
					}
					gradLanesAMX(&b.op)
				}
				for p := range panels {
					if b.longest[p] > 0 || k0 == 0 {
						storeQueryGrad(h, dq, l0+p*panelWidth, min(panelWidth, lanes-p*panelWidth), k0, p, s)
					}
				}
			}
			if n > 0 {
				one := heads{g: h.g, group: 1, dim: h.dim, width: w} // a key is a row with one lane a head
				for _, to := range []struct {
					grad Mat
					sums []float32
				}{{dk, sumK}, {dv, sumV}} {
					s.rows = one.rows(ptr(to.grad.Data, 0), 4, to.grad.Stride, k0, n)
					addLanesAMX(&s.rows, &to.sums[0], 1)
				}
			}
		}
	}
}

// turnKeys unpacks keys [k0, k0+n) as columns and their values as rows.
func (k *Kernels) turnKeys(kv *KV, g, k0, n int, b *gradScratch) {
	w := kv.width
	values, keys, pairs := grow(&b.values, gradKeys*w), grow(&b.keys, keyStride*w), grow(&b.pairs, panelWidth*panelWidth)
	for j := 0; j < n; j += panelWidth {
		block, rows := kv.valueBlock(g, (k0+j)/panelWidth), kv.keyRows(g)[(k0+j)*w:]
		for c := 0; c < w; c += panelWidth {
			k.pairs(pairs, block[c*panelWidth:], panelWidth, panelWidth)
			k.transposePairs(values[j*w+c:], w, pairs, 2*panelWidth, panelWidth/2, panelWidth)
			k.pairs(pairs, rows[c:], w, panelWidth)
			k.transposePairs(keys[c*keyStride+j:], keyStride, pairs, 2*panelWidth, panelWidth/2, panelWidth)
		}
	}
}

// loadGradLanes prepares up to gradPanels panels of lanes from l0 on and returns the most
// keys of the block at k0 that one of them sees.
func (k *Kernels) loadGradLanes(h heads, dout, out, q Rows, ends []int32, lse []float32, l0, lanes, k0 int, s *laneScratch) int {
	w, b := h.width, &s.grad
	size := panelWidth * w
	panels := (lanes + panelWidth - 1) / panelWidth
	stack, outStack, doStack := grow(&s.stack, size), grow(&b.outStack, size), grow(&b.doStack, size)
	qs, douts := grow(&b.q, gradPanels*size), grow(&b.dout, gradPanels*size)
	qPairs, doutPairs := grow(&b.qPairs, gradPanels*size), grow(&b.doutPairs, gradPanels*size)
	most := 0
	for p := range panels {
		first, n := l0+p*panelWidth, min(panelWidth, lanes-p*panelWidth)
		x := &b.lanes[p]
		clear(x.ends[n:])
		shortest, longest := h.seen(x.ends[:n], ends, first, k0)
		if n < panelWidth {
			shortest = 0
		}
		b.shortest[p] = shortest
		b.longest[p] = min(max(longest, 0), gradKeys)
		most = max(most, b.longest[p])
		h.gather(stack, q, first, n, &s.rows)
		h.gather(outStack, out, first, n, &s.rows)
		h.gather(doStack, dout, first, n, &s.rows)
		dotLanesAMX(&x.delta[0], &outStack[0], &doStack[0], panelWidth, w/panelWidth)
		at := h.lane(first)
		for i := range n {
			x.lse[i] = lse[at.r*h.all+at.h] * math.Log2E
			at.next()
		}
		k.transposePairs(qs[p*size:], 2*panelWidth, stack, w, panelWidth, w/2)
		k.transposePairs(douts[p*size:], 2*panelWidth, doStack, w, panelWidth, w/2)
		for c := 0; c < w; c += panelWidth {
			at := (c/panelWidth*panels + p) * panelWidth * panelWidth
			k.pairs(qPairs[at:], stack[c:], w, panelWidth)
			k.pairs(doutPairs[at:], doStack[c:], w, panelWidth)
		}
	}
	return most
}

// storeQueryGrad stores the dq of panel p, or adds it for a later block of keys.
func storeQueryGrad(h heads, dq Mat, l0, n, k0, p int, s *laneScratch) {
	w, b := h.width, &s.grad
	turned := grow(&s.turned, panelWidth*w)
	if b.longest[p] == 0 {
		clear(turned)
	} else {
		transposeFloats(turned, w, b.dq[p*panelWidth*w:], panelWidth, w, panelWidth)
	}
	s.rows = h.rows(ptr(dq.Data, 0), 4, dq.Stride, l0, n)
	acc := 0
	if k0 > 0 {
		acc = 1
	}
	addLanesAMX(&s.rows, &turned[0], acc)
}
