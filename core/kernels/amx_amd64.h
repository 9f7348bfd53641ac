// Instructions that Go's assembler does not know: AMX tiles and AVX512-BF16. A test
// compares their bytes with the manual's encodings (amx_amd64_test.go).
//
// Tiles and vector registers are given by number; general registers by their hardware
// number: AX 0, CX 1, DX 2, BX 3, SI 6, DI 7, R8 8 ... R15 15.

// VEX prefix of map 0F38, W0, 128 bits: pp is 0, 1 (66), 2 (F3) or 3 (F2).
#define VEX38(pp, v, base, index) BYTE $0xC4; BYTE $(0xE2 ^ (((base)>>3)<<5) ^ (((index)>>3)<<6)); BYTE $((pp) | ((15-(v))<<3))
// Operand [base + index + disp], disp of 32 bits.
#define TILEMEM(t, base, index, disp) BYTE $(0x84 | ((t)<<3)); BYTE $((((index)&7)<<3) | ((base)&7)); LONG $(disp)

// LDTILECFG reads 64 bytes at [base], base one of AX, CX, DX, BX, SI, DI.
#define LDTILECFG(base) VEX38(0, 0, 0, 0); BYTE $0x49; BYTE $(base)
#define TILERELEASE VEX38(0, 0, 0, 0); BYTE $0x49; BYTE $0xC0
#define TILEZERO(t) VEX38(3, 0, 0, 0); BYTE $0x49; BYTE $(0xC0 | ((t)<<3))
// Row i of the tile is at base + disp + i*index.
#define TILELOADD(t, base, index, disp) VEX38(3, 0, base, index); BYTE $0x4B; TILEMEM(t, base, index, disp)
// The same for data that need not stay in the first-level cache.
#define TILELOADDT1(t, base, index, disp) VEX38(1, 0, base, index); BYTE $0x4B; TILEMEM(t, base, index, disp)
#define TILESTORED(t, base, index, disp) VEX38(2, 0, base, index); BYTE $0x4B; TILEMEM(t, base, index, disp)
// c[i,j] += a[i,2l]*b[l,2j] + a[i,2l+1]*b[l,2j+1], float32 += bf16*bf16
#define TDPBF16PS(c, a, b) VEX38(2, b, 0, 0); BYTE $0x5C; BYTE $(0xC0 | ((c)<<3) | (a))
// c[i,j] += sum over t < 4 of a[i,4l+t]*b[l,4j+t], int32 += int8*int8
#define TDPBSSD(c, a, b) VEX38(3, b, 0, 0); BYTE $0x5E; BYTE $(0xC0 | ((c)<<3) | (a))

// EVEX prefix of map 0F38, W0, 512 bits, registers only.
#define EVEX38(pp, op, d, v, m) BYTE $0x62; BYTE $(0xF2 ^ ((((d)>>3)&1)<<7) ^ (((m)>>4)<<6) ^ ((((m)>>3)&1)<<5) ^ (((d)>>4)<<4)); BYTE $(0x04 | (pp) | ((15-((v)&15))<<3)); BYTE $(0x48 ^ (((v)>>4)<<3)); BYTE $(op); BYTE $(0xC0 | (((d)&7)<<3) | ((m)&7))
// d = 32 bf16: lo in its lower half, hi in its upper
#define VCVTNE2PS2BF16(lo, hi, d) EVEX38(3, 0x72, d, hi, lo)
// the lower half of d = 16 bf16 of s
#define VCVTNEPS2BF16(s, d) EVEX38(2, 0x72, d, 0, s)

// PREFETCHW asks for the cache line at [base + disp], to be written.
#define PREFETCHW(base, disp) BYTE $(0x40 | ((base)>>3)); BYTE $0x0F; BYTE $0x0D; BYTE $(0x88 | ((base)&7)); LONG $(disp)

// One step of a product for up to 32 rows of a, from DX and R11, R9 bytes apart, and a
// panel of b at BX: c += a b in tiles 0 to 3. Rows of a pass by and leave the first-level
// cache to the panel. ASK stands between its instructions.
#define STEP32(TDP, ASK) \
	LEAQ (R13)(SI*4), R15; \
	ASK(R13, SI, 1); \
	TILELOADDT1(4, 2, 9, 0); \
	ASK(R13, SI, 2); \
	TILELOADD(6, 3, 12, 0); \
	ASK(R13, R14, 1); \
	TILELOADD(7, 3, 12, 64); \
	ASK(R13, SI, 4); \
	TDP(0, 4, 6); \
	ASK(R15, SI, 1); \
	TILELOADDT1(5, 11, 9, 0); \
	ASK(R15, SI, 2); \
	TDP(1, 4, 7); \
	ASK(R15, R14, 1); \
	TDP(2, 5, 6); \
	ASK(R15, SI, 4); \
	TDP(3, 5, 7); \
	ADDQ $64, DX; \
	ADDQ $64, R11; \
	ADDQ $2048, BX

// What is asked for in a step: 0, 1, 2 or 4 lines of each of eight parts of what will be
// wanted next. The parts are SI bytes long, R14 is three of them.
#define ASK0(base, part, n)
#define ASK1(base, part, n) PREFETCHT1 (base)(part*n)
#define ASK2(base, part, n) PREFETCHT1 (base)(part*n); PREFETCHT1 64(base)(part*n)
#define ASK4(base, part, n) ASK2(base, part, n); PREFETCHT1 128(base)(part*n); PREFETCHT1 192(base)(part*n)

// LOOKAHEAD points R13 to what the next step will read of b: behind the last step, at
// 72(AX), what is at 64(AX).
#define LOOKAHEAD \
	LEAQ 2048(BX), R13; \
	CMPQ R13, 72(AX); \
	CMOVQHI 64(AX), R13

// AHEAD reads an eighth of that, 256 bytes, and forgets it. Between the instructions of
// this step such loads keep memory busy all the time; prefetches do that less well.
#define AHEAD(i) VMOVDQU64 (i*256)(R13), Z0; VMOVDQU64 (i*256+64)(R13), Z0; VMOVDQU64 (i*256+128)(R13), Z0; VMOVDQU64 (i*256+192)(R13), Z0

// The same for up to 16 rows of a: tiles 0 and 1.
#define STEP16AHEAD(TDP) \
	AHEAD(0); \
	AHEAD(1); \
	TILELOADD(6, 3, 12, 0); \
	AHEAD(2); \
	TILELOADD(4, 2, 9, 0); \
	AHEAD(3); \
	TDP(0, 4, 6); \
	AHEAD(4); \
	AHEAD(5); \
	TILELOADD(7, 3, 12, 64); \
	AHEAD(6); \
	AHEAD(7); \
	TDP(1, 4, 7); \
	ADDQ $64, DX; \
	ADDQ $2048, BX
