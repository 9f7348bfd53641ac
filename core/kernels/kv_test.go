package kernels

import (
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
		const heads, kvHeads, dim, keys, rows = 4, 2, 20, 37, 53
		c := newAttentionCase(rng, heads, kvHeads, dim, keys, rows)
		dout := normal(rng, len(c.q))
		type result struct{ out, lse, dq, dk, dv []float32 }
		pass := func(kv *KV, s *Scratch) result {
			r := result{nans(len(c.q)), make([]float32, rows*heads), nans(len(c.q)), make([]float32, len(c.k)), make([]float32, len(c.v))}
			mat := func(x []float32) Mat { return NewMat(x, rows, heads*dim) }
			kmat := func(x []float32) Mat { return NewMat(x, keys, kvHeads*dim) }
			k.Attend(FloatRows(mat(r.out)), FloatRows(mat(c.q)), c.ends, kv, 0, kv.Heads, r.lse, s)
			k.AttendGrad(mat(r.dq), kmat(r.dk), kmat(r.dv), FloatRows(mat(dout)), FloatRows(mat(r.out)), FloatRows(mat(c.q)), c.ends, kv, r.lse, s)
			return r
		}
		want := pass(c.kv(), &Scratch{})

		dirty := NewKV(Float32, kvHeads, dim, 200)
		copy(dirty.k, nans(len(dirty.k)))
		copy(dirty.v, nans(len(dirty.v)))
		junk := nans(150 * kvHeads * dim)
		dirty.Append(Best(), NewMat(junk, 150, kvHeads*dim), NewMat(junk, 150, kvHeads*dim))
		dirty.Truncate(0)
		dirty.Append(Best(), NewMat(c.k, keys, kvHeads*dim), NewMat(c.v, keys, kvHeads*dim))
		got := pass(dirty, &Scratch{buf: nans(1 << 17)})
		sameBits(t, "out", got.out, want.out)
		sameBits(t, "dq", got.dq, want.dq)
		sameBits(t, "dk", got.dk, want.dk)
		sameBits(t, "dv", got.dv, want.dv)
	})
}

func TestKVBounds(t *testing.T) {
	kv := NewKV(Float32, 2, 4, 33)
	if kv.Cap() != 64 || kv.Len != 0 || kv.Bytes() != 4*(2*64*4+2*64*32) {
		t.Errorf("capacity %d, %d keys, %d bytes", kv.Cap(), kv.Len, kv.Bytes())
	}
	rows := func(n, width int) Mat { return NewMat(make([]float32, n*width), n, width) }
	kv.Append(Best(), rows(60, 8), rows(60, 8))
	for name, f := range map[string]func(){
		"too many keys":         func() { kv.Append(Best(), rows(5, 8), rows(5, 8)) },
		"keys of another width": func() { kv.Append(Best(), rows(1, 7), rows(1, 8)) },
		"more keys than values": func() { kv.Append(Best(), rows(2, 8), rows(1, 8)) },
		"forget what is not":    func() { kv.Truncate(61) },
		"forget less than none": func() { kv.Truncate(-1) },
		"see beyond the keys": func() {
			Best().Attend(FloatRows(rows(1, 8)), FloatRows(rows(1, 8)), []int32{61}, kv, 0, 2, nil, &Scratch{})
		},
		"heads that do not fit": func() {
			Best().Attend(FloatRows(rows(1, 12)), FloatRows(rows(1, 12)), []int32{1}, kv, 0, 2, nil, &Scratch{})
		},
		"fewer ends than rows": func() {
			Best().Attend(FloatRows(rows(2, 8)), FloatRows(rows(2, 8)), []int32{1}, kv, 0, 2, nil, &Scratch{})
		},
		"product of other sizes": func() { Best().Mul(rows(2, 2), FloatRows(rows(2, 3)), NewPanels(Float32, 4, 2), false, &Scratch{}) },
		"vectors of two lengths": func() { Best().Dot(make([]float32, 2), make([]float32, 3)) },
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
