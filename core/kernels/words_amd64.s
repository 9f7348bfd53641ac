//go:build !noasm

#include "textflag.h"

// Rows of 16-bit integers times a panel of int8 in quads, on levels without tiles.
// Arguments of the products are (tile *float32, a *int16, stride uintptr, b *int8, quads
// int): stride in bytes between rows of a; a quad is 128 bytes of b. Each is
//
//	for l := range 4*quads { sum[i,j] += a[i,l] * b[l/4,j,l%4] }
//	tile[i,j] += float32(sum[i,j])
//
// with sums of 32 bits in two lanes of 32 bits a column, one for each half of a quad.

#define WORDARGS \
	MOVQ tile+0(FP), DI; \
	MOVQ a+8(FP), SI; \
	MOVQ stride+16(FP), DX; \
	MOVQ b+24(FP), BX; \
	MOVQ quads+32(FP), CX; \
	LEAQ (SI)(DX*1), R9; \
	LEAQ (SI)(DX*2), R10; \
	LEAQ (R9)(DX*2), R11

#define WORDNEXT \
	PREFETCHT0 2048(BX); \
	PREFETCHT0 2112(BX); \
	ADDQ $8, SI; \
	ADDQ $8, R9; \
	ADDQ $8, R10; \
	ADDQ $8, R11; \
	ADDQ $128, BX; \
	DECQ CX

// AVX-512: 8 columns of the panel in Z0, a quad of each row in Z4 to Z7, sums from Z8 on.

#define MADD512(a, s) VPMADDWD Z0, a, Z1; VPADDD Z1, s, s
#define ZERO512(s, t, u, v) VPXORD s, s, s; VPXORD t, t, t; VPXORD u, u, u; VPXORD v, v, v
#define SUM512(off, s) VPSRLQ $32, s, Z1; VPADDD Z1, s, s; VPMOVQD s, Y1; VCVTDQ2PS Y1, Y1; VADDPS off(DI), Y1, Y1; VMOVUPS Y1, off(DI)
#define SUMS512(off, s, t, u, v) SUM512(off, s); SUM512(off+32, t); SUM512(off+64, u); SUM512(off+96, v)

// func words1AVX512(tile *float32, a *int16, stride uintptr, b *int8, quads int)
TEXT ·words1AVX512(SB), NOSPLIT, $0-40
	WORDARGS
	ZERO512(Z8, Z9, Z10, Z11)

quad:
	VPBROADCASTQ (SI), Z4
	VPMOVSXBW (BX), Z0
	MADD512(Z4, Z8)
	VPMOVSXBW 32(BX), Z0
	MADD512(Z4, Z9)
	VPMOVSXBW 64(BX), Z0
	MADD512(Z4, Z10)
	VPMOVSXBW 96(BX), Z0
	MADD512(Z4, Z11)
	WORDNEXT
	JNZ quad
	SUMS512(0, Z8, Z9, Z10, Z11)
	VZEROUPPER
	RET

// func words4AVX512(tile *float32, a *int16, stride uintptr, b *int8, quads int)
TEXT ·words4AVX512(SB), NOSPLIT, $0-40
	WORDARGS
	ZERO512(Z8, Z9, Z10, Z11)
	ZERO512(Z12, Z13, Z14, Z15)
	ZERO512(Z16, Z17, Z18, Z19)
	ZERO512(Z20, Z21, Z22, Z23)

quad:
	VPBROADCASTQ (SI), Z4
	VPBROADCASTQ (R9), Z5
	VPBROADCASTQ (R10), Z6
	VPBROADCASTQ (R11), Z7
	VPMOVSXBW (BX), Z0
	MADD512(Z4, Z8)
	MADD512(Z5, Z12)
	MADD512(Z6, Z16)
	MADD512(Z7, Z20)
	VPMOVSXBW 32(BX), Z0
	MADD512(Z4, Z9)
	MADD512(Z5, Z13)
	MADD512(Z6, Z17)
	MADD512(Z7, Z21)
	VPMOVSXBW 64(BX), Z0
	MADD512(Z4, Z10)
	MADD512(Z5, Z14)
	MADD512(Z6, Z18)
	MADD512(Z7, Z22)
	VPMOVSXBW 96(BX), Z0
	MADD512(Z4, Z11)
	MADD512(Z5, Z15)
	MADD512(Z6, Z19)
	MADD512(Z7, Z23)
	WORDNEXT
	JNZ quad
	SUMS512(0, Z8, Z9, Z10, Z11)
	SUMS512(128, Z12, Z13, Z14, Z15)
	SUMS512(256, Z16, Z17, Z18, Z19)
	SUMS512(384, Z20, Z21, Z22, Z23)
	VZEROUPPER
	RET

// AVX2: 4 columns of the panel in Y0, a quad of each row in Y4 and Y5, sums from Y8 on.

#define MADD256(a, s) VPMADDWD Y0, a, Y1; VPADDD Y1, s, s
#define ZERO256(s, t, u, v) VPXOR s, s, s; VPXOR t, t, t; VPXOR u, u, u; VPXOR v, v, v
#define SUM256(off, s, t) \
	VPSRLQ $32, s, Y1; \
	VPADDD Y1, s, s; \
	VPSRLQ $32, t, Y1; \
	VPADDD Y1, t, t; \
	VSHUFPS $0x88, t, s, Y1; \
	VPERMQ $0xD8, Y1, Y1; \
	VCVTDQ2PS Y1, Y1; \
	VADDPS off(DI), Y1, Y1; \
	VMOVUPS Y1, off(DI)

// func words1AVX2(tile *float32, a *int16, stride uintptr, b *int8, quads int)
TEXT ·words1AVX2(SB), NOSPLIT, $0-40
	WORDARGS
	ZERO256(Y8, Y9, Y10, Y11)
	ZERO256(Y12, Y13, Y14, Y15)

quad:
	VPBROADCASTQ (SI), Y4
	VPMOVSXBW (BX), Y0
	MADD256(Y4, Y8)
	VPMOVSXBW 16(BX), Y0
	MADD256(Y4, Y9)
	VPMOVSXBW 32(BX), Y0
	MADD256(Y4, Y10)
	VPMOVSXBW 48(BX), Y0
	MADD256(Y4, Y11)
	VPMOVSXBW 64(BX), Y0
	MADD256(Y4, Y12)
	VPMOVSXBW 80(BX), Y0
	MADD256(Y4, Y13)
	VPMOVSXBW 96(BX), Y0
	MADD256(Y4, Y14)
	VPMOVSXBW 112(BX), Y0
	MADD256(Y4, Y15)
	WORDNEXT
	JNZ quad
	SUM256(0, Y8, Y9)
	SUM256(32, Y10, Y11)
	SUM256(64, Y12, Y13)
	SUM256(96, Y14, Y15)
	VZEROUPPER
	RET

// func words2AVX2(tile *float32, a *int16, stride uintptr, b *int8, quads int)
// for the first 16 columns of the panel
TEXT ·words2AVX2(SB), NOSPLIT, $0-40
	WORDARGS
	ZERO256(Y8, Y9, Y10, Y11)
	ZERO256(Y12, Y13, Y14, Y15)

quad:
	VPBROADCASTQ (SI), Y4
	VPBROADCASTQ (R9), Y5
	VPMOVSXBW (BX), Y0
	MADD256(Y4, Y8)
	MADD256(Y5, Y12)
	VPMOVSXBW 16(BX), Y0
	MADD256(Y4, Y9)
	MADD256(Y5, Y13)
	VPMOVSXBW 32(BX), Y0
	MADD256(Y4, Y10)
	MADD256(Y5, Y14)
	VPMOVSXBW 48(BX), Y0
	MADD256(Y4, Y11)
	MADD256(Y5, Y15)
	WORDNEXT
	JNZ quad
	SUM256(0, Y8, Y9)
	SUM256(32, Y10, Y11)
	SUM256(128, Y12, Y13)
	SUM256(160, Y14, Y15)
	VZEROUPPER
	RET

// func wordRowAVX2(dst *int16, x *uint16, n int, inverse float32)
// dst[i] = round(x[i] * inverse), x of bfloat16; n is a multiple of 16.
TEXT ·wordRowAVX2(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS inverse+24(FP), Y4

loop:
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPSLLD $16, Y0, Y0
	VPSLLD $16, Y1, Y1
	VMULPS Y4, Y0, Y0
	VMULPS Y4, Y1, Y1
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VPACKSSDW Y1, Y0, Y0
	VPERMQ $0xD8, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET
