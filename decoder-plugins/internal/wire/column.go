package wire

import (
	"encoding/binary"
	"math"
	"slices"
)

func packInt32(v []int32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(x))
	}
	return b
}

func packFloat32(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

func packUint64[T ~uint64](v []T) []byte {
	b := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(x))
	}
	return b
}

// packer packs columns behind one another, in memory that is used again for the next
// message: gRPC has copied a message when its Send returns.
type packer struct{ buf []byte }

// take returns room for n bytes.
func (p *packer) take(n int) []byte {
	if len(p.buf)+n > cap(p.buf) {
		p.buf = make([]byte, 0, max(2*cap(p.buf), n, 4096)) // what was packed before stays where it is
	}
	at := len(p.buf)
	p.buf = p.buf[:at+n]
	return p.buf[at : at+n : at+n]
}

func (p *packer) int32s(v []int32) []byte {
	b := p.take(4 * len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(x))
	}
	return b
}

func (p *packer) float32s(v []float32) []byte {
	b := p.take(4 * len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

func (p *packer) uint64s(v []uint64) []byte {
	b := p.take(8 * len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(b[8*i:], x)
	}
	return b
}

// positions packs positions as uint16 if all fit, which halves the column that every
// observation has.
func (p *packer) positions(v []int32) []byte {
	for _, x := range v {
		if x > math.MaxUint16 {
			return p.int32s(v)
		}
	}
	b := p.take(2 * len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint16(b[2*i:], uint16(x))
	}
	return b
}

// reader unpacks the columns of one message and keeps the first error, so that a
// decoder reads as the list of its columns.
type reader struct {
	message string
	err     error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(r.message, format, args...)
	}
}

// size returns the number of elements in a column, -1 = any number is right.
func (r *reader) size(field string, b []byte, width, want int) int {
	n := len(b) / width
	if len(b)%width != 0 {
		r.fail("%s has %d bytes, not a multiple of %d", field, len(b), width)
		return 0
	}
	if want >= 0 && n != want {
		r.fail("%s has %d elements, want %d", field, n, want)
		return 0
	}
	return n
}

func (r *reader) int32s(field string, b []byte, want int) []int32 {
	return r.int32sTo(nil, field, b, want)
}

// int32sTo reads into the memory of a column that is not needed any more.
func (r *reader) int32sTo(to []int32, field string, b []byte, want int) []int32 {
	n := r.size(field, b, 4, want)
	v := slices.Grow(to[:0], n)[:n]
	for i := range v {
		v[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// positionsTo reads what packer.positions packed.
func (r *reader) positionsTo(to []int32, field string, b []byte, want int) []int32 {
	if len(b) != 2*want {
		return r.int32sTo(to, field, b, want)
	}
	v := slices.Grow(to[:0], want)[:want]
	for i := range v {
		v[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return v
}

// column reads int32s that may be absent.
func (r *reader) column(field string, b []byte, want int) []int32 {
	return r.columnTo(nil, field, b, want)
}

func (r *reader) columnTo(to []int32, field string, b []byte, want int) []int32 {
	if len(b) == 0 {
		return nil
	}
	return r.int32sTo(to, field, b, want)
}

// listing reads the offsets of a list of a decision and its length; both may be absent.
func (r *reader) listing(field string, offset []byte, n, total int) []int32 {
	if len(offset) == 0 && total == 0 {
		return nil
	}
	return r.offsets(field, offset, n, total)
}

// float32s returns nil for an empty column, which is one not subscribed to.
func (r *reader) float32s(field string, b []byte, want int) []float32 {
	return r.float32sTo(nil, field, b, want)
}

func (r *reader) float32sTo(to []float32, field string, b []byte, want int) []float32 {
	if len(b) == 0 {
		return nil
	}
	n := r.size(field, b, 4, want)
	if n == 0 {
		return nil
	}
	v := slices.Grow(to[:0], n)[:n]
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func (r *reader) uint64s(field string, b []byte, want int) []uint64 {
	return r.uint64sTo(nil, field, b, want)
}

func (r *reader) uint64sTo(to []uint64, field string, b []byte, want int) []uint64 {
	n := r.size(field, b, 8, want)
	v := slices.Grow(to[:0], n)[:n]
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return v
}

// offsets reads n+1 bounds into a column of total elements: from 0 to total, never
// descending. On error it returns n+1 zeros, so that the caller may go on indexing.
func (r *reader) offsets(field string, b []byte, n, total int) []int32 {
	v := r.int32s(field, b, n+1)
	if r.err == nil && (v[0] != 0 || int(v[n]) != total) {
		r.fail("%s runs from %d to %d, want 0 to %d", field, v[0], v[n], total)
	}
	for i := 1; r.err == nil && i < len(v); i++ {
		if v[i] < v[i-1] {
			r.fail("%s descends from %d to %d at entry %d", field, v[i-1], v[i], i)
		}
	}
	if r.err != nil {
		return make([]int32, n+1)
	}
	return v
}
