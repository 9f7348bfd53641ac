package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/any-order/a3/core/checkpoint/internal/mapped"
)

// ErrNoKey means that the metadata has no such key.
var ErrNoKey = errors.New("there is no such key")

// Metadata is what a file says of itself: values by their keys. Every length has been
// checked; a value is decoded when it is asked for. A getter's error names the key; it
// is ErrNoKey if there is none, and another one if the value is of another type.
type Metadata struct {
	bytes  *mapped.File
	values map[string]value
}

// value is where a value lies.
type value struct {
	typ        valueType
	count      int // elements of an array; -1 for a single value
	begin, end int64
}

// valueType is a type of metadata as the file numbers it.
type valueType uint32

const (
	typeUint8 valueType = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// valueTypes names the types and says how many bytes a value takes, a string at least.
var valueTypes = [...]struct {
	name string
	size int
}{
	typeUint8: {"uint8", 1}, typeInt8: {"int8", 1}, typeUint16: {"uint16", 2}, typeInt16: {"int16", 2},
	typeUint32: {"uint32", 4}, typeInt32: {"int32", 4}, typeFloat32: {"float32", 4}, typeBool: {"bool", 1},
	typeString: {"string", 8}, typeArray: {"array", 12}, typeUint64: {"uint64", 8}, typeInt64: {"int64", 8}, typeFloat64: {"float64", 8},
}

func (t valueType) known() bool { return int(t) < len(valueTypes) }

func (v value) String() string {
	if v.count >= 0 {
		return fmt.Sprintf("an array of %d %s", v.count, valueTypes[v.typ].name)
	}
	return "a " + valueTypes[v.typ].name
}

// read reads one key and passes over its value.
func (m *Metadata) read(c *cursor) error {
	key, err := c.name()
	if err != nil {
		return fmt.Errorf("key %d: %w", len(m.values)+1, err)
	}
	if _, ok := m.values[key]; ok {
		return fmt.Errorf("key %s occurs twice", quote(key))
	}
	v, err := readValue(c)
	if err != nil {
		return fmt.Errorf("key %s: %w", quote(key), err)
	}
	m.values[key] = v
	return nil
}

// readValue passes over a value.
func readValue(c *cursor) (value, error) {
	v := value{count: -1}
	typ, err := c.uint32()
	if err != nil {
		return v, err
	}
	n := uint64(1)
	if valueType(typ) == typeArray {
		if typ, err = c.uint32(); err != nil {
			return v, err
		}
		if valueType(typ) == typeArray {
			return v, errors.New("arrays of arrays are not supported")
		}
		if n, err = c.uint64(); err != nil {
			return v, err
		}
		if n > maxElements {
			return v, fmt.Errorf("an array of %d elements, at most %d are supported", n, maxElements)
		}
		v.count = int(n)
	}
	v.typ = valueType(typ)
	if !v.typ.known() {
		return v, fmt.Errorf("type %d is not known", typ)
	}
	size := n * uint64(valueTypes[v.typ].size)
	if err := c.need(size); err != nil {
		return v, err
	}
	v.begin = c.at
	if v.typ == typeString {
		for range n {
			length, err := c.length(maxStringBytes)
			if err != nil {
				return v, err
			}
			if err := c.skip(int64(length)); err != nil {
				return v, err
			}
		}
	} else if err := c.skip(int64(size)); err != nil {
		return v, err
	}
	v.end = c.at
	return v, nil
}

// Keys returns the keys, sorted.
func (m *Metadata) Keys() []string { return slices.Sorted(maps.Keys(m.values)) }

// Has reports whether there is a key.
func (m *Metadata) Has(key string) bool {
	_, ok := m.values[key]
	return ok
}

// String returns the value of a key that is a string. It need not be valid UTF-8.
func (m *Metadata) String(key string) (string, error) {
	raw, _, err := m.one(key, "a string", typeString)
	if err != nil {
		return "", err
	}
	text, _, err := cut(key, raw)
	return string(text), err
}

// Bool returns the value of a key that is a bool.
func (m *Metadata) Bool(key string) (bool, error) {
	raw, _, err := m.one(key, "a bool", typeBool)
	if err != nil {
		return false, err
	}
	if raw[0] > 1 {
		return false, fmt.Errorf("key %s: the bool is %d, want 0 or 1", quote(key), raw[0])
	}
	return raw[0] == 1, nil
}

// Int returns the value of a key that is an integer of any type.
func (m *Metadata) Int(key string) (int64, error) {
	raw, typ, err := m.one(key, "an integer", integers...)
	if err != nil {
		return 0, err
	}
	n, ok := integer(typ, raw)
	if !ok {
		return 0, fmt.Errorf("key %s: the integer exceeds %d", quote(key), int64(math.MaxInt64))
	}
	return n, nil
}

// Float returns the value of a key that is a float32 or float64.
func (m *Metadata) Float(key string) (float64, error) {
	raw, typ, err := m.one(key, "a float", typeFloat32, typeFloat64)
	if err != nil {
		return 0, err
	}
	if typ == typeFloat32 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), nil
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(raw)), nil
}

// Strings returns the value of a key that is an array of strings. They need not be valid
// UTF-8.
func (m *Metadata) Strings(key string) ([]string, error) {
	raw, v, err := m.array(key, "an array of strings", typeString)
	if err != nil {
		return nil, err
	}
	out := make([]string, v.count)
	for i := range out {
		var s []byte
		if s, raw, err = cut(key, raw); err != nil {
			return nil, err
		}
		out[i] = string(s)
	}
	return out, nil
}

// Float32s returns the value of a key that is an array of float32.
func (m *Metadata) Float32s(key string) ([]float32, error) {
	raw, v, err := m.array(key, "an array of float32", typeFloat32)
	if err != nil {
		return nil, err
	}
	out := make([]float32, v.count)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out, nil
}

// Int32s returns the value of a key that is an array of integers of any type, each of
// which fits an int32.
func (m *Metadata) Int32s(key string) ([]int32, error) {
	raw, v, err := m.array(key, "an array of integers", integers...)
	if err != nil {
		return nil, err
	}
	out := make([]int32, v.count)
	for i := range out {
		n, ok := integer(v.typ, raw[i*valueTypes[v.typ].size:])
		if !ok || n != int64(int32(n)) {
			return nil, fmt.Errorf("key %s: element %d exceeds 32 bits", quote(key), i)
		}
		out[i] = int32(n)
	}
	return out, nil
}

// Len returns the number of elements of a key that is an array.
func (m *Metadata) Len(key string) (int, error) {
	v, ok := m.values[key]
	if !ok {
		return 0, fmt.Errorf("key %s: %w", quote(key), ErrNoKey)
	}
	if v.count < 0 {
		return 0, fmt.Errorf("key %s: want an array, the file has %s", quote(key), v)
	}
	return v.count, nil
}

// integers are the types that Int takes.
var integers = []valueType{typeUint8, typeInt8, typeUint16, typeInt16, typeUint32, typeInt32, typeUint64, typeInt64}

// integer decodes an integer; false if it does not fit.
func integer(t valueType, raw []byte) (int64, bool) {
	switch t {
	case typeUint8:
		return int64(raw[0]), true
	case typeInt8:
		return int64(int8(raw[0])), true
	case typeUint16:
		return int64(binary.LittleEndian.Uint16(raw)), true
	case typeInt16:
		return int64(int16(binary.LittleEndian.Uint16(raw))), true
	case typeUint32:
		return int64(binary.LittleEndian.Uint32(raw)), true
	case typeInt32:
		return int64(int32(binary.LittleEndian.Uint32(raw))), true
	}
	n := int64(binary.LittleEndian.Uint64(raw))
	return n, t == typeInt64 || n >= 0
}

// one returns the bytes of a single value of one of the types.
func (m *Metadata) one(key, want string, types ...valueType) ([]byte, valueType, error) {
	v, err := m.value(key, want, false, types)
	if err != nil {
		return nil, 0, err
	}
	raw, err := m.raw(key, v)
	return raw, v.typ, err
}

// array returns the bytes of an array of one of the types.
func (m *Metadata) array(key, want string, types ...valueType) ([]byte, value, error) {
	v, err := m.value(key, want, true, types)
	if err != nil {
		return nil, v, err
	}
	raw, err := m.raw(key, v)
	return raw, v, err
}

func (m *Metadata) value(key, want string, array bool, types []valueType) (value, error) {
	v, ok := m.values[key]
	if !ok {
		return v, fmt.Errorf("key %s: %w", quote(key), ErrNoKey)
	}
	if (v.count >= 0) != array || !slices.Contains(types, v.typ) {
		return v, fmt.Errorf("key %s: want %s, the file has %s", quote(key), want, v)
	}
	return v, nil
}

// raw returns the bytes of a value.
func (m *Metadata) raw(key string, v value) ([]byte, error) {
	raw := make([]byte, v.end-v.begin)
	if _, err := m.bytes.ReadAt(raw, v.begin); err != nil {
		return nil, fmt.Errorf("key %s: %w", quote(key), err)
	}
	return raw, nil
}

// cut takes the first string off the bytes of some. Its length is checked again: a file
// that was changed since it was opened must not make us reach beyond them.
func cut(key string, raw []byte) (s, rest []byte, err error) {
	if len(raw) < 8 || binary.LittleEndian.Uint64(raw) > uint64(len(raw)-8) {
		return nil, nil, fmt.Errorf("key %s: the file was changed while it was read", quote(key))
	}
	n := binary.LittleEndian.Uint64(raw)
	return raw[8 : 8+n], raw[8+n:], nil
}

// alignment returns what tensors are aligned to.
func (m *Metadata) alignment() (int64, error) {
	n, err := m.Int(alignmentKey)
	switch {
	case errors.Is(err, ErrNoKey):
		return defaultAlignment, nil
	case err != nil:
		return 0, err
	case n < 1 || n > maxAlignment || n&(n-1) != 0:
		return 0, fmt.Errorf("key %q: %d, want a power of two up to %d", alignmentKey, n, maxAlignment)
	}
	return n, nil
}
