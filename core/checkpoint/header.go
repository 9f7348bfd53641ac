package checkpoint

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/any-order/a3/core/checkpoint/internal/mapped"
)

// Limits on what a file may claim. The header limit is that of the reference
// implementation.
const (
	maxHeaderBytes = 100_000_000
	maxRank        = 16
	maxDimension   = math.MaxInt32
)

const metadataKey = "__metadata__"

// entry says where a tensor lies.
type entry struct {
	Info
	shard      int   // index into File.shards
	begin, end int64 // bytes [begin, end) of the file
}

// header is the parsed header of one safetensors file.
type header struct {
	tensors  map[string]entry
	metadata map[string]string
}

// readHeader reads and checks the header of a file. Afterwards every entry is known to
// lie in the file.
func readHeader(r *mapped.File) (*header, error) {
	size := r.Size()
	if size < 8 {
		return nil, fmt.Errorf("header: the file has %d bytes, too few for a safetensors header", size)
	}
	var prefix [8]byte
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > maxHeaderBytes {
		return nil, fmt.Errorf("header: length %d exceeds the limit of %d: not a safetensors file", length, maxHeaderBytes)
	}
	if int64(length) > size-8 {
		return nil, fmt.Errorf("header: length %d exceeds the file, which has %d bytes: the file is cut", length, size)
	}
	text := make([]byte, length)
	if _, err := r.ReadAt(text, 8); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	start := 8 + int64(length)
	h, err := parseHeader(text, size-start)
	if err != nil {
		return nil, err
	}
	for name, e := range h.tensors {
		e.begin += start
		e.end += start
		h.tensors[name] = e
	}
	return h, nil
}

// parseHeader parses the JSON text of a header that is followed by dataSize bytes.
// Offsets count from the first of them.
func parseHeader(text []byte, dataSize int64) (*header, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, errors.New("header: does not begin with '{'")
	}
	h := &header{tensors: make(map[string]entry)}
	err := eachField(text, func(name string, value json.RawMessage) error {
		switch name {
		case metadataKey:
			return h.parseMetadata(value)
		case "":
			return errors.New("a tensor has an empty name")
		}
		e, err := parseEntry(value, dataSize)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", quote(name), err)
		}
		h.tensors[name] = e
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return h, h.checkTiling(dataSize)
}

func (h *header) parseMetadata(value json.RawMessage) error {
	h.metadata = make(map[string]string)
	err := eachField(value, func(key string, value json.RawMessage) error {
		var s string
		if err := strictUnmarshal(value, &s); err != nil {
			return fmt.Errorf("key %s: %w", quote(key), err)
		}
		h.metadata[key] = s
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", metadataKey, err)
	}
	return nil
}

// parseEntry parses {"dtype","shape","data_offsets"} and checks that the three agree.
func parseEntry(value json.RawMessage, dataSize int64) (entry, error) {
	var e entry
	var dtype string
	var shape, offsets []int64
	f := newFields(value)
	need(f, "dtype", &dtype)
	need(f, "shape", &shape)
	need(f, "data_offsets", &offsets)
	if err := f.done(); err != nil {
		return e, err
	}
	e.DType = DType(dtype)
	size := int64(e.DType.Size())
	if size == 0 {
		return e, fmt.Errorf("dtype: %s is not known", quote(dtype))
	}
	count, err := countElements(shape)
	if err != nil {
		return e, fmt.Errorf("shape: %w", err)
	}
	if len(offsets) != 2 {
		return e, fmt.Errorf("data_offsets: want 2 numbers, got %d", len(offsets))
	}
	e.begin, e.end = offsets[0], offsets[1]
	switch {
	case e.begin < 0 || e.end < e.begin || e.end > dataSize:
		return e, fmt.Errorf("data_offsets: [%d, %d] lies outside the data of %d bytes", e.begin, e.end, dataSize)
	case e.begin%size != 0:
		return e, fmt.Errorf("data_offsets: %d is not a multiple of the %d bytes of %s", e.begin, size, e.DType)
	case (e.end-e.begin)%size != 0 || (e.end-e.begin)/size != count:
		return e, fmt.Errorf("data_offsets: %d bytes, but %s of shape %v needs %d elements of %d",
			e.end-e.begin, e.DType, shape, count, size)
	}
	e.Shape = make([]int, len(shape))
	for i, d := range shape {
		e.Shape[i] = int(d)
	}
	return e, nil
}

// countElements multiplies the dimensions, refusing an overflow.
func countElements(shape []int64) (int64, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("%d dimensions, at most %d are supported", len(shape), maxRank)
	}
	count := int64(1)
	for i, d := range shape {
		if d < 0 || d > maxDimension {
			return 0, fmt.Errorf("dimension %d is %d, want 0 to %d", i, d, maxDimension)
		}
		if d != 0 && count > math.MaxInt64/d {
			return 0, fmt.Errorf("%v has too many elements", shape)
		}
		count *= d
	}
	return count, nil
}

// checkTiling refuses tensors that overlap, leave a hole or do not fill the data.
// A hole could hide data that a digest of tensors would not cover.
func (h *header) checkTiling(dataSize int64) error {
	names := sortedKeys(h.tensors)
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := h.tensors[a], h.tensors[b]
		return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.end, y.end))
	})
	var at int64
	for _, name := range names {
		e := h.tensors[name]
		if e.begin < at {
			return fmt.Errorf("header: tensor %s: data_offsets: [%d, %d] overlaps the tensor before, which ends at %d",
				quote(name), e.begin, e.end, at)
		}
		if e.begin > at {
			return fmt.Errorf("header: tensor %s: data_offsets: a hole of %d bytes lies before %d",
				quote(name), e.begin-at, e.begin)
		}
		at = e.end
	}
	if at != dataSize {
		return fmt.Errorf("header: the tensors end at byte %d of the data, which has %d", at, dataSize)
	}
	return nil
}
