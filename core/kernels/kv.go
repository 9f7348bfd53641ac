package kernels

import "fmt"

// KV holds the keys and values of one segment in one layer, in generation order: what
// rows attend to, and what decoding keeps between steps. They are stored as the
// products want them, each head for itself:
//
//	float32             keys [capacity/32][Dim][32],         values [capacity][width]
//	bf16 on tiles       keys [capacity][width],              values [capacity/32][width][32]
//	bf16 without tiles  keys [capacity/32][width/2][32][2],  values [width/32][capacity/2][32][2]
//
// where width is Dim rounded up to a multiple of 32, with zeros on tiles. There the rest
// of the last 32 keys is zero too: tiles read it.
type KV struct {
	Heads, Dim int // key/value heads, and elements a head
	Len        int // keys stored
	capacity   int // a multiple of panelWidth
	width      int
	typ        Type // Float32 or BF16
	tiles      bool // bf16 is stored for tiles: so were the kernels that stored the first key
	k, v       []float32
	kh, vh     []uint16
}

// NewKV allocates room for n keys, held in the type of rows that go with weights of type
// t: Float32, or BF16.
func NewKV(t Type, heads, dim, n int) *KV { return NewKVs(t, heads, dim, n, 1)[0] }

// NewKVs is NewKV for several layers, in one piece of memory: so large pages are worth
// while, which a step of decoding many documents needs, because it reads a little of each.
func NewKVs(t Type, heads, dim, n, layers int) []*KV {
	capacity, width := roundUp(n, panelWidth), roundUp(dim, panelWidth)
	keys, values := heads*capacity*width, heads*capacity*width
	var floats []float32
	var halves []uint16
	if t.RowType() == Float32 {
		keys = heads * capacity * dim
		floats = Aligned(layers * (keys + values))
	} else {
		halves = aligned[uint16](layers * (keys + values))
	}
	list := make([]*KV, layers)
	for i := range list {
		kv := &KV{typ: t.RowType(), Heads: heads, Dim: dim, capacity: capacity, width: width}
		if floats != nil {
			kv.k, kv.v, floats = floats[:keys:keys], floats[keys:][:values:values], floats[keys+values:]
		} else {
			kv.kh, kv.vh, halves = halves[:keys:keys], halves[keys:][:values:values], halves[keys+values:]
		}
		list[i] = kv
	}
	return list
}

// Type returns Float32 or BF16.
func (kv *KV) Type() Type { return kv.typ }

// Cap returns how many keys fit.
func (kv *KV) Cap() int { return kv.capacity }

// Bytes returns the memory held.
func (kv *KV) Bytes() int { return 4*(len(kv.k)+len(kv.v)) + 2*(len(kv.kh)+len(kv.vh)) }

// Truncate forgets all but the first n keys.
func (kv *KV) Truncate(n int) {
	if n < 0 || n > kv.Len {
		panic(ShapeError{"KV.Truncate", fmt.Sprintf("0 to %d", kv.Len), fmt.Sprint(n)})
	}
	kv.Len = n
	if !kv.tiles || n%panelWidth == 0 { // the next 32 keys are cleared when they begin
		return
	}
	for h := range kv.Heads {
		clear(kv.keyRows(h)[n*kv.width : roundUp(n, panelWidth)*kv.width])
		block := kv.valueBlock(h, n/panelWidth)
		for d := range kv.width {
			clear(block[d*panelWidth+n%panelWidth : (d+1)*panelWidth])
		}
	}
}

// Append stores further keys and values, rounded to kv's type; both are [R, Heads*Dim].
func (kv *KV) Append(k *Kernels, keys, values Mat) {
	width := kv.Heads * kv.Dim
	if keys.Rows != values.Rows || keys.Cols != width || values.Cols != width || kv.Len+keys.Rows > kv.capacity {
		panic(ShapeError{"KV.Append", fmt.Sprintf("R x %d, at most %d rows", width, kv.capacity-kv.Len),
			fmt.Sprintf("keys %dx%d, values %dx%d", keys.Rows, keys.Cols, values.Rows, values.Cols)})
	}
	if kv.Len == 0 {
		kv.tiles = kv.typ == BF16 && k.tiles
	}
	kv.check("KV.Append", k)
	for r := 0; r < keys.Rows; {
		n := 1
		switch {
		case kv.typ == Float32:
			kv.appendFloat(keys.Row(r), values.Row(r))
		case !kv.tiles:
			kv.appendPairs(k, keys.Row(r), values.Row(r))
		case kv.Len%panelWidth == 0 && keys.Rows-r >= panelWidth:
			n = panelWidth
			kv.appendBlock(k, keys.RowsOf(r, r+n), values.RowsOf(r, r+n))
		default:
			kv.appendTiles(k, keys.Row(r), values.Row(r))
		}
		r += n
		kv.Len += n
	}
}

// check panics if the kernels cannot read how bfloat16 is stored.
func (kv *KV) check(op string, k *Kernels) {
	if kv.Len > 0 && kv.typ == BF16 && kv.tiles != k.tiles {
		panic(ShapeError{op, "the kernels that stored the first key", "others: tiles on one side alone"})
	}
}

func (kv *KV) appendFloat(key, value []float32) {
	i := kv.Len
	for h := range kv.Heads {
		from, to := h*kv.Dim, (h+1)*kv.Dim
		panel := kv.keyPanel(h, i/panelWidth)
		for d, x := range key[from:to] {
			panel[d*panelWidth+i%panelWidth] = x
		}
		copy(kv.valueRows(h)[i*kv.width:], value[from:to])
	}
}

func (kv *KV) appendPairs(k *Kernels, key, value []float32) {
	i := kv.Len
	for h := range kv.Heads {
		keys := kv.keyPairs(h, i/panelWidth)
		for c := 0; c < kv.Dim; c += panelWidth {
			from, to := h*kv.Dim+c, min(h*kv.Dim+c+panelWidth, (h+1)*kv.Dim)
			var rounded [panelWidth]uint16
			k.toBF16Row(rounded[:], key[from:to])
			for d, x := range rounded {
				keys[((c+d)/2*panelWidth+i%panelWidth)*2+d%2] = x
			}
			k.toBF16Row(rounded[:], value[from:to])
			values := kv.valuePairs(h, c)[i/2*2*panelWidth:]
			for d, x := range rounded {
				values[2*d+i%2] = x
			}
		}
	}
}

func (kv *KV) appendTiles(k *Kernels, key, value []float32) {
	i := kv.Len
	for h := range kv.Heads {
		from, to := h*kv.Dim, (h+1)*kv.Dim
		rows, block := kv.keyRows(h), kv.valueBlock(h, i/panelWidth)
		if i%panelWidth == 0 {
			clear(rows[i*kv.width : (i+panelWidth)*kv.width])
			clear(block)
		}
		k.toBF16Row(rows[i*kv.width:(i+1)*kv.width], key[from:to])
		for c := 0; c < kv.Dim; c += panelWidth {
			var row [panelWidth]uint16
			k.toBF16Row(row[:], value[from+c:min(from+c+panelWidth, to)])
			for d, x := range row {
				block[(c+d)*panelWidth+i%panelWidth] = x
			}
		}
	}
}

// appendBlock stores 32 keys that begin a block.
func (kv *KV) appendBlock(k *Kernels, keys, values Mat) {
	var rows, pairs [panelWidth * panelWidth]uint16
	t := kv.Len / panelWidth
	for h := range kv.Heads {
		at, block := kv.keyRows(h)[kv.Len*kv.width:], kv.valueBlock(h, t)
		for c := 0; c < kv.Dim; c += panelWidth {
			from, to := h*kv.Dim+c, min(h*kv.Dim+c+panelWidth, (h+1)*kv.Dim)
			for r := range panelWidth {
				k.toBF16Row(at[r*kv.width+c:][:panelWidth], keys.Row(r)[from:to])
				k.toBF16Row(rows[r*panelWidth:(r+1)*panelWidth], values.Row(r)[from:to])
			}
			k.pairs(pairs[:], rows[:], panelWidth, panelWidth)
			k.transposePairs(block[c*panelWidth:], panelWidth, pairs[:], 2*panelWidth, panelWidth/2, panelWidth)
		}
	}
}

// keyPanel returns 32 keys of head h in float32: [Dim][32].
func (kv *KV) keyPanel(h, t int) []float32 {
	size := kv.Dim * panelWidth
	at := (h*kv.capacity/panelWidth + t) * size
	return kv.k[at : at+size]
}

// valueRows returns the values of head h in float32: [capacity][width].
func (kv *KV) valueRows(h int) []float32 {
	size := kv.capacity * kv.width
	return kv.v[h*size : (h+1)*size]
}

// keyPairs returns 32 keys of head h in bf16 without tiles: [width/2][32][2].
func (kv *KV) keyPairs(h, t int) []uint16 {
	size := kv.width * panelWidth
	at := (h*kv.capacity/panelWidth + t) * size
	return kv.kh[at : at+size]
}

// valuePairs returns dimensions [c, c+32) of the values of head h in bf16 without tiles:
// [capacity/2][32][2].
func (kv *KV) valuePairs(h, c int) []uint16 {
	at := (h*kv.width + c) * kv.capacity
	return kv.vh[at : at+panelWidth*kv.capacity]
}

// keyRows returns the keys of head h in bf16 on tiles: [capacity][width].
func (kv *KV) keyRows(h int) []uint16 {
	size := kv.capacity * kv.width
	return kv.kh[h*size : (h+1)*size]
}

// valueBlock returns 32 values of head h in bf16 on tiles: [width][32].
func (kv *KV) valueBlock(h, t int) []uint16 {
	size := panelWidth * kv.width
	at := h*kv.capacity*kv.width + t*size
	return kv.vh[at : at+size]
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
