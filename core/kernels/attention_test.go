package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// attentionCase is attention of rows to keys, with its operands as float32; the type says
// how they are held.
type attentionCase struct {
	typ                       Type
	heads, kvHeads, dim, keys int
	ends                      []int32
	q, k, v, dout             []float32
}

func newAttentionCase(rng *rand.Rand, typ Type, heads, kvHeads, dim, keys, rows int) attentionCase {
	c := attentionCase{typ: typ, heads: heads, kvHeads: kvHeads, dim: dim, keys: keys,
		q: normal(rng, rows*heads*dim), k: normal(rng, keys*kvHeads*dim), v: normal(rng, keys*kvHeads*dim), dout: normal(rng, rows*heads*dim)}
	for i := range c.q {
		c.q[i] /= float32(math.Sqrt(float64(dim)))
	}
	for range rows {
		c.ends = append(c.ends, int32(rng.IntN(keys+1)))
	}
	c.ends[rng.IntN(rows)] = 0
	return c
}

func (c attentionCase) String() string {
	return fmt.Sprintf("%s %d/%d heads of %d, %d rows, %d keys", c.typ, c.heads, c.kvHeads, c.dim, len(c.ends), c.keys)
}

func (c attentionCase) kv(k *Kernels) *KV {
	kv := NewKV(c.typ, c.kvHeads, c.dim, c.keys)
	half := c.keys / 2 // two appends: the second begins inside a panel
	w := c.kvHeads * c.dim
	kv.Append(k, NewMat(c.k[:half*w], half, w), NewMat(c.v[:half*w], half, w))
	kv.Append(k, NewMat(c.k[half*w:], c.keys-half, w), NewMat(c.v[half*w:], c.keys-half, w))
	return kv
}

func (c attentionCase) rows(k *Kernels, x []float32) Rows {
	return rowsOf(k, c.typ, x, len(c.ends), c.heads*c.dim)
}

func (c attentionCase) empty() Rows {
	r := NewRows(c.typ, len(c.ends), c.heads*c.dim)
	stale(r)
	return r
}

// stale fills rows with NaN.
func stale(r Rows) {
	copy(r.f, nans(len(r.f)))
	for i := range r.h {
		r.h[i] = 0x7fff
	}
}

// forward is Attend with every head, over an output that holds NaN before.
func (c attentionCase) forward(k *Kernels, kv *KV, s *Scratch) (out Rows, lse []float32) {
	out, lse = c.empty(), make([]float32, len(c.ends)*c.heads)
	k.Attend(out, c.rows(k, c.q), c.ends, kv, 0, c.kvHeads, lse, s)
	return out, lse
}

type attentionGrad struct{ dq, dk, dv []float32 }

func (c attentionCase) backward(k *Kernels, kv *KV, out Rows, lse []float32, s *Scratch) attentionGrad {
	g := attentionGrad{nans(len(c.q)), make([]float32, len(c.k)), make([]float32, len(c.v))}
	width := c.kvHeads * c.dim
	k.AttendGrad(NewMat(g.dq, len(c.ends), c.heads*c.dim), NewMat(g.dk, c.keys, width), NewMat(g.dv, c.keys, width),
		c.rows(k, c.dout), out, c.rows(k, c.q), c.ends, kv, lse, s)
	return g
}

// floats returns all elements of rows.
func floats(r Rows) []float32 {
	var x []float32
	for i := range r.N {
		for j := range r.Cols {
			x = append(x, r.At(i, j))
		}
	}
	return x
}

// A measured sum: its value, and the sum of the sizes of its terms.
type sum struct{ value, size float64 }

func (s *sum) add(x float64) { s.value += x; s.size += math.Abs(x) }

type attentionReference struct{ out, lse, dq, dk, dv []sum }

// reference is attention and its backward in float64 by the definition, over operands as
// the type holds them; delta is taken from the output as it is stored.
func (c attentionCase) reference() attentionReference {
	q, ks, vs, dout := rounded(c.typ, c.q), rounded(c.typ, c.k), rounded(c.typ, c.v), rounded(c.typ, c.dout)
	ref := attentionReference{make([]sum, len(q)), make([]sum, len(c.ends)*c.heads), make([]sum, len(q)), make([]sum, len(ks)), make([]sum, len(vs))}
	for r, end := range c.ends {
		for h := range c.heads {
			at, g := (r*c.heads+h)*c.dim, h*c.kvHeads/c.heads
			key := func(j int32) int { return (int(j)*c.kvHeads + g) * c.dim }
			var total float64
			p := make([]float64, end)
			for j := range end {
				for d := range c.dim {
					p[j] += q[at+d] * ks[key(j)+d]
				}
				p[j] = math.Exp(p[j])
				total += p[j]
			}
			ref.lse[r*c.heads+h].add(math.Log(total))
			var delta float64
			for d := range c.dim {
				for j := range end {
					ref.out[at+d].add(p[j] / total * vs[key(j)+d])
				}
				delta += rounded(c.typ, []float32{float32(ref.out[at+d].value)})[0] * dout[at+d]
			}
			for j := range end {
				var dp float64
				for d := range c.dim {
					dp += dout[at+d] * vs[key(j)+d]
				}
				for d := range c.dim {
					ref.dv[key(j)+d].add(p[j] / total * dout[at+d])
					ref.dq[at+d].add(p[j] / total * (dp - delta) * ks[key(j)+d])
					ref.dk[key(j)+d].add(p[j] / total * (dp - delta) * q[at+d])
				}
			}
		}
	}
	return ref
}

// close compares with sums whose terms hold a factor that was rounded to the type: in
// bf16 by 1/256 at most. A stored result is rounded once more.
func (c attentionCase) close(t *testing.T, what string, got []float32, want []sum, stored bool) {
	t.Helper()
	var rel, last float64
	if c.typ == BF16 {
		rel = 1.0 / 256
		if stored {
			last = 1.0 / 256
		}
	}
	for i, w := range want {
		if tol := rel*w.size + last*math.Abs(w.value) + 1e-5*(1+math.Abs(w.value)); !(math.Abs(float64(got[i])-w.value) <= tol) {
			t.Fatalf("%s: %s[%d] is %v, want %v within %v", c, what, i, got[i], w.value, tol)
		}
	}
}

// attentionCases are both types and shapes on both sides of every block size.
func attentionCases(rng *rand.Rand) (list []attentionCase) {
	for _, typ := range rowTypes {
		for _, s := range [][5]int{ // heads, key/value heads, dim, keys, rows
			{1, 1, 4, 1, 1}, {4, 2, 8, 9, 7}, {4, 1, 12, 40, 60}, {6, 3, 32, 70, 90}, {2, 2, 40, 33, 49}, {3, 1, 16, 64, 11},
			{2, 1, 48, 300, 20}, {2, 2, 64, 257, 33}, {5, 1, 128, 130, 5}, {3, 1, 64, 530, 9}, {2, 1, 32, 1100, 17}, {33, 1, 8, 50, 3},
		} {
			list = append(list, newAttentionCase(rng, typ, s[0], s[1], s[2], s[3], s[4]))
		}
	}
	return list
}

func TestAttention(t *testing.T) {
	cases := attentionCases(rand.New(rand.NewPCG(11, 12)))
	refs := make([]attentionReference, len(cases))
	for i, c := range cases {
		refs[i] = c.reference()
	}
	eachLevel(t, func(t *testing.T, k *Kernels) {
		var s Scratch
		for i, c := range cases {
			kv, ref := c.kv(k), refs[i]
			out, lse := c.forward(k, kv, &s)
			c.close(t, "out", floats(out), ref.out, true)
			for i, end := range c.ends {
				for h := range c.heads {
					if end > 0 {
						near(t, "lse", lse[i*c.heads+h], ref.lse[i*c.heads+h].value, 1e-5)
						continue
					}
					for j := range out.Cols {
						if out.At(i, j) != 0 {
							t.Fatalf("%s: a row that sees nothing gets %v", c, out.At(i, j))
						}
					}
				}
			}
			for i := range out.N {
				if out.h != nil && slices.ContainsFunc(out.row(i)[out.Cols:], func(x uint16) bool { return x != 0 }) {
					t.Fatalf("%s: no zeros behind row %d", c, i)
				}
			}
			// The backward, over the reference's output.
			stored := make([]float32, len(ref.out))
			for i := range stored {
				stored[i] = float32(ref.out[i].value)
			}
			g := c.backward(k, kv, c.rows(k, stored), lse, &s)
			c.close(t, "dq", g.dq, ref.dq, false)
			c.close(t, "dk", g.dk, ref.dk, false)
			c.close(t, "dv", g.dv, ref.dv, false)
		}
	})
}

// What a row gets are the same bits whatever rows and heads are computed with it, and
// whatever keys stand behind its end.
func TestAttendRowsAreIndependent(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(18, 12))
		for _, typ := range rowTypes {
			for _, shape := range [][4]int{{4, 2, 32, 600}, {3, 1, 64, 280}, {2, 2, 20, 130}, {6, 2, 48, 70}} {
				const rows = 70
				c := newAttentionCase(rng, typ, shape[0], shape[1], shape[2], shape[3], rows)
				kv, q := c.kv(k), c.rows(k, c.q)
				out, lse := c.forward(k, kv, &Scratch{})
				var s Scratch
				for n := 1; n <= rows; n++ {
					from := rng.IntN(rows - n + 1)
					longest := longestEnd(c.ends[from : from+n])
					short := NewKV(typ, c.kvHeads, c.dim, c.keys) // nothing behind the longest end
					w := c.kvHeads * c.dim
					short.Append(k, NewMat(c.k[:longest*w], longest, w), NewMat(c.v[:longest*w], longest, w))
					part, partLSE := NewRows(typ, n, c.heads*c.dim), make([]float32, n*c.heads)
					for g := range c.kvHeads { // as threads share heads
						k.Attend(part, q.Slice(from, from+n), c.ends[from:from+n], short, g, g+1, partLSE, &s)
					}
					sameBits(t, fmt.Sprintf("%s: rows %d+%d", c, from, n), floats(part), floats(out.Slice(from, from+n)))
					sameBits(t, fmt.Sprintf("%s: lse of rows %d+%d", c, from, n), partLSE, lse[from*c.heads:(from+n)*c.heads])
				}
			}
		}
	})
}

// Heads that are not asked for are not written.
func TestAttendWritesItsHeads(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(19, 12))
		for _, typ := range rowTypes {
			c := newAttentionCase(rng, typ, 6, 3, 20, 40, 35)
			kv, q, want := c.kv(k), c.rows(k, c.q), floats(c.empty())
			all, _ := c.forward(k, kv, &Scratch{})
			out := c.empty()
			k.Attend(out, q, c.ends, kv, 1, 2, nil, &Scratch{})
			for i := range out.N {
				for j := 40; j < 80; j++ {
					want[i*out.Cols+j] = all.At(i, j)
				}
			}
			sameBits(t, c.String(), floats(out), want)
		}
	})
}

func TestAttendGradByFiniteDifferences(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, shape := range [][5]int{{2, 1, 4, 3, 3}, {4, 2, 8, 11, 6}, {2, 2, 33, 35, 52}} {
			c := newAttentionCase(rng, Float32, shape[0], shape[1], shape[2], shape[3], shape[4])
			loss := func() float64 {
				var sum float64
				for i, o := range c.reference().out {
					sum += o.value * float64(c.dout[i])
				}
				return sum
			}
			kv := c.kv(k)
			out, lse := c.forward(k, kv, &Scratch{})
			g := c.backward(k, kv, out, lse, &Scratch{})
			check := differences
			if len(c.ends) > 20 { // sample the large case
				check = func(t *testing.T, what string, x, grad []float32, loss func() float64) {
					t.Helper()
					for range 10 {
						i := rng.IntN(len(x))
						differences(t, what, x[i:i+1], grad[i:i+1], loss)
					}
				}
			}
			check(t, "dq", c.q, g.dq, loss)
			check(t, "dk", c.k, g.dk, loss)
			check(t, "dv", c.v, g.dv, loss)
		}
	})
}

// A row whose scores are very different from one block of keys to the next.
func TestAttendExtremes(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(20, 12))
		for _, typ := range rowTypes {
			c := newAttentionCase(rng, typ, 2, 1, 16, 900, 40)
			for j := range c.keys { // scores from about -200 to 200, the largest late or early
				for d := range c.dim {
					c.k[j*c.dim+d] *= float32(1 + j%450/8)
				}
			}
			kv := c.kv(k)
			out, _ := c.forward(k, kv, &Scratch{})
			stored := floats(out)
			for i, w := range c.reference().out {
				if got := float64(stored[i]); !(math.Abs(got-w.value) <= w.size*(1.0/100)+1e-6) {
					t.Fatalf("%s: out[%d] is %v, want %v", c, i, got, w.value)
				}
			}
		}
	})
}

// guardedRows is rowsOf in memory that ends at a page that faults, or begins behind one.
func guardedRows(t *testing.T, rng *rand.Rand, k *Kernels, typ Type, x []float32, n, cols int) (Rows, func()) {
	t.Helper()
	r := NewRows(typ, n, cols)
	if typ == Float32 {
		data, check := guarded(t, rng, n*cols)
		r.f = data
		k.Convert(r, NewMat(x, n, cols))
		return r, check
	}
	data, check := guarded(t, rng, ((n-1)*r.stride+roundUp(cols, panelWidth))/2)
	r.h = unsafe.Slice((*uint16)(unsafe.Pointer(&data[0])), 2*len(data))
	k.Convert(r, NewMat(x, n, cols))
	return r, check
}

// No kernel reads or writes beside its operands.
func TestAttentionStaysInside(t *testing.T) {
	eachLevel(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(22, 12))
		var s Scratch
		for _, typ := range rowTypes {
			for _, shape := range [][5]int{{3, 1, 48, 40, 37}, {2, 2, 8, 33, 5}, {4, 2, 40, 100, 17}, {1, 1, 64, 31, 33}} {
				c := newAttentionCase(rng, typ, shape[0], shape[1], shape[2], shape[3], shape[4])
				kv, n, cols, width := c.kv(k), len(c.ends), c.heads*c.dim, c.kvHeads*c.dim
				want, lse := c.forward(k, kv, &s)
				grad := c.backward(k, kv, want, lse, &s)
				for range 4 {
					q, checkQ := guardedRows(t, rng, k, typ, c.q, n, cols)
					out, checkOut := guardedRows(t, rng, k, typ, c.q, n, cols)
					dout, checkDout := guardedRows(t, rng, k, typ, c.dout, n, cols)
					k.Attend(out, q, c.ends, kv, 0, c.kvHeads, lse, &s)
					dq, checkDQ := guarded(t, rng, n*cols)
					dk, checkDK := guarded(t, rng, c.keys*width)
					dv, checkDV := guarded(t, rng, c.keys*width)
					clear(dk)
					clear(dv)
					k.AttendGrad(NewMat(dq, n, cols), NewMat(dk, c.keys, width), NewMat(dv, c.keys, width), dout, out, q, c.ends, kv, lse, &s)
					for _, check := range []func(){checkQ, checkOut, checkDout, checkDQ, checkDK, checkDV} {
						check()
					}
					sameBits(t, "out", floats(out), floats(want))
					sameBits(t, "dq", dq, grad.dq)
					sameBits(t, "dk", dk, grad.dk)
					sameBits(t, "dv", dv, grad.dv)
				}
			}
		}
	})
}
