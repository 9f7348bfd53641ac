//go:build !noasm

#include "textflag.h"

// Few rows of float32 times a panel of bfloat16, on levels without tiles: the panel is
// widened in registers and read once. Each function is
//
//	for l := range n { tile[i,j] = fma(a[i,l], b[l,j], tile[i,j]) }
//
// from zero, one accumulator an element in ascending l, as the float32 tiles do it. b is
// asked for 2 KiB ahead.
//
// Arguments are (tile, a *float32, stride uintptr, b *uint16, pairs int): stride in bytes
// between rows of a; a pair of inner indices is 128 bytes of b.

#define FEWARGS \
	MOVQ tile+0(FP), DI; \
	MOVQ a+8(FP), SI; \
	MOVQ stride+16(FP), DX; \
	MOVQ b+24(FP), BX; \
	MOVQ pairs+32(FP), CX; \
	LEAQ (SI)(DX*1), R9; \
	LEAQ (SI)(DX*2), R10; \
	LEAQ (R9)(DX*2), R11

// AVX-512: a pair's 32 columns are in Z0 and Z1, one inner index of them as floats in Z2
// and Z3, sums from Z16 on.

#define ROW512(off, a, s, t) VFMADD231PS.BCST off(a), Z2, s; VFMADD231PS.BCST off(a), Z3, t
#define ONE512(off) ROW512(off, SI, Z16, Z17)
#define TWO512(off) ONE512(off); ROW512(off, R9, Z18, Z19)
#define FOUR512(off) TWO512(off); ROW512(off, R10, Z20, Z21); ROW512(off, R11, Z22, Z23)

#define ZERO512(s, t) VPXORD s, s, s; VPXORD t, t, t
#define ZEROONE512 ZERO512(Z16, Z17)
#define ZEROTWO512 ZEROONE512; ZERO512(Z18, Z19)
#define ZEROFOUR512 ZEROTWO512; ZERO512(Z20, Z21); ZERO512(Z22, Z23)

#define STORE512(off, s, t) VMOVUPS s, off(DI); VMOVUPS t, (off+64)(DI)
#define STOREONE512 STORE512(0, Z16, Z17)
#define STORETWO512 STOREONE512; STORE512(128, Z18, Z19)
#define STOREFOUR512 STORETWO512; STORE512(256, Z20, Z21); STORE512(384, Z22, Z23)

#define LEFT512(bits) VPSLLD bits, Z0, Z2; VPSLLD bits, Z1, Z3
#define PAIR512(ROWS) \
	VMOVDQU64 (BX), Z0; \
	VMOVDQU64 64(BX), Z1; \
	LEFT512($16); \
	ROWS(0); \
	VPANDD Z31, Z0, Z2; \
	VPANDD Z31, Z1, Z3; \
	ROWS(4); \
	ADDQ $8, SI; \
	ADDQ $8, R9; \
	ADDQ $8, R10; \
	ADDQ $8, R11; \
	ADDQ $128, BX

#define HIGH512 MOVL $0xffff0000, AX; VPBROADCASTD AX, Z31

// AVX2: 8 columns of a pair are in Y0, one inner index of them as floats in Y1, sums from
// Y8 on; a row's element is broadcast to Y2 or Y3.

#define ROW256(off, a, y, s) VBROADCASTSS off(a), y; VFMADD231PS Y1, y, s

#define ONE256(off, s, t) ROW256(off, SI, Y2, s)
#define TWO256(off, s, t) ROW256(off, SI, Y2, s); ROW256(off, R9, Y3, t)

#define PAIRCOLUMNS256(at, ROWS, s, t) \
	VMOVDQU at(BX), Y0; \
	VPSLLD $16, Y0, Y1; \
	ROWS(0, s, t); \
	VPAND Y4, Y0, Y1; \
	ROWS(4, s, t)

#define PAIR256(ROWS) \
	PAIRCOLUMNS256(0, ROWS, Y8, Y12); \
	PAIRCOLUMNS256(32, ROWS, Y9, Y13); \
	PAIRCOLUMNS256(64, ROWS, Y10, Y14); \
	PAIRCOLUMNS256(96, ROWS, Y11, Y15); \
	ADDQ $8, SI; \
	ADDQ $8, R9; \
	ADDQ $128, BX

#define HIGH256 MOVL $0xffff0000, AX; VMOVD AX, X4; VPBROADCASTD X4, Y4

#define ZERO256(s, t, u, v) VPXOR s, s, s; VPXOR t, t, t; VPXOR u, u, u; VPXOR v, v, v
#define ZEROONE256 ZERO256(Y8, Y9, Y10, Y11)
#define ZEROTWO256 ZEROONE256; ZERO256(Y12, Y13, Y14, Y15)

#define STORE256(off, s, t, u, v) VMOVUPS s, off(DI); VMOVUPS t, (off+32)(DI); VMOVUPS u, (off+64)(DI); VMOVUPS v, (off+96)(DI)
#define STOREONE256 STORE256(0, Y8, Y9, Y10, Y11)
#define STORETWO256 STOREONE256; STORE256(128, Y12, Y13, Y14, Y15)

#define FEW(name, ZERO, HIGH, STEP, ROWS, STORE) \
TEXT name(SB), NOSPLIT, $0-40; \
	FEWARGS; \
	HIGH; \
	ZERO; \
loop: \
	PREFETCHT0 2048(BX); \
	PREFETCHT0 2112(BX); \
	STEP(ROWS); \
	DECQ CX; \
	JNZ loop; \
	STORE; \
	VZEROUPPER; \
	RET

FEW(·pairs1AVX512, ZEROONE512, HIGH512, PAIR512, ONE512, STOREONE512)
FEW(·pairs2AVX512, ZEROTWO512, HIGH512, PAIR512, TWO512, STORETWO512)
FEW(·pairs4AVX512, ZEROFOUR512, HIGH512, PAIR512, FOUR512, STOREFOUR512)
FEW(·pairs1AVX2, ZEROONE256, HIGH256, PAIR256, ONE256, STOREONE256)
FEW(·pairs2AVX2, ZEROTWO256, HIGH256, PAIR256, TWO256, STORETWO256)
