package kernels

import "fmt"

// Attention is computed in blocks of keys with a running maximum and sum (Dao et al.
// 2022, FlashAttention; Milakov & Gimelshein 2018 for the softmax): memory does not
// grow with the number of keys. Blocks lie at fixed offsets, and one that a row does not
// see changes nothing in it (the maximum stays, earlier sums are multiplied by exactly
// 1, zeros are added), so that a row's bits depend on its own prefix alone.
//
// What is computed side by side is a *lane*: one row with one of the query heads that
// share a key/value head. Lane l of R rows and groups of G heads is head l%G of row l/G.
// A block of keys is read once for all of them.

// keyBlock is how many keys a softmax on tiles goes over before earlier sums are
// rescaled: with it, scores, weights, keys and values stay in the first-level cache. The
// last bits of results depend on it; BLOCKGROUPS in the assembly is keyBlock/32.
const keyBlock = 96

// gradKeys is how many keys the backward pass takes at a time, for all rows: they and
// their gradients stay in the second-level cache.
const gradKeys = 512

// Attend is attention of rows to prefixes of the keys, for the key/value heads [g0, g1).
// Row r of q [R, heads*Dim] sees the first ends[r] keys of kv; query head h uses
// key/value head h*kv.Heads/heads. q is already scaled by 1/sqrt(Dim). For each row and
// head
//
//	p[j] = exp(q·k[j]) / sum over i < ends[r] of exp(q·k[i]), dst = sum of p[j] v[j]
//
// A row that sees no key gets zeros. If lse [R, heads] is not nil it receives the
// logarithm of each denominator, which AttendGrad needs, for rows that see a key. q and
// dst have the type of kv. Nothing is written for other heads, so that threads may share
// the heads of one call.
func (k *Kernels) Attend(dst, q Rows, ends []int32, kv *KV, g0, g1 int, lse []float32, s *Scratch) {
	heads := checkAttend("Attend", dst, q, ends, kv, g0, g1)
	kv.check("Attend", k)
	if lse != nil {
		checkLen("Attend", q.N*heads, len(lse))
	}
	if kv.typ == BF16 && k.tiles {
		k.attendTiles(dst, q, ends, kv, g0, g1, lse, &s.lanes)
	} else {
		k.attendFloat(dst, q, ends, kv, g0, g1, lse, s)
	}
	if dst.h != nil && g1 == kv.Heads {
		for r := range dst.N {
			clear(dst.row(r)[dst.Cols:])
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
	kv.check("AttendGrad", k)
	if kv.typ == BF16 && k.tiles {
		k.attendGradTiles(dq, dk, dv, dout, out, q, ends, kv, lse, &s.lanes)
	} else {
		k.attendGradFloat(dq, dk, dv, dout, out, q, ends, kv, lse, s)
	}
}

// heads is how the lanes of one key/value head g lie in rows of all query heads.
type heads struct{ g, group, all, dim, width int }

func (kv *KV) heads(q Rows) heads {
	all := q.Cols / kv.Dim
	return heads{group: all / kv.Heads, all: all, dim: kv.Dim, width: kv.width}
}

// lane is the row and the query head of a lane.
type lane struct{ r, h, first, end int }

func (h heads) lane(l int) lane {
	return lane{l / h.group, h.g*h.group + l%h.group, h.g * h.group, (h.g + 1) * h.group}
}

func (l *lane) next() {
	if l.h++; l.h == l.end {
		l.r, l.h = l.r+1, l.first
	}
}

// seen fills what lanes [l0, l0+len(dst)) see of the keys from k0 on, and returns the
// least and the most.
func (h heads) seen(dst []int32, ends []int32, l0, k0 int) (shortest, longest int) {
	at := h.lane(l0)
	lo, hi := ends[at.r], ends[at.r]
	for i := range dst {
		end := ends[at.r]
		dst[i] = end - int32(k0)
		lo, hi = min(lo, end), max(hi, end)
		at.next()
	}
	return int(lo) - k0, int(hi) - k0
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
	if q.N > 0 && (q.Type() != kv.typ || dst.Type() != kv.typ) {
		panic(ShapeError{op, fmt.Sprintf("%s rows", kv.typ), fmt.Sprintf("q of %s, dst of %s", q.Type(), dst.Type())})
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
