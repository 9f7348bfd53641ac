package gguf

import (
	"encoding/binary"
	"math"

	"github.com/any-order/a3/core/checkpoint/internal/half"
)

// A block of 32 elements is a scale d, in some types a minimum m, and the quantised
// elements: x = d q, or d q + m. Four bits of the elements i and i+16 share a byte.
//
// Every product is converted to float32, which forbids the compiler to fuse it with a
// sum: the values are the same on every machine.

// scale reads a float16 at an offset.
func scale(raw []byte, at int) float32 { return half.Float32(binary.LittleEndian.Uint16(raw[at:])) }

func f32Block(out *[maxBlock]float32, raw []byte) {
	out[0] = math.Float32frombits(binary.LittleEndian.Uint32(raw))
}

func f16Block(out *[maxBlock]float32, raw []byte) { out[0] = scale(raw, 0) }

func bf16Block(out *[maxBlock]float32, raw []byte) {
	out[0] = half.FromBFloat16(binary.LittleEndian.Uint16(raw))
}

// q4_0Block: d, 16 bytes of nibbles; x = d (q - 8).
func q4_0Block(out *[maxBlock]float32, raw []byte) {
	d := scale(raw, 0)
	for i, b := range raw[2:18] {
		out[i] = d * float32(int(b&15)-8)
		out[i+16] = d * float32(int(b>>4)-8)
	}
}

// q4_1Block: d, m, 16 bytes of nibbles; x = d q + m.
func q4_1Block(out *[maxBlock]float32, raw []byte) {
	d, m := scale(raw, 0), scale(raw, 2)
	for i, b := range raw[4:20] {
		out[i] = float32(d*float32(b&15)) + m
		out[i+16] = float32(d*float32(b>>4)) + m
	}
}

// q5_0Block: d, 32 fifth bits, 16 bytes of nibbles; x = d (q - 16).
func q5_0Block(out *[maxBlock]float32, raw []byte) {
	d, fifth := scale(raw, 0), binary.LittleEndian.Uint32(raw[2:])
	for i, b := range raw[6:22] {
		out[i] = d * float32(int(b&15)+bit16(fifth, i)-16)
		out[i+16] = d * float32(int(b>>4)+bit16(fifth, i+16)-16)
	}
}

// q5_1Block: d, m, 32 fifth bits, 16 bytes of nibbles; x = d q + m.
func q5_1Block(out *[maxBlock]float32, raw []byte) {
	d, m, fifth := scale(raw, 0), scale(raw, 2), binary.LittleEndian.Uint32(raw[4:])
	for i, b := range raw[8:24] {
		out[i] = float32(d*float32(int(b&15)+bit16(fifth, i))) + m
		out[i+16] = float32(d*float32(int(b>>4)+bit16(fifth, i+16))) + m
	}
}

// bit16 returns bit i as the fifth of an element: 0 or 16.
func bit16(bits uint32, i int) int { return int(bits>>i&1) << 4 }

// q8_0Block: d, 32 signed bytes; x = d q.
func q8_0Block(out *[maxBlock]float32, raw []byte) {
	d := scale(raw, 0)
	for i, b := range raw[2:34] {
		out[i] = d * float32(int8(b))
	}
}
