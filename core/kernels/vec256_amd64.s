//go:build !noasm

#include "textflag.h"
#include "vec_amd64.h"

// Vector kernels for AVX2 and FMA. They compute what vec512_amd64.s computes, bit for
// bit: sums run over 16 lanes in two registers, in the same order. Kernels without a sum
// take 8 lanes a turn. What is left at the end goes through masked loads and stores, so
// that any length works and no lane outside is read or written; the masked form of a
// body is the same text with other load and store macros.

// Constants stand eight times each, to be operands from memory: 16 registers are few.
#define EIGHT(to, at, pair) \
	DATA to+at+0(SB)/8, pair;  \
	DATA to+at+8(SB)/8, pair;  \
	DATA to+at+16(SB)/8, pair; \
	DATA to+at+24(SB)/8, pair

EIGHT(expc<>, 0, $0x3fb8aa3b3fb8aa3b)   // log2(e)
EIGHT(expc<>, 32, $0x3f3172003f317200)  // ln 2, high part
EIGHT(expc<>, 64, $0x35bfbe8e35bfbe8e)  // ln 2, low part
EIGHT(expc<>, 96, $0x3ab60b613ab60b61)  // 1/720
EIGHT(expc<>, 128, $0x3c0888893c088889) // 1/120
EIGHT(expc<>, 160, $0x3d2aaaab3d2aaaab) // 1/24
EIGHT(expc<>, 192, $0x3e2aaaab3e2aaaab) // 1/6
EIGHT(expc<>, 224, $0x3f0000003f000000) // 1/2
EIGHT(expc<>, 256, $0x3f8000003f800000) // 1
EIGHT(expc<>, 288, $0xc3160000c3160000) // -150: exp is 0 there
EIGHT(expc<>, 320, $0x42c8000042c80000) // 100: exp is +Inf there
EIGHT(expc<>, 352, $0x0000007f0000007f) // exponent of 1
GLOBL expc<>(SB), RODATA|NOPTR, $384

// lanes holds 32 lanes of ones, then 32 of zeros: 128-4n bytes on stands the mask of the
// first n lanes.
EIGHT(·lanes, 0, $-1)
EIGHT(·lanes, 32, $-1)
EIGHT(·lanes, 64, $-1)
EIGHT(·lanes, 96, $-1)
EIGHT(·lanes, 128, $0)
EIGHT(·lanes, 160, $0)
EIGHT(·lanes, 192, $0)
EIGHT(·lanes, 224, $0)
GLOBL ·lanes(SB), RODATA|NOPTR, $256

// EXP replaces x by exp(x) as the macro of exp512_amd64.h does, with n and p as scratch.
// The last six instructions are its VSCALEFPS: 2^n is multiplied in two halves, the
// first product is exact, so that results below the normal range are rounded once. For a
// NaN both halves become 1.
#define EXP(x, n, p) \
	VMOVUPS      expc<>+288(SB), n    \
	VMAXPS       x, n, x              \
	VMOVUPS      expc<>+320(SB), n    \
	VMINPS       x, n, x              \
	VMULPS       expc<>+0(SB), x, n   \
	VROUNDPS     $8, n, n             \
	VFNMADD231PS expc<>+32(SB), n, x  \
	VFNMADD231PS expc<>+64(SB), n, x  \
	VMOVUPS      expc<>+96(SB), p     \
	VFMADD213PS  expc<>+128(SB), x, p \
	VFMADD213PS  expc<>+160(SB), x, p \
	VFMADD213PS  expc<>+192(SB), x, p \
	VFMADD213PS  expc<>+224(SB), x, p \
	VFMADD213PS  expc<>+256(SB), x, p \
	VFMADD213PS  expc<>+256(SB), x, p \
	VCVTPS2DQ    n, n                 \
	VPSRAD       $1, n, x             \
	VPSUBD       x, n, n              \
	VPADDD       expc<>+352(SB), x, x \
	VPADDD       expc<>+352(SB), n, n \
	VPSLLD       $23, x, x            \
	VPSLLD       $23, n, n            \
	VMULPS       x, p, p              \
	VMULPS       n, p, x

// SUM16 adds the 16 lanes of Y0 and Y1 into X0, by halves.
#define SUM16 \
	VADDPS       Y1, Y0, Y0    \
	VEXTRACTF128 $1, Y0, X1    \
	VADDPS       X1, X0, X0    \
	VPERMILPS    $0x4e, X0, X1 \
	VADDPS       X1, X0, X0    \
	VPERMILPS    $0xb1, X0, X1 \
	VADDPS       X1, X0, X0

// func maxAVX2(x *float32, n int) float32
TEXT ·maxAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS (SI), Y0
	VMOVAPS Y0, Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y0, Y3

max32:
	CMPQ CX, $32
	JLT  max8
	VMAXPS (SI), Y0, Y0
	VMAXPS 32(SI), Y1, Y1
	VMAXPS 64(SI), Y2, Y2
	VMAXPS 96(SI), Y3, Y3
	ADDQ $128, SI
	SUBQ $32, CX
	JMP  max32

max8:
	CMPQ CX, $8
	JLT  maxtail
	VMAXPS (SI), Y0, Y0
	ADDQ $32, SI
	SUBQ $8, CX
	JMP  max8

maxtail:
	TESTQ CX, CX
	JZ    maxdone
	MASK8
	MLOAD((SI), Y4)
	VBLENDVPS Y15, Y4, Y0, Y4
	VMAXPS Y4, Y1, Y1

maxdone:
	VMAXPS Y1, Y0, Y0
	VMAXPS Y3, Y2, Y2
	VMAXPS Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x4e, X0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0xb1, X0, X1
	VMAXPS X1, X0, X0
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// func expSumAVX2(dst, x *float32, n int, shift float32) float32
//
// Y8 and Y9 sum what Z10 sums in expSumAVX512, Y10 and Y11 what Z11 sums.
TEXT ·expSumAVX2(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS shift+24(FP), Y13
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

#define EXPADD(at, x, n, p, sum) \
	VMOVUPS at(SI), x \
	VSUBPS  Y13, x, x \
	EXP(x, n, p)      \
	VMOVUPS x, at(DI) \
	VADDPS  x, sum, sum

exp32:
	CMPQ CX, $32
	JLT  exp16
	EXPADD(0, Y0, Y2, Y3, Y8)
	EXPADD(32, Y1, Y4, Y5, Y9)
	EXPADD(64, Y0, Y2, Y3, Y10)
	EXPADD(96, Y1, Y4, Y5, Y11)
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $32, CX
	JMP  exp32

exp16:
	CMPQ CX, $16
	JLT  exptail
	EXPADD(0, Y0, Y2, Y3, Y8)
	EXPADD(32, Y1, Y4, Y5, Y9)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX

exptail:
	TESTQ CX, CX
	JZ    expdone
	MASK16
	VMASKMOVPS (SI), Y14, Y0
	VMASKMOVPS 32(SI), Y15, Y1
	VSUBPS Y13, Y0, Y0
	VSUBPS Y13, Y1, Y1
	EXP(Y0, Y2, Y3)
	EXP(Y1, Y4, Y5)
	VMASKMOVPS Y0, Y14, (DI)
	VMASKMOVPS Y1, Y15, 32(DI)
	VANDPS Y14, Y0, Y0
	VANDPS Y15, Y1, Y1
	VADDPS Y0, Y10, Y10
	VADDPS Y1, Y11, Y11

expdone:
	VADDPS Y10, Y8, Y0
	VADDPS Y11, Y9, Y1
	SUM16
	VMOVSS X0, ret+32(FP)
	VZEROUPPER
	RET

// func dotAVX2(x, y *float32, n int) float32
//
// Y0 and Y1 sum what Z0 sums in dotAVX512, and so on to Y6 and Y7.
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

#define MULADD(at, x, sum) \
	VMOVUPS     at(SI), x \
	VFMADD231PS at(DI), x, sum

dot64:
	CMPQ CX, $64
	JLT  dot16
	MULADD(0, Y8, Y0)
	MULADD(32, Y9, Y1)
	MULADD(64, Y10, Y2)
	MULADD(96, Y11, Y3)
	MULADD(128, Y8, Y4)
	MULADD(160, Y9, Y5)
	MULADD(192, Y10, Y6)
	MULADD(224, Y11, Y7)
	ADDQ $256, SI
	ADDQ $256, DI
	SUBQ $64, CX
	JMP  dot64

dot16:
	CMPQ CX, $16
	JLT  dottail
	MULADD(0, Y8, Y0)
	MULADD(32, Y9, Y1)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  dot16

dottail:
	TESTQ CX, CX
	JZ    dotdone
	MASK16
	VMASKMOVPS (SI), Y14, Y8
	VMASKMOVPS 32(SI), Y15, Y9
	VMASKMOVPS (DI), Y14, Y10
	VMASKMOVPS 32(DI), Y15, Y11
	VFMADD231PS Y10, Y8, Y2
	VFMADD231PS Y11, Y9, Y3

dotdone:
	VADDPS Y2, Y0, Y0
	VADDPS Y3, Y1, Y1
	VADDPS Y6, Y4, Y4
	VADDPS Y7, Y5, Y5
	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	SUM16
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func axpyAVX2(dst, x *float32, n int, alpha float32)
TEXT ·axpyAVX2(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS alpha+24(FP), Y14

#define AXPY(load, store) \
	load((DI), Y0)          \
	load((SI), Y1)          \
	VFMADD231PS Y1, Y14, Y0 \
	store(Y0, (DI))

axpy8:
	CMPQ CX, $8
	JLT  axpytail
	AXPY(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  axpy8

axpytail:
	TESTQ CX, CX
	JZ    axpydone
	MASK8
	AXPY(MLOAD, MSTORE)

axpydone:
	VZEROUPPER
	RET

// func scaleMulAVX2(dst, x, w *float32, n int, s float32)
TEXT ·scaleMulAVX2(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Y14

#define SCALEMUL(load, store) \
	load((SI), Y0)     \
	load((DX), Y1)     \
	VMULPS Y14, Y0, Y0 \
	VMULPS Y1, Y0, Y0  \
	store(Y0, (DI))

sm8:
	CMPQ CX, $8
	JLT  smtail
	SCALEMUL(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  sm8

smtail:
	TESTQ CX, CX
	JZ    smdone
	MASK8
	SCALEMUL(MLOAD, MSTORE)

smdone:
	VZEROUPPER
	RET

// func mulAddAVX2(dst, x, y *float32, n int, s float32)
TEXT ·mulAddAVX2(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Y14

#define MULADD3(load, store) \
	load((SI), Y0)         \
	load((DX), Y2)         \
	load((DI), Y1)         \
	VMULPS Y14, Y0, Y0     \
	VFMADD231PS Y2, Y0, Y1 \
	store(Y1, (DI))

ma8:
	CMPQ CX, $8
	JLT  matail
	MULADD3(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  ma8

matail:
	TESTQ CX, CX
	JZ    madone
	MASK8
	MULADD3(MLOAD, MSTORE)

madone:
	VZEROUPPER
	RET

// func scaleAVX2(x *float32, n int, s float32)
TEXT ·scaleAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS s+16(FP), Y14

#define SCALE(load, store) \
	load((SI), Y0)     \
	VMULPS Y14, Y0, Y0 \
	store(Y0, (SI))

sc8:
	CMPQ CX, $8
	JLT  sctail
	SCALE(LOAD, STORE)
	ADDQ $32, SI
	SUBQ $8, CX
	JMP  sc8

sctail:
	TESTQ CX, CX
	JZ    scdone
	MASK8
	SCALE(MLOAD, MSTORE)

scdone:
	VZEROUPPER
	RET

// func siluMulAVX2(dst, gate, up *float32, n int)
TEXT ·siluMulAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ gate+8(FP), SI
	MOVQ up+16(FP), DX
	MOVQ n+24(FP), CX
	VXORPS Y14, Y14, Y14
	VMOVUPS expc<>+256(SB), Y13

#define SILUMUL(load, store) \
	load((SI), Y6)     \
	load((DX), Y7)     \
	VSUBPS Y6, Y14, Y0 \
	EXP(Y0, Y2, Y3)    \
	VADDPS Y13, Y0, Y0 \
	VDIVPS Y0, Y6, Y6  \
	VMULPS Y7, Y6, Y6  \
	store(Y6, (DI))

silu8:
	CMPQ CX, $8
	JLT  silutail
	SILUMUL(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  silu8

silutail:
	TESTQ CX, CX
	JZ    siludone
	MASK8
	SILUMUL(MLOAD, MSTORE)

siludone:
	VZEROUPPER
	RET

// func siluMulGradAVX2(dgate, dup, gate, up, dout *float32, n int)
TEXT ·siluMulGradAVX2(SB), NOSPLIT, $0-48
	MOVQ dgate+0(FP), DI
	MOVQ dup+8(FP), R8
	MOVQ gate+16(FP), SI
	MOVQ up+24(FP), DX
	MOVQ dout+32(FP), R9
	MOVQ n+40(FP), CX
	VXORPS Y14, Y14, Y14
	VMOVUPS expc<>+256(SB), Y13

// g, u and d are Y6, Y7 and Y8; Y0 becomes s = 1/(1+exp(-g)). Stored are d g s and
// d u s (1 + g(1-s)).
#define SILUMULGRAD(load, store) \
	load((SI), Y6)          \
	load((DX), Y7)          \
	load((R9), Y8)          \
	VSUBPS Y6, Y14, Y0      \
	EXP(Y0, Y2, Y3)         \
	VADDPS Y13, Y0, Y0      \
	VDIVPS Y0, Y13, Y0      \
	VMULPS Y0, Y6, Y1       \
	VMULPS Y1, Y8, Y2       \
	store(Y2, (R8))         \
	VSUBPS Y0, Y13, Y3      \
	VFMADD213PS Y13, Y6, Y3 \
	VMULPS Y0, Y3, Y3       \
	VMULPS Y7, Y8, Y4       \
	VMULPS Y3, Y4, Y4       \
	store(Y4, (DI))

sg8:
	CMPQ CX, $8
	JLT  sgtail
	SILUMULGRAD(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, R9
	ADDQ $32, R8
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  sg8

sgtail:
	TESTQ CX, CX
	JZ    sgdone
	MASK8
	SILUMULGRAD(MLOAD, MSTORE)

sgdone:
	VZEROUPPER
	RET

// func softmaxGradAVX2(ds, p, dp *float32, n int, delta float32)
TEXT ·softmaxGradAVX2(SB), NOSPLIT, $0-36
	MOVQ ds+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ dp+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS delta+32(FP), Y14

#define SOFTMAXGRAD(load, store) \
	load((DX), Y0)     \
	load((SI), Y1)     \
	VSUBPS Y14, Y0, Y0 \
	VMULPS Y1, Y0, Y0  \
	store(Y0, (DI))

sx8:
	CMPQ CX, $8
	JLT  sxtail
	SOFTMAXGRAD(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	SUBQ $8, CX
	JMP  sx8

sxtail:
	TESTQ CX, CX
	JZ    sxdone
	MASK8
	SOFTMAXGRAD(MLOAD, MSTORE)

sxdone:
	VZEROUPPER
	RET

// func rotateAVX2(a, b, cos, sin *float32, n int, sign float32)
TEXT ·rotateAVX2(SB), NOSPLIT, $0-44
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ cos+16(FP), R8
	MOVQ sin+24(FP), R9
	MOVQ n+32(FP), CX
	VBROADCASTSS sign+40(FP), Y14

// Stored are a cos - b sin and b cos + a sin.
#define ROTATE(load, store) \
	load((SI), Y0)          \
	load((DI), Y1)          \
	load((R8), Y2)          \
	load((R9), Y3)          \
	VMULPS Y14, Y3, Y3      \
	VMULPS Y2, Y0, Y4       \
	VFNMADD231PS Y3, Y1, Y4 \
	VMULPS Y2, Y1, Y5       \
	VFMADD231PS Y3, Y0, Y5  \
	store(Y4, (SI))         \
	store(Y5, (DI))

ro8:
	CMPQ CX, $8
	JLT  rotail
	ROTATE(LOAD, STORE)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, R8
	ADDQ $32, R9
	SUBQ $8, CX
	JMP  ro8

rotail:
	TESTQ CX, CX
	JZ    rodone
	MASK8
	ROTATE(MLOAD, MSTORE)

rodone:
	VZEROUPPER
	RET
