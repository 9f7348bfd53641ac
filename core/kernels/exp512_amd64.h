// The exponential function on 16 lanes. Each file that includes this has its own copy of
// the constants.

DATA expc<>+0(SB)/4, $0x3fb8aa3b  // log2(e)
DATA expc<>+4(SB)/4, $0x3f317200  // ln 2, high part
DATA expc<>+8(SB)/4, $0x35bfbe8e  // ln 2, low part
DATA expc<>+12(SB)/4, $0x3ab60b61 // 1/720
DATA expc<>+16(SB)/4, $0x3c088889 // 1/120
DATA expc<>+20(SB)/4, $0x3d2aaaab // 1/24
DATA expc<>+24(SB)/4, $0x3e2aaaab // 1/6
DATA expc<>+28(SB)/4, $0x3f000000 // 1/2
DATA expc<>+32(SB)/4, $0x3f800000 // 1
DATA expc<>+36(SB)/4, $0xc3160000 // -150: exp is 0 there
DATA expc<>+40(SB)/4, $0x42c80000 // 100: exp is +Inf there
GLOBL expc<>(SB), RODATA|NOPTR, $44

#define EXPCONST \
	VBROADCASTSS expc<>+0(SB), Z16  \
	VBROADCASTSS expc<>+4(SB), Z17  \
	VBROADCASTSS expc<>+8(SB), Z18  \
	VBROADCASTSS expc<>+12(SB), Z19 \
	VBROADCASTSS expc<>+16(SB), Z20 \
	VBROADCASTSS expc<>+20(SB), Z21 \
	VBROADCASTSS expc<>+24(SB), Z22 \
	VBROADCASTSS expc<>+28(SB), Z23 \
	VBROADCASTSS expc<>+32(SB), Z24 \
	VBROADCASTSS expc<>+36(SB), Z25 \
	VBROADCASTSS expc<>+40(SB), Z26

// EXP replaces x by exp(x), with n and p as scratch: exp(x) = 2^n exp(r), where n is
// the nearest integer to x/ln 2 and |r| <= ln(2)/2, and exp(r) is its Taylor
// polynomial of degree 6 (relative error below 3e-7). NaN stays NaN: VMAXPS and
// VMINPS return their first operand as Go writes it when either is NaN.
#define EXP(x, n, p) \
	VMAXPS       x, Z25, x    \
	VMINPS       x, Z26, x    \
	VMULPS       Z16, x, n    \
	VRNDSCALEPS  $8, n, n     \
	VFNMADD231PS Z17, n, x    \
	VFNMADD231PS Z18, n, x    \
	VMOVAPS      Z19, p       \
	VFMADD213PS  Z20, x, p    \
	VFMADD213PS  Z21, x, p    \
	VFMADD213PS  Z22, x, p    \
	VFMADD213PS  Z23, x, p    \
	VFMADD213PS  Z24, x, p    \
	VFMADD213PS  Z24, x, p    \
	VSCALEFPS    n, p, x
