// Package half converts the floating-point types of 16 bits that files hold.
package half

import "math"

// Float32 converts an IEEE 754 half. Every half is exact in float32.
func Float32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0: // zero and subnormals: frac * 2^-24, which float32 holds as a normal number
		v := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f: // infinities and NaN, the payload kept
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// FromBFloat16 converts a BF16, which is the upper half of a float32.
func FromBFloat16(b uint16) float32 {
	return math.Float32frombits(uint32(b) << 16)
}

// BFloat16 rounds to the nearest BF16, ties to even. A NaN stays a NaN:
// adding the rounding bias to its bits could carry it into an infinity.
func BFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + (b>>16)&1) >> 16)
}
