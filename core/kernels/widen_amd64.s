//go:build !noasm

#include "textflag.h"

// Bfloat16 to float32 and back on levels without tiles: integer shifts, which round and
// clear as the instructions of the tiles' level do. Each function is the loop of its twin
// in bf16.go.

// ROUND512 makes 16 bf16 of the floats in z, in 32 bits each: 1, 0x7fff, 0x7f800000,
// 0x8000 and 0x40 stand in Z31 to Z27.
#define ROUND512(z, s, t) \
	VPSRLD $16, z, s; \
	VPANDD Z31, s, t; \
	VPADDD Z30, t, t; \
	VPADDD z, t, t; \
	VPSRLD $16, t, t; \
	VPTESTNMD Z29, z, K1; \
	VPANDD Z28, s, K1, t; \
	VCMPPS $3, z, z, K2; \
	VPORD Z27, s, K2, t

#define ROUNDCONSTANTS512 \
	MOVL $1, AX; \
	VPBROADCASTD AX, Z31; \
	MOVL $0x7fff, AX; \
	VPBROADCASTD AX, Z30; \
	MOVL $0x7f800000, AX; \
	VPBROADCASTD AX, Z29; \
	MOVL $0x8000, AX; \
	VPBROADCASTD AX, Z28; \
	MOVL $0x40, AX; \
	VPBROADCASTD AX, Z27

// func toBF16AVX512(dst *uint16, x *float32, n int)
// n is a positive multiple of 16.
TEXT ·toBF16AVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	ROUNDCONSTANTS512

loop:
	VMOVUPS (SI), Z0
	ROUND512(Z0, Z1, Z2)
	VPMOVDW Z2, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET

// func scaleMulBF16AVX512(dst *uint16, x, w *float32, n int, s float32)
// n is a positive multiple of 16.
TEXT ·scaleMulBF16AVX512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Z4
	ROUNDCONSTANTS512

loop:
	VMULPS (SI), Z4, Z0
	VMULPS (DX), Z0, Z0
	ROUND512(Z0, Z1, Z2)
	VPMOVDW Z2, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET

// func fromBF16AVX512(dst *float32, x *uint16, n int)
// n is a positive multiple of 16.
TEXT ·fromBF16AVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VPMOVZXWD (SI), Z0
	VPSLLD $16, Z0, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $32, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET

// func widenPairsAVX512(dst *float32, src *uint16, pairs int)
// A number of 32 bits holds a column's two inner indices.
TEXT ·widenPairsAVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ pairs+16(FP), CX
	MOVL $0xffff0000, AX
	VPBROADCASTD AX, Z4

pair:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VPSLLD $16, Z0, Z2
	VPSLLD $16, Z1, Z3
	VPANDD Z4, Z0, Z0
	VPANDD Z4, Z1, Z1
	VMOVDQU64 Z2, (DI)
	VMOVDQU64 Z3, 64(DI)
	VMOVDQU64 Z0, 128(DI)
	VMOVDQU64 Z1, 192(DI)
	PREFETCHT0 2048(SI)
	PREFETCHT0 2112(SI)
	ADDQ $128, SI
	ADDQ $256, DI
	DECQ CX
	JNZ  pair
	VZEROUPPER
	RET

// ROUND256 makes 8 bf16 of the floats in y, in 32 bits each, with 1, 0x7fff, 0x7f800000,
// 0x8000 and 0x40 in Y15 to Y11 and zero in Y10; y is lost.
#define ROUND256(y, s, t, u) \
	VPSRLD $16, y, s; \
	VPAND Y15, s, t; \
	VPADDD Y14, t, t; \
	VPADDD y, t, t; \
	VPSRLD $16, t, t; \
	VPAND Y13, y, u; \
	VPCMPEQD Y10, u, u; \
	VCMPPS $3, y, y, y; \
	VPBLENDVB y, s, t, t; \
	VPAND Y11, y, y; \
	VPOR y, t, t; \
	VPAND Y12, s, s; \
	VPBLENDVB u, s, t, t

#define ROUNDCONSTANTS256 \
	MOVL $1, AX; \
	VMOVD AX, X15; \
	VPBROADCASTD X15, Y15; \
	MOVL $0x7fff, AX; \
	VMOVD AX, X14; \
	VPBROADCASTD X14, Y14; \
	MOVL $0x7f800000, AX; \
	VMOVD AX, X13; \
	VPBROADCASTD X13, Y13; \
	MOVL $0x8000, AX; \
	VMOVD AX, X12; \
	VPBROADCASTD X12, Y12; \
	MOVL $0x40, AX; \
	VMOVD AX, X11; \
	VPBROADCASTD X11, Y11; \
	VPXOR Y10, Y10, Y10

// func toBF16AVX2(dst *uint16, x *float32, n int)
// n is a positive multiple of 16.
TEXT ·toBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	ROUNDCONSTANTS256

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y4
	ROUND256(Y0, Y1, Y2, Y3)
	ROUND256(Y4, Y5, Y6, Y7)
	VPACKUSDW Y6, Y2, Y2
	VPERMQ $0xD8, Y2, Y2
	VMOVDQU Y2, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET

// func scaleMulBF16AVX2(dst *uint16, x, w *float32, n int, s float32)
// n is a positive multiple of 16.
TEXT ·scaleMulBF16AVX2(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Y8
	ROUNDCONSTANTS256

loop:
	VMULPS (SI), Y8, Y0
	VMULPS 32(SI), Y8, Y4
	VMULPS (DX), Y0, Y0
	VMULPS 32(DX), Y4, Y4
	ROUND256(Y0, Y1, Y2, Y3)
	ROUND256(Y4, Y5, Y6, Y7)
	VPACKUSDW Y6, Y2, Y2
	VPERMQ $0xD8, Y2, Y2
	VMOVDQU Y2, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $32, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET

// func fromBF16AVX2(dst *float32, x *uint16, n int)
// n is a positive multiple of 16.
TEXT ·fromBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPSLLD $16, Y0, Y0
	VPSLLD $16, Y1, Y1
	VMOVDQU Y0, (DI)
	VMOVDQU Y1, 32(DI)
	ADDQ $32, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET

#define PAIR256(off) \
	VMOVDQU off(SI), Y0; \
	VPSLLD $16, Y0, Y1; \
	VPAND Y4, Y0, Y0; \
	VMOVDQU Y1, off(DI); \
	VMOVDQU Y0, (off+128)(DI)

// func widenPairsAVX2(dst *float32, src *uint16, pairs int)
TEXT ·widenPairsAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ pairs+16(FP), CX
	MOVL $0xffff0000, AX
	VMOVD AX, X4
	VPBROADCASTD X4, Y4

pair:
	PAIR256(0)
	PAIR256(32)
	PAIR256(64)
	PAIR256(96)
	PREFETCHT0 2048(SI)
	PREFETCHT0 2112(SI)
	ADDQ $128, SI
	ADDQ $256, DI
	DECQ CX
	JNZ  pair
	VZEROUPPER
	RET
