package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/any-order/a3/core/checkpoint/internal/half"
)

// Tensor is a tensor to be written. Exactly one of F32, I64 and Read has its elements,
// row-major, as many as Shape multiplies to; all nil is a tensor without elements.
type Tensor struct {
	Name  string
	DType DType // F32, BF16 (rounded to nearest, ties to even) or I64
	Shape []int
	F32   []float32 // for F32 and BF16
	I64   []int64   // for I64

	// Read, for F32 and BF16, stores the elements from first on in dst, as many as that
	// has. It is called in order, so that a tensor need not be in memory to be written.
	Read func(first int, dst []float32) error
}

// Write writes a safetensors file. The bytes depend on tensors and metadata alone, not
// on the order of the slice: tensors are sorted by name, those of wider elements first,
// so that each begins at a multiple of its element size.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	return writeTensors(w, tensors, metadata, false)
}

// WriteFile writes a safetensors file so that path holds either what it held before or
// the new file whole, also after a crash: it is written aside, synced and renamed.
func WriteFile(path string, tensors []Tensor, metadata map[string]string) error {
	err := writeAside(osDisk{}, path, func(w io.Writer) error {
		return Write(w, tensors, metadata)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeTensors is Write; finite refuses NaN and infinities.
func writeTensors(w io.Writer, tensors []Tensor, metadata map[string]string, finite bool) error {
	sorted := slices.Clone(tensors)
	slices.SortFunc(sorted, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()), cmp.Compare(a.Name, b.Name))
	})
	head, err := buildHeader(sorted, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	buf := make([]byte, 0, pieceBytes)
	for i := range sorted {
		if err := sorted[i].writeData(w, buf, finite); err != nil {
			return fmt.Errorf("tensor %s: %w", quote(sorted[i].Name), err)
		}
	}
	return nil
}

// check refuses a tensor whose fields disagree and returns its bytes.
func (t *Tensor) check() (int64, error) {
	if t.Name == "" || t.Name == metadataKey || !utf8.ValidString(t.Name) {
		return 0, errors.New("name: not usable as the name of a tensor")
	}
	shape := make([]int64, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = int64(d)
	}
	count, err := countElements(shape)
	if err != nil {
		return 0, fmt.Errorf("shape: %w", err)
	}
	var got, other int
	switch t.DType {
	case F32, BF16:
		got, other = len(t.F32), len(t.I64)
	case I64:
		got, other = len(t.I64), len(t.F32)
	default:
		return 0, fmt.Errorf("dtype: %s cannot be written, only F32, BF16 and I64", quote(string(t.DType)))
	}
	if t.Read != nil && t.DType != I64 && got+other == 0 {
		return count * int64(t.DType.Size()), nil
	}
	if int64(got) != count || other != 0 || t.Read != nil {
		return 0, fmt.Errorf("shape %v of %s needs %d elements, got %d (and %d of another type)",
			t.Shape, t.DType, count, got, other)
	}
	return count * int64(t.DType.Size()), nil
}

// buildHeader returns the length and the JSON text, padded with spaces to a multiple
// of 8 bytes.
func buildHeader(sorted []Tensor, metadata map[string]string) ([]byte, error) {
	b := make([]byte, 8, 64+128*len(sorted))
	b = append(b, '{')
	if len(metadata) > 0 {
		b = append(b, `"`+metadataKey+`":{`...)
		for i, key := range sortedKeys(metadata) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, fmt.Errorf("metadata %s: not valid UTF-8", quote(key))
			}
			b = appendComma(b, i)
			b = appendString(b, key)
			b = append(b, ':')
			b = appendString(b, metadata[key])
		}
		b = append(b, '}')
	}
	var at int64
	seen := make(map[string]bool, len(sorted))
	for i := range sorted {
		t := &sorted[i]
		size, err := t.check()
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", quote(t.Name), err)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %s: occurs twice", quote(t.Name))
		}
		seen[t.Name] = true
		b = appendComma(b, i+len(metadata))
		b = appendString(b, t.Name)
		b = fmt.Appendf(b, `:{"dtype":"%s","shape":[`, t.DType)
		for j, d := range t.Shape {
			b = appendComma(b, j)
			b = strconv.AppendInt(b, int64(d), 10)
		}
		b = fmt.Appendf(b, `],"data_offsets":[%d,%d]}`, at, at+size)
		at += size
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if len(b)-8 > maxHeaderBytes {
		return nil, fmt.Errorf("header: %d bytes exceed the limit of %d", len(b)-8, maxHeaderBytes)
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b, nil
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// appendString appends s, which is valid UTF-8, as a JSON string.
func appendString(b []byte, s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always encodes
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

// writeData encodes the elements through buf, an empty slice with some capacity.
func (t *Tensor) writeData(w io.Writer, buf []byte, finite bool) error {
	perPiece := cap(buf) / 8
	for at := 0; at < len(t.I64); at += perPiece {
		piece := buf[:0]
		for _, v := range t.I64[at:min(at+perPiece, len(t.I64))] {
			piece = binary.LittleEndian.AppendUint64(piece, uint64(v))
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	if t.DType == I64 {
		return nil
	}
	count := Info{Shape: t.Shape}.Len()
	var read []float32
	if t.Read != nil {
		read = make([]float32, min(perPiece, count))
	}
	for at := 0; at < count; at += perPiece {
		n := min(perPiece, count-at)
		values := read[:min(n, len(read))]
		if t.Read == nil {
			values = t.F32[at : at+n]
		} else if err := t.Read(at, values); err != nil {
			return err
		}
		if finite {
			if err := checkFinite(values, at); err != nil {
				return err
			}
		}
		if _, err := w.Write(t.DType.encode(buf, values)); err != nil {
			return err
		}
	}
	return nil
}

// encode appends values to buf as F32 or BF16.
func (d DType) encode(buf []byte, values []float32) []byte {
	if d == BF16 {
		for _, v := range values {
			buf = binary.LittleEndian.AppendUint16(buf, half.BFloat16(v))
		}
		return buf
	}
	for _, v := range values {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
	}
	return buf
}
