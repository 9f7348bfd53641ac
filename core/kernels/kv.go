package kernels

import "fmt"

// KV holds the keys and values of one segment in one layer, in generation order: what
// rows attend to, and what decoding keeps between steps. Keys are stored as panels of
// 32 (for q kᵀ), values as rows (for p v); both are padded so that the product kernels
// can read whole tiles.
type KV struct {
	Heads, Dim int       // key/value heads, and floats a head
	Len        int       // keys stored
	capacity   int       // multiple of panelWidth
	vdim       int       // Dim rounded up to panelWidth
	typ        Type      // Float32 or BF16
	k          []float32 // [Heads][capacity/32][Dim][32]
	v          []float32 // [Heads][capacity][vdim]
}

// NewKV allocates room for n keys, held in the type of rows that go with weights of type
// t: Float32, or BF16.
func NewKV(t Type, heads, dim, n int) *KV {
	kv := &KV{typ: t.RowType(), Heads: heads, Dim: dim, capacity: roundUp(n, panelWidth), vdim: roundUp(dim, panelWidth)}
	kv.k = Aligned(heads * kv.capacity * dim)
	kv.v = Aligned(heads * kv.capacity * kv.vdim)
	return kv
}

// Type returns Float32 or BF16.
func (kv *KV) Type() Type { return kv.typ }

// Cap returns how many keys fit.
func (kv *KV) Cap() int { return kv.capacity }

// Bytes returns the memory held.
func (kv *KV) Bytes() int { return 4 * (len(kv.k) + len(kv.v)) }

// Truncate forgets all but the first n keys.
func (kv *KV) Truncate(n int) {
	if n < 0 || n > kv.Len {
		panic(ShapeError{"KV.Truncate", fmt.Sprintf("0 to %d", kv.Len), fmt.Sprint(n)})
	}
	kv.Len = n
}

// Append stores the keys and values of further rows, rounded to kv's type; both are
// [R, Heads*Dim].
func (kv *KV) Append(kernels *Kernels, k, v Mat) {
	width := kv.Heads * kv.Dim
	round := func(x float32) float32 { return x }
	if kv.typ == BF16 {
		round = func(x float32) float32 { return fromBF16(toBF16(x)) }
	}
	if k.Rows != v.Rows || k.Cols != width || v.Cols != width || kv.Len+k.Rows > kv.capacity {
		panic(ShapeError{"KV.Append", fmt.Sprintf("R x %d, at most %d rows", width, kv.capacity-kv.Len),
			fmt.Sprintf("k %dx%d, v %dx%d", k.Rows, k.Cols, v.Rows, v.Cols)})
	}
	for r := range k.Rows {
		i := kv.Len + r
		kr, vr := k.Row(r), v.Row(r)
		for h := range kv.Heads {
			panel := kv.keys(h, i/panelWidth)
			for d, x := range kr[h*kv.Dim : (h+1)*kv.Dim] {
				panel[d*panelWidth+i%panelWidth] = round(x)
			}
			for d, x := range vr[h*kv.Dim : (h+1)*kv.Dim] {
				kv.values(h)[i*kv.vdim+d] = round(x)
			}
		}
	}
	kv.Len += k.Rows
}

// keys returns panel t of head h: [Dim][32].
func (kv *KV) keys(h, t int) []float32 {
	size := kv.Dim * panelWidth
	at := (h*kv.capacity/panelWidth + t) * size
	return kv.k[at : at+size]
}

// values returns the values of head h: [capacity][vdim].
func (kv *KV) values(h int) []float32 {
	size := kv.capacity * kv.vdim
	return kv.v[h*size : (h+1)*size]
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
