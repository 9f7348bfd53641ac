package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func nans(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// What was in memory before, keys that were truncated included, has no influence.
func TestAttentionReadsNothingStale(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(15, 16))
		for _, typ := range rowTypes {
			for _, shape := range [][5]int{{4, 2, 20, 37, 53}, {2, 1, 64, 300, 5}, {2, 2, 32, 64, 1}} {
				c := newAttentionCase(rng, typ, shape[0], shape[1], shape[2], shape[3], shape[4])
				pass := func(kv *KV, s *Scratch) (Rows, attentionGrad) {
					out, lse := c.forward(k, kv, s)
					return out, c.backward(k, kv, out, lse, s)
				}
				out, want := pass(c.kv(k), &Scratch{})

				dirty := NewKV(typ, c.kvHeads, c.dim, 400)
				copy(dirty.k, nans(len(dirty.k)))
				copy(dirty.v, nans(len(dirty.v)))
				for _, h := range [][]uint16{dirty.kh, dirty.vh} {
					for i := range h {
						h[i] = 0x7fff
					}
				}
				w := c.kvHeads * c.dim
				fill := func(n int) { dirty.Append(k, NewMat(nans(n*w), n, w), NewMat(nans(n*w), n, w)) }
				fill(350)
				dirty.Truncate(0)
				dirty.Append(k, NewMat(c.k[:5*w], 5, w), NewMat(c.v[:5*w], 5, w))
				fill(3)
				dirty.Truncate(5)
				dirty.Append(k, NewMat(c.k[5*w:], c.keys-5, w), NewMat(c.v[5*w:], c.keys-5, w))
				s := &Scratch{buf: nans(1 << 19)}
				big := newAttentionCase(rng, typ, 4, 2, 128, 600, 200) // lets the scratch grow
				big.backward(k, big.kv(k), big.rows(k, big.q), make([]float32, 200*4), s)
				for _, truncated := range []bool{false, true} {
					if truncated {
						fill(7)
						dirty.Truncate(c.keys)
					}
					soil(s)
					gotOut, got := pass(dirty, s)
					name := fmt.Sprintf("%s, truncated %v: ", c, truncated)
					sameBits(t, name+"out", floats(gotOut), floats(out))
					sameBits(t, name+"dq", got.dq, want.dq)
					sameBits(t, name+"dk", got.dk, want.dk)
					sameBits(t, name+"dv", got.dv, want.dv)
				}
			}
		}
	})
}

// soil fills the attention's scratch with NaN.
func soil(s *Scratch) {
	l, g := &s.lanes, &s.lanes.grad
	for _, f := range [][]float32{s.buf, l.scores, l.out, l.turned, g.scores, g.dk, g.dv, g.dq} {
		copy(f, nans(len(f)))
	}
	for _, h := range [][]uint16{l.stack, l.queries, g.outStack, g.doStack, g.q, g.dout, g.qPairs, g.doutPairs, g.values, g.keys, g.pairs, g.dsPairs, g.p, g.ds} {
		for i := range h {
			h[i] = 0x7fff
		}
	}
	for i := range g.lanes {
		for j := range panelWidth {
			g.lanes[i].ends[j], g.lanes[i].lse[j], g.lanes[i].delta[j] = math.MaxInt32, float32(math.NaN()), float32(math.NaN())
		}
	}
}

// Keys that are appended one by one, or in any pieces, are stored as all at once.
func TestAppendInPieces(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(21, 16))
		for _, typ := range rowTypes {
			for _, dim := range []int{8, 32, 40, 64} {
				const heads, n = 3, 203
				w := heads * dim
				keys, values := NewMat(normal(rng, n*w), n, w), NewMat(normal(rng, n*w), n, w)
				whole, pieces, single := NewKV(typ, heads, dim, n), NewKV(typ, heads, dim, n), NewKV(typ, heads, dim, n)
				whole.Append(k, keys, values)
				for i := 0; i < n; {
					to := min(n, i+1+rng.IntN(70))
					pieces.Append(k, keys.RowsOf(i, to), values.RowsOf(i, to))
					i = to
				}
				for i := range n {
					single.Append(k, keys.RowsOf(i, i+1), values.RowsOf(i, i+1))
				}
				for _, other := range []*KV{pieces, single} {
					sameBits(t, "keys", other.k, whole.k)
					sameBits(t, "values", other.v, whole.v)
					for i := range whole.kh {
						if other.kh[i] != whole.kh[i] || other.vh[i] != whole.vh[i] {
							t.Fatalf("%s, heads of %d: element %d differs", typ, dim, i)
						}
					}
				}
			}
		}
	})
}

func TestKVBounds(t *testing.T) {
	for typ, bytes := range map[Type]int{Float32: 4 * (2*64*4 + 2*64*32), BF16: 2 * (2 * 2 * 64 * 32), Int8: 2 * (2 * 2 * 64 * 32)} {
		if kv := NewKV(typ, 2, 4, 33); kv.Cap() != 64 || kv.Len != 0 || kv.Bytes() != bytes || kv.Type() != typ.RowType() {
			t.Errorf("%s: capacity %d, %d keys, %d bytes of %s", typ, kv.Cap(), kv.Len, kv.Bytes(), kv.Type())
		}
	}
	kv := NewKV(Float32, 2, 4, 33)
	k := Best()
	mat := func(n, width int) Mat { return NewMat(make([]float32, n*width), n, width) }
	rows := func(n, width int) Rows { return FloatRows(mat(n, width)) }
	kv.Append(k, mat(60, 8), mat(60, 8))
	attend := func(n, width int, ends []int32, g0, g1 int) func() {
		return func() { k.Attend(rows(n, width), rows(n, width), ends, kv, g0, g1, nil, &Scratch{}) }
	}
	grad := func(dk, dv, lse int) func() {
		return func() {
			k.AttendGrad(mat(1, 8), mat(dk, 8), mat(dv, 8), rows(1, 8), rows(1, 8), rows(1, 8), []int32{1}, kv, make([]float32, lse), &Scratch{})
		}
	}
	for name, f := range map[string]func(){
		"too many keys":          func() { kv.Append(k, mat(5, 8), mat(5, 8)) },
		"keys of another width":  func() { kv.Append(k, mat(1, 7), mat(1, 8)) },
		"more keys than values":  func() { kv.Append(k, mat(2, 8), mat(1, 8)) },
		"forget what is not":     func() { kv.Truncate(61) },
		"forget less than none":  func() { kv.Truncate(-1) },
		"see beyond the keys":    attend(1, 8, []int32{61}, 0, 2),
		"heads that do not fit":  attend(1, 12, []int32{1}, 0, 2),
		"fewer ends than rows":   attend(2, 8, []int32{1}, 0, 2),
		"heads that are not":     attend(1, 8, []int32{1}, 1, 3),
		"rows of another type":   func() { k.Attend(NewRows(BF16, 1, 8), NewRows(BF16, 1, 8), []int32{1}, kv, 0, 2, nil, &Scratch{}) },
		"short lse":              func() { k.Attend(rows(1, 8), rows(1, 8), []int32{1}, kv, 0, 2, make([]float32, 1), &Scratch{}) },
		"fewer gradients":        grad(59, 60, 2),
		"more gradients":         grad(60, 61, 2),
		"gradient of short lse":  grad(60, 60, 1),
		"product of other sizes": func() { k.Mul(mat(2, 2), rows(2, 3), NewPanels(Float32, 4, 2), false, &Scratch{}) },
		"vectors of two lengths": func() { k.Dot(make([]float32, 2), make([]float32, 3)) },
	} {
		func() {
			defer func() {
				if _, ok := recover().(ShapeError); !ok {
					t.Errorf("%s: no ShapeError", name)
				}
			}()
			f()
		}()
	}
	// How bfloat16 is stored depends on tiles.
	narrow, portable := NewKV(BF16, 2, 4, 33), &Kernels{}
	narrow.Append(k, mat(5, 8), mat(5, 8))
	if k.tiles {
		func() {
			defer func() {
				if _, ok := recover().(ShapeError); !ok {
					t.Error("attention without tiles to keys that are stored for them: no ShapeError")
				}
			}()
			portable.Attend(NewRows(BF16, 1, 8), NewRows(BF16, 1, 8), []int32{1}, narrow, 0, 2, nil, &Scratch{})
		}()
	}
	kv.Truncate(60)
	if kv.Len != 60 {
		t.Errorf("%d keys after truncating to as many", kv.Len)
	}
}

func TestOpen(t *testing.T) {
	levels := Levels()
	if levels[len(levels)-1] != Portable || Best().Level() != levels[0] {
		t.Errorf("levels %v, best %s", levels, Best().Level())
	}
	for _, level := range levels {
		if k, err := Open(level); err != nil || k.Level() != level {
			t.Errorf("%s: %v", level, err)
		}
	}
	if _, err := Open("sse9"); err == nil {
		t.Error("a level that does not exist was opened")
	}
}
