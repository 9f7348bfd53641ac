// Package gguftest writes GGUF files for tests, right and wrong ones.
package gguftest

import (
	"encoding/binary"
	"math"
)

// The types of metadata as files number them.
const (
	Uint8   = 0
	Int8    = 1
	Uint16  = 2
	Int16   = 3
	Uint32  = 4
	Int32   = 5
	Float32 = 6
	Bool    = 7
	String  = 8
	Array   = 9
	Uint64  = 10
	Int64   = 11
	Float64 = 12
)

// Builder makes a file. What it is told, it writes: nothing is checked.
type Builder struct {
	Version       uint32
	Tensors, Keys uint64 // added to the counts in the header

	keys, tensors uint64
	kv, infos     []byte
	data          []byte
}

// New returns a builder of version 3.
func New() *Builder { return &Builder{Version: 3} }

// Key adds a key whose value is the bytes of value, joined.
func (b *Builder) Key(key string, typ uint32, value ...[]byte) *Builder {
	b.kv = Cat(b.kv, Str(key), U32(typ), Cat(value...))
	b.keys++
	return b
}

// Text adds a key whose value is a string.
func (b *Builder) Text(key, value string) *Builder { return b.Key(key, String, Str(value)) }

// Int adds a key whose value is a uint32.
func (b *Builder) Int(key string, value int) *Builder { return b.Key(key, Uint32, U32(uint32(value))) }

// Float adds a key whose value is a float32.
func (b *Builder) Float(key string, value float32) *Builder {
	return b.Key(key, Float32, U32(math.Float32bits(value)))
}

// Tensor adds what the header says of a tensor. dims begin with the one whose index runs
// fastest.
func (b *Builder) Tensor(name string, typ uint32, offset uint64, dims ...uint64) *Builder {
	b.infos = Cat(b.infos, Str(name), U32(uint32(len(dims))))
	for _, d := range dims {
		b.infos = append(b.infos, U64(d)...)
	}
	b.infos = Cat(b.infos, U32(typ), U64(offset))
	b.tensors++
	return b
}

// Data adds a tensor with its bytes, behind those that Data added before.
func (b *Builder) Data(name string, typ uint32, data []byte, dims ...uint64) *Builder {
	b.Tensor(name, typ, uint64(len(b.data)), dims...)
	b.data = padded(append(b.data, data...))
	return b
}

// Values is Data for a tensor of F32.
func (b *Builder) Values(name string, values []float32, dims ...uint64) *Builder {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return b.Data(name, 0, data, dims...)
}

// File returns the file: the header and, padded before, the bytes that Data was given
// and those of data. Without any, the header is not padded.
func (b *Builder) File(data []byte) []byte {
	out := Cat([]byte("GGUF"), U32(b.Version), U64(b.tensors+b.Tensors), U64(b.keys+b.Keys), b.kv, b.infos)
	if data = append(b.data[:len(b.data):len(b.data)], data...); data != nil {
		out = padded(out)
	}
	return append(out, data...)
}

// padded appends zeros up to the default alignment.
func padded(b []byte) []byte {
	const alignment = 32
	return append(b, make([]byte, -len(b)&(alignment-1))...)
}

// Str returns a string with its length.
func Str(s string) []byte { return append(U64(uint64(len(s))), s...) }

// U32 returns the bytes of n.
func U32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// U64 returns the bytes of n.
func U64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// Cat joins bytes.
func Cat(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
