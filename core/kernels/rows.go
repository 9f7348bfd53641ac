package kernels

import "fmt"

// Type is what products are computed in.
type Type string

// The types. Sums are float32 in all of them.
const (
	Float32 Type = "float32" // float32 throughout
	BF16    Type = "bf16"    // both operands rounded to bfloat16
	Int8    Type = "int8"    // weights of 8 bits with a scale a column, rows as for BF16; decoding only
)

// DefaultType is the fastest type for training and decoding at the kernels' level.
func (k *Kernels) DefaultType() Type {
	if k.tiles {
		return BF16
	}
	return Float32
}

// ParseType returns the type of a name; the empty name means DefaultType.
func (k *Kernels) ParseType(name string) (Type, error) {
	switch t := Type(name); t {
	case "":
		return k.DefaultType(), nil
	case Float32, BF16, Int8:
		return t, nil
	}
	return "", fmt.Errorf("compute type %q is not known; there are %s, %s and %s", name, Float32, BF16, Int8)
}

// RowType returns the type of the rows that meet weights of type t.
func (t Type) RowType() Type {
	if t == Float32 {
		return Float32
	}
	return BF16
}

// Rows is the left operand of a product, and what the backward pass keeps of one: N
// rows of Cols elements, float32 or bfloat16. The kernels that compute such rows round
// as they store; nothing is converted twice.
//
// Rows of bfloat16 are filled up with zeros to a multiple of 32 elements, so that tiles
// read whole steps, and lie an odd number of cache lines apart, so that the rows of a
// tile do not fall into the same few sets of the first-level cache.
//
// Beside their elements they can hold the integers that panels of int8 meet
// (HoldIntegers), which products otherwise make anew each time.
type Rows struct {
	N, Cols int
	stride  int // elements between rows
	f       []float32
	h       []uint16
	ints    *integers // of the rows that r is a view of; nil if they hold none
	at      int       // the first row's number there
}

// FloatRows views a matrix as float32 rows, without a copy.
func FloatRows(m Mat) Rows { return Rows{N: m.Rows, Cols: m.Cols, stride: m.Stride, f: m.Data} }

// NewRows allocates rows of type t.
func NewRows(t Type, n, cols int) Rows {
	var r Rows
	r.Resize(t, n, cols)
	return r
}

// Resize gives r a new shape. Memory is reused if it suffices; what it holds is then
// arbitrary, and the kernels write whole rows.
func (r *Rows) Resize(t Type, n, cols int) {
	r.N, r.Cols, r.at = n, cols, 0
	if r.ints != nil {
		r.ints.n = 0
	}
	if t.RowType() == Float32 {
		r.stride, r.h = cols, nil
		if cap(r.f) < n*cols {
			r.f = Aligned(n*cols + cap(r.f)/8) // a first guess is exact
		}
		r.f = r.f[:n*cols]
		return
	}
	lines := (cols + 31) / 32
	r.stride, r.f = (lines|1)*32, nil
	if r.h == nil || cap(r.h) < n*r.stride {
		r.h = aligned[uint16](n*r.stride + cap(r.h)/8)
	}
	r.h = r.h[:n*r.stride]
}

// Type returns Float32 or BF16.
func (r Rows) Type() Type {
	if r.h != nil {
		return BF16
	}
	return Float32
}

// Bytes returns the memory held.
func (r Rows) Bytes() int { return 4*cap(r.f) + 2*cap(r.h) + r.ints.bytes() }

// Slice returns the view of rows [from, to).
func (r Rows) Slice(from, to int) Rows {
	v := Rows{N: to - from, Cols: r.Cols, stride: r.stride, ints: r.ints, at: r.at + from}
	switch {
	case r.h != nil:
		v.h = r.h[from*r.stride : to*r.stride : to*r.stride]
	case to > from:
		v.f = r.f[from*r.stride : (to-1)*r.stride+r.Cols]
	}
	return v
}

// Mat returns float32 rows as a matrix.
func (r Rows) Mat() Mat {
	if r.h != nil {
		panic(ShapeError{"Rows.Mat", string(Float32), string(BF16)})
	}
	return Mat{r.f, r.N, r.Cols, r.stride}
}

// row returns the elements of bfloat16 row i, the zeros behind them included.
func (r Rows) row(i int) []uint16 {
	return r.h[i*r.stride : i*r.stride+roundUp(r.Cols, panelWidth)]
}

// At returns element (i, j).
func (r Rows) At(i, j int) float32 {
	if r.h != nil {
		return fromBF16(r.row(i)[j])
	}
	return r.f[i*r.stride+j]
}

// Float copies row i to dst [Cols].
func (r Rows) Float(dst []float32, i int) {
	checkLen("Rows.Float", r.Cols, len(dst))
	if r.h == nil {
		copy(dst, r.f[i*r.stride:])
		return
	}
	for j, v := range r.row(i)[:r.Cols] {
		dst[j] = fromBF16(v)
	}
}

// Convert stores the rows of x in dst, which has its shape.
func (k *Kernels) Convert(dst Rows, x Mat) {
	dst.check("Convert", x.Rows, x.Cols)
	for i := range x.Rows {
		if dst.h != nil {
			k.toBF16Row(dst.row(i), x.Row(i))
		} else {
			copy(dst.f[i*dst.stride:i*dst.stride+dst.Cols], x.Row(i))
		}
	}
}

func (r Rows) check(op string, n, cols int) {
	if r.N != n || r.Cols != cols {
		panic(ShapeError{op, fmt.Sprintf("rows %dx%d", n, cols), fmt.Sprintf("%dx%d", r.N, r.Cols)})
	}
}
