package wire

import (
	"encoding/binary"
	"math"
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

// packPositions packs positions as uint16 if all fit, which halves the column that
// every observation has.
func packPositions(v []int32) []byte {
	b := make([]byte, 2*len(v))
	for i, x := range v {
		if x > math.MaxUint16 {
			return packInt32(v)
		}
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
	v := make([]int32, r.size(field, b, 4, want))
	for i := range v {
		v[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// positions reads what packPositions packed.
func (r *reader) positions(field string, b []byte, want int) []int32 {
	if len(b) != 2*want {
		return r.int32s(field, b, want)
	}
	v := make([]int32, want)
	for i := range v {
		v[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return v
}

// column reads int32s that may be absent.
func (r *reader) column(field string, b []byte, want int) []int32 {
	if len(b) == 0 {
		return nil
	}
	return r.int32s(field, b, want)
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
	if len(b) == 0 {
		return nil
	}
	n := r.size(field, b, 4, want)
	if n == 0 {
		return nil
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func (r *reader) uint64s(field string, b []byte, want int) []uint64 {
	v := make([]uint64, r.size(field, b, 8, want))
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
