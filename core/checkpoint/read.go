package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/any-order/a3/core/checkpoint/internal/half"
)

// pieceBytes is how much of a tensor is read at a time: small beside the cache, and a
// multiple of every element size.
const pieceBytes = 256 << 10

// Float32 stores a tensor in dst, which must have exactly its number of elements.
// F32, F16 and BF16 convert exactly; F64 rounds to nearest even, and a finite value
// beyond float32 is an error.
func (f *File) Float32(name string, dst []float32) error {
	return f.float32s(name, 0, dst, true)
}

// Float32At is Float32 for the elements from first on, as many as dst has.
func (f *File) Float32At(name string, first int, dst []float32) error {
	return f.float32s(name, first, dst, false)
}

func (f *File) float32s(name string, first int, dst []float32, whole bool) error {
	return f.pieces(name, first, len(dst), whole, func(t DType, at int, raw []byte) error {
		out := dst[at : at+len(raw)/t.Size()]
		switch t {
		case F32:
			for i := range out {
				out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			}
		case F16:
			for i := range out {
				out[i] = half.Float32(binary.LittleEndian.Uint16(raw[2*i:]))
			}
		case BF16:
			for i := range out {
				out[i] = half.FromBFloat16(binary.LittleEndian.Uint16(raw[2*i:]))
			}
		case F64:
			for i := range out {
				v := math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
				out[i] = float32(v)
				if math.IsInf(float64(out[i]), 0) && !math.IsInf(v, 0) {
					return fmt.Errorf("element %d is %g, beyond float32", at+i, v)
				}
			}
		default:
			return wrongType(t, "float32", "F32, F16, BF16 or F64")
		}
		if f.Finite {
			return checkFinite(out, at)
		}
		return nil
	})
}

// Float64 stores a tensor in dst, which must have exactly its number of elements.
// All of F64, F32, F16 and BF16 convert exactly.
func (f *File) Float64(name string, dst []float64) error {
	return f.pieces(name, 0, len(dst), true, func(t DType, at int, raw []byte) error {
		out := dst[at : at+len(raw)/t.Size()]
		switch t {
		case F64:
			for i := range out {
				out[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
			}
		case F32:
			for i := range out {
				out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
			}
		case F16:
			for i := range out {
				out[i] = float64(half.Float32(binary.LittleEndian.Uint16(raw[2*i:])))
			}
		case BF16:
			for i := range out {
				out[i] = float64(half.FromBFloat16(binary.LittleEndian.Uint16(raw[2*i:])))
			}
		default:
			return wrongType(t, "float64", "F64, F32, F16 or BF16")
		}
		if f.Finite {
			return checkFinite(out, at)
		}
		return nil
	})
}

// Int64 stores a tensor of I64, I32, I8 or U8 in dst, which must have exactly its
// number of elements.
func (f *File) Int64(name string, dst []int64) error {
	return f.pieces(name, 0, len(dst), true, func(t DType, at int, raw []byte) error {
		out := dst[at : at+len(raw)/t.Size()]
		switch t {
		case I64:
			for i := range out {
				out[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
			}
		case I32:
			for i := range out {
				out[i] = int64(int32(binary.LittleEndian.Uint32(raw[4*i:])))
			}
		case I8:
			for i := range out {
				out[i] = int64(int8(raw[i]))
			}
		case U8:
			for i := range out {
				out[i] = int64(raw[i])
			}
		default:
			return wrongType(t, "int64", "I64, I32, I8 or U8")
		}
		return nil
	})
}

// pieces reads count elements of a tensor from the first on, all of it if whole, and
// hands them on in pieces: the dtype, the index of a piece's first element among those
// and the bytes, which are valid during the call. Reading nothing makes one call, so
// that the type is checked.
func (f *File) pieces(name string, first, count int, whole bool, use func(t DType, at int, raw []byte) error) error {
	e, err := f.entry(name)
	if err != nil {
		return err
	}
	switch n := e.Len(); {
	case whole && n != count:
		return fmt.Errorf("tensor %s: shape %v has %d elements, the destination %d", quote(name), e.Shape, n, count)
	case first < 0 || first > n-count:
		return fmt.Errorf("tensor %s: shape %v has %d elements, not %d from element %d on", quote(name), e.Shape, n, count, first)
	}
	from := e.begin + int64(first*e.DType.Size())
	end := from + int64(count*e.DType.Size())
	buf := make([]byte, min(pieceBytes, end-from))
	for begin := from; ; {
		n := min(int64(len(buf)), end-begin)
		if _, err := f.shards[e.shard].ReadAt(buf[:n], begin); err != nil {
			return fmt.Errorf("tensor %s: %w", quote(name), err)
		}
		at := int(begin-from) / e.DType.Size()
		if err := use(e.DType, at, buf[:n]); err != nil {
			return fmt.Errorf("tensor %s: %w", quote(name), err)
		}
		if begin += n; begin == end {
			return nil
		}
	}
}

func wrongType(t DType, want, convertible string) error {
	return fmt.Errorf("dtype: %s cannot be read as %s: export it as %s", t, want, convertible)
}

// checkFinite refuses NaN and infinities; values begins at element at of its tensor.
func checkFinite[T float32 | float64](values []T, at int) error {
	for i, v := range values {
		if v-v != 0 { // true for NaN and the infinities alone
			return fmt.Errorf("element %d is %v", at+i, v)
		}
	}
	return nil
}
