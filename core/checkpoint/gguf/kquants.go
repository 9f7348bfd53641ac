package gguf

// A super-block of 256 elements is some blocks of 16 or 32, whose scales are quantised
// themselves: x = d s q, or d s q - dmin m, with d and dmin of the super-block, s and m
// of the block. Products and sums round as in quants.go.

// q2KBlock: 16 bytes of scales (s in the low, m in the high nibble), 64 bytes of two-bit
// elements, d, dmin; blocks of 16. A byte holds elements of four blocks 32 apart.
func q2KBlock(out *[maxBlock]float32, raw []byte) {
	scales, q := raw[:16], raw[16:80]
	d, dmin := scale(raw, 80), scale(raw, 82)
	for i := range maxBlock {
		s := scales[i/16]
		q := q[i/128*32+i%32] >> (i / 32 % 4 * 2) & 3
		out[i] = float32(float32(d*float32(s&15))*float32(q)) - float32(dmin*float32(s>>4))
	}
}

// q3KBlock: 32 bytes of third bits, 64 bytes of two-bit elements, 12 bytes with 16 scales
// of six bits, d; blocks of 16; x = d (s - 32) (q - 4).
func q3KBlock(out *[maxBlock]float32, raw []byte) {
	third, q, scales := raw[:32], raw[32:96], raw[96:108]
	d := scale(raw, 108)
	for i := range maxBlock {
		b := i / 16
		low := scales[b%8] >> (b / 8 * 4) & 15
		high := scales[8+b%4] >> (b / 4 * 2) & 3
		low2 := q[i/128*32+i%32] >> (i / 32 % 4 * 2) & 3
		bit := third[i%32] >> (i / 32) & 1
		out[i] = float32(d*float32(int(high<<4|low)-32)) * float32(int(bit<<2|low2)-4)
	}
}

// scaleMin returns the scale and the minimum of block b of 8, six bits each in 12 bytes:
// those of the first four in the low bits of a byte each, of the last four in nibbles,
// whose upper two bits are the upper two of the first eight bytes.
func scaleMin(packed []byte, b int) (s, m byte) {
	if b < 4 {
		return packed[b] & 63, packed[b+4] & 63
	}
	return packed[b+4]&15 | packed[b-4]>>6<<4, packed[b+4]>>4 | packed[b]>>6<<4
}

// q4KBlock: d, dmin, 12 bytes with eight scales and minima, 128 bytes of nibbles; blocks
// of 32, two of which share their bytes.
func q4KBlock(out *[maxBlock]float32, raw []byte) {
	d, dmin, q := scale(raw, 0), scale(raw, 2), raw[16:144]
	for b := range 8 {
		s, m := scaleMin(raw[4:16], b)
		ds, dm := float32(d*float32(s)), float32(dmin*float32(m))
		for i := range 32 {
			v := q[b/2*32+i] >> (b % 2 * 4) & 15
			out[b*32+i] = float32(ds*float32(v)) - dm
		}
	}
}

// q5KBlock: as q4KBlock, with 32 bytes of fifth bits before the nibbles, a bit for each
// block.
func q5KBlock(out *[maxBlock]float32, raw []byte) {
	d, dmin, fifth, q := scale(raw, 0), scale(raw, 2), raw[16:48], raw[48:176]
	for b := range 8 {
		s, m := scaleMin(raw[4:16], b)
		ds, dm := float32(d*float32(s)), float32(dmin*float32(m))
		for i := range 32 {
			v := q[b/2*32+i]>>(b%2*4)&15 | fifth[i]>>b&1<<4
			out[b*32+i] = float32(ds*float32(v)) - dm
		}
	}
}

// q6KBlock: 128 bytes of nibbles, 64 bytes of upper pairs of bits, 16 signed scales, d;
// blocks of 16; x = d s (q - 32).
func q6KBlock(out *[maxBlock]float32, raw []byte) {
	low, high, scales := raw[:128], raw[128:192], raw[192:208]
	d := scale(raw, 208)
	for i := range maxBlock {
		half, at := i/128, i%128
		v := low[half*64+at%64]>>(at/64*4)&15 | high[half*32+at%32]>>(at/32*2)&3<<4
		out[i] = float32(d*float32(int8(scales[i/16]))) * float32(int(v)-32)
	}
}
