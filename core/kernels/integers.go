package kernels

// integers are what rows of bfloat16 hold for panels of int8, see int8.go: planes on
// tiles, words on other levels with vectors. The portable level needs none.
type integers struct {
	n       int // rows
	planes  planes
	words   words
	bytes8  []int8
	bytes16 []int16
	scale   []float32
}

// HoldIntegers gives rows of bfloat16 room for the integers that panels of int8 meet:
// Quantize fills it, and until the next Resize products find them there. So several
// products of the same rows, or parts of one, make them once.
func (k *Kernels) HoldIntegers(r *Rows) {
	if k.simd == noSIMD || r.h == nil {
		return
	}
	if r.ints == nil {
		r.ints = &integers{}
	}
	x, inner := r.ints, roundUp(r.Cols, 64)
	x.n = r.N
	if k.tiles {
		x.planes = newPlanes(r.N, inner, &x.bytes8, &x.scale)
	} else {
		x.words = newWords(r.N, inner, &x.bytes16, &x.scale)
	}
}

// Quantize stores the integers of rows that have room for them.
func (k *Kernels) Quantize(r Rows) {
	switch x := r.ints; {
	case x == nil || x.n == 0:
	case k.tiles:
		k.toPlanes(x.planes, r.at, r, roundUp(r.Cols, 64))
	default:
		k.toWords(x.words, r.at, r)
	}
}

// heldPlanes returns the planes that rows hold, if they do: groups of planes cannot be cut.
func (r Rows) heldPlanes() (p planes, ok bool) {
	if r.ints == nil || r.ints.n == 0 {
		return p, false
	}
	p = r.ints.planes
	if p.rows < groupRows {
		return p, r.N == p.n
	}
	p.q, p.scale = p.q[r.at/groupRows*2*p.rows*p.stride:], p.scale[r.at:]
	p.n, p.groups = r.N, (r.N+groupRows-1)/groupRows
	return p, r.at%groupRows == 0
}

// heldWords returns the words that rows hold, if they do.
func (r Rows) heldWords() (w words, ok bool) {
	if r.ints == nil || r.ints.n == 0 {
		return w, false
	}
	w = r.ints.words
	w.n, w.q, w.scale = r.N, w.q[r.at*w.stride:], w.scale[r.at:r.at+r.N]
	return w, true
}

func (x *integers) bytes() int {
	if x == nil {
		return 0
	}
	return cap(x.bytes8) + 2*cap(x.bytes16) + 4*cap(x.scale)
}
