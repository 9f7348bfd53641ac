//go:build !noasm

#include "textflag.h"
#include "vec_amd64.h"
#include "exp512_amd64.h"

// Vector kernels for AVX-512F. Every loop takes 16 lanes a turn; the last one runs
// under mask K1, so that any length works and no lane outside is read or written.

// SUM16 adds the lanes of Z0 into X0, by halves.
#define SUM16 \
	VEXTRACTF64X4 $1, Z0, Y1    \
	VADDPS        Y1, Y0, Y0    \
	VEXTRACTF128  $1, Y0, X1    \
	VADDPS        X1, X0, X0    \
	VPERMILPS     $0x4e, X0, X1 \
	VADDPS        X1, X0, X0    \
	VPERMILPS     $0xb1, X0, X1 \
	VADDPS        X1, X0, X0

// func maxAVX512(x *float32, n int) float32
TEXT ·maxAVX512(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS (SI), Z0
	VMOVAPS Z0, Z1
	VMOVAPS Z0, Z2
	VMOVAPS Z0, Z3

max64:
	CMPQ CX, $64
	JLT  max16
	VMAXPS (SI), Z0, Z0
	VMAXPS 64(SI), Z1, Z1
	VMAXPS 128(SI), Z2, Z2
	VMAXPS 192(SI), Z3, Z3
	ADDQ $256, SI
	SUBQ $64, CX
	JMP  max64

max16:
	CMPQ CX, $16
	JLT  maxtail
	VMAXPS (SI), Z0, Z0
	ADDQ $64, SI
	SUBQ $16, CX
	JMP  max16

maxtail:
	TESTQ CX, CX
	JZ    maxdone
	TAILMASK
	VMOVAPS Z0, Z4
	VMOVUPS (SI), K1, Z4
	VMAXPS Z4, Z1, Z1

maxdone:
	VMAXPS Z1, Z0, Z0
	VMAXPS Z3, Z2, Z2
	VMAXPS Z2, Z0, Z0
	VEXTRACTF64X4 $1, Z0, Y1
	VMAXPS Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x4e, X0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0xb1, X0, X1
	VMAXPS X1, X0, X0
	VMOVSS X0, ret+16(FP)
	VZEROUPPER
	RET

// func expSumAVX512(dst, x *float32, n int, shift float32) float32
TEXT ·expSumAVX512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS shift+24(FP), Z14
	EXPCONST
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11

exp32:
	CMPQ CX, $32
	JLT  exp16
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VSUBPS Z14, Z0, Z0
	VSUBPS Z14, Z1, Z1
	EXP(Z0, Z2, Z3)
	EXP(Z1, Z4, Z5)
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, 64(DI)
	VADDPS Z0, Z10, Z10
	VADDPS Z1, Z11, Z11
	ADDQ $128, SI
	ADDQ $128, DI
	SUBQ $32, CX
	JMP  exp32

exp16:
	CMPQ CX, $16
	JLT  exptail
	VMOVUPS (SI), Z0
	VSUBPS Z14, Z0, Z0
	EXP(Z0, Z2, Z3)
	VMOVUPS Z0, (DI)
	VADDPS Z0, Z10, Z10
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX

exptail:
	TESTQ CX, CX
	JZ    expdone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z0
	VSUBPS Z14, Z0, Z0
	EXP(Z0, Z2, Z3)
	VMOVUPS Z0, K1, (DI)
	VMOVAPS.Z Z0, K1, Z0
	VADDPS Z0, Z11, Z11

expdone:
	VADDPS Z11, Z10, Z0
	SUM16
	VMOVSS X0, ret+32(FP)
	VZEROUPPER
	RET

// func dotAVX512(x, y *float32, n int) float32
TEXT ·dotAVX512(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3

dot64:
	CMPQ CX, $64
	JLT  dot16
	VMOVUPS (SI), Z4
	VMOVUPS 64(SI), Z5
	VMOVUPS 128(SI), Z6
	VMOVUPS 192(SI), Z7
	VFMADD231PS (DI), Z4, Z0
	VFMADD231PS 64(DI), Z5, Z1
	VFMADD231PS 128(DI), Z6, Z2
	VFMADD231PS 192(DI), Z7, Z3
	ADDQ $256, SI
	ADDQ $256, DI
	SUBQ $64, CX
	JMP  dot64

dot16:
	CMPQ CX, $16
	JLT  dottail
	VMOVUPS (SI), Z4
	VFMADD231PS (DI), Z4, Z0
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  dot16

dottail:
	TESTQ CX, CX
	JZ    dotdone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z4
	VMOVUPS.Z (DI), K1, Z5
	VFMADD231PS Z5, Z4, Z1

dotdone:
	VADDPS Z1, Z0, Z0
	VADDPS Z3, Z2, Z2
	VADDPS Z2, Z0, Z0
	SUM16
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func axpyAVX512(dst, x *float32, n int, alpha float32)
TEXT ·axpyAVX512(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS alpha+24(FP), Z14

axpy16:
	CMPQ CX, $16
	JLT  axpytail
	VMOVUPS (DI), Z0
	VFMADD231PS (SI), Z14, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  axpy16

axpytail:
	TESTQ CX, CX
	JZ    axpydone
	TAILMASK
	VMOVUPS.Z (DI), K1, Z0
	VMOVUPS.Z (SI), K1, Z1
	VFMADD231PS Z1, Z14, Z0
	VMOVUPS Z0, K1, (DI)

axpydone:
	VZEROUPPER
	RET

// func scaleMulAVX512(dst, x, w *float32, n int, s float32)
TEXT ·scaleMulAVX512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Z14

sm16:
	CMPQ CX, $16
	JLT  smtail
	VMULPS (SI), Z14, Z0
	VMULPS (DX), Z0, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  sm16

smtail:
	TESTQ CX, CX
	JZ    smdone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (DX), K1, Z1
	VMULPS Z14, Z0, Z0
	VMULPS Z1, Z0, Z0
	VMOVUPS Z0, K1, (DI)

smdone:
	VZEROUPPER
	RET

// func mulAddAVX512(dst, x, y *float32, n int, s float32)
TEXT ·mulAddAVX512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Z14

ma16:
	CMPQ CX, $16
	JLT  matail
	VMULPS (SI), Z14, Z0
	VMOVUPS (DI), Z1
	VFMADD231PS (DX), Z0, Z1
	VMOVUPS Z1, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  ma16

matail:
	TESTQ CX, CX
	JZ    madone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (DX), K1, Z2
	VMOVUPS.Z (DI), K1, Z1
	VMULPS Z14, Z0, Z0
	VFMADD231PS Z2, Z0, Z1
	VMOVUPS Z1, K1, (DI)

madone:
	VZEROUPPER
	RET

// func scaleAVX512(x *float32, n int, s float32)
TEXT ·scaleAVX512(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS s+16(FP), Z14

sc16:
	CMPQ CX, $16
	JLT  sctail
	VMULPS (SI), Z14, Z0
	VMOVUPS Z0, (SI)
	ADDQ $64, SI
	SUBQ $16, CX
	JMP  sc16

sctail:
	TESTQ CX, CX
	JZ    scdone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z0
	VMULPS Z14, Z0, Z0
	VMOVUPS Z0, K1, (SI)

scdone:
	VZEROUPPER
	RET

// func siluMulAVX512(dst, gate, up *float32, n int)
TEXT ·siluMulAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ gate+8(FP), SI
	MOVQ up+16(FP), DX
	MOVQ n+24(FP), CX
	EXPCONST
	VPXORD Z14, Z14, Z14

silu16:
	CMPQ CX, $16
	JLT  silutail
	VMOVUPS (SI), Z6
	VSUBPS Z6, Z14, Z0
	EXP(Z0, Z2, Z3)
	VADDPS Z24, Z0, Z0
	VDIVPS Z0, Z6, Z6
	VMULPS (DX), Z6, Z6
	VMOVUPS Z6, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  silu16

silutail:
	TESTQ CX, CX
	JZ    siludone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z6
	VMOVUPS.Z (DX), K1, Z7
	VSUBPS Z6, Z14, Z0
	EXP(Z0, Z2, Z3)
	VADDPS Z24, Z0, Z0
	VDIVPS Z0, Z6, Z6
	VMULPS Z7, Z6, Z6
	VMOVUPS Z6, K1, (DI)

siludone:
	VZEROUPPER
	RET

// func siluMulGradAVX512(dgate, dup, gate, up, dout *float32, n int)
TEXT ·siluMulGradAVX512(SB), NOSPLIT, $0-48
	MOVQ dgate+0(FP), DI
	MOVQ dup+8(FP), R8
	MOVQ gate+16(FP), SI
	MOVQ up+24(FP), DX
	MOVQ dout+32(FP), R9
	MOVQ n+40(FP), CX
	EXPCONST
	VPXORD Z14, Z14, Z14
	MOVL $0xffff, AX
	KMOVW AX, K1

sg16:
	CMPQ CX, $16
	JGE  sgbody
	TESTQ CX, CX
	JZ    sgdone
	TAILMASK

sgbody:
	VMOVUPS.Z (SI), K1, Z6  // g
	VMOVUPS.Z (DX), K1, Z7  // u
	VMOVUPS.Z (R9), K1, Z8  // d
	VSUBPS Z6, Z14, Z0
	EXP(Z0, Z2, Z3)
	VADDPS Z24, Z0, Z0
	VDIVPS Z0, Z24, Z0      // s = 1/(1+exp(-g))
	VMULPS Z0, Z6, Z1       // g s
	VMULPS Z1, Z8, Z2
	VMOVUPS Z2, K1, (R8)    // du = d g s
	VSUBPS Z0, Z24, Z3      // 1-s
	VFMADD213PS Z24, Z6, Z3 // 1 + g(1-s)
	VMULPS Z0, Z3, Z3
	VMULPS Z7, Z8, Z4
	VMULPS Z3, Z4, Z4
	VMOVUPS Z4, K1, (DI)    // dg = d u s (1 + g(1-s))
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, R9
	ADDQ $64, R8
	ADDQ $64, DI
	SUBQ $16, CX
	JG   sg16

sgdone:
	VZEROUPPER
	RET

// func softmaxGradAVX512(ds, p, dp *float32, n int, delta float32)
TEXT ·softmaxGradAVX512(SB), NOSPLIT, $0-36
	MOVQ ds+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ dp+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS delta+32(FP), Z14

sx16:
	CMPQ CX, $16
	JLT  sxtail
	VMOVUPS (DX), Z0
	VSUBPS Z14, Z0, Z0
	VMULPS (SI), Z0, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $16, CX
	JMP  sx16

sxtail:
	TESTQ CX, CX
	JZ    sxdone
	TAILMASK
	VMOVUPS.Z (DX), K1, Z0
	VMOVUPS.Z (SI), K1, Z1
	VSUBPS Z14, Z0, Z0
	VMULPS Z1, Z0, Z0
	VMOVUPS Z0, K1, (DI)

sxdone:
	VZEROUPPER
	RET

// func rotateAVX512(a, b, cos, sin *float32, n int, sign float32)
TEXT ·rotateAVX512(SB), NOSPLIT, $0-44
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ cos+16(FP), R8
	MOVQ sin+24(FP), R9
	MOVQ n+32(FP), CX
	VBROADCASTSS sign+40(FP), Z14
	MOVL $0xffff, AX
	KMOVW AX, K1

ro16:
	CMPQ CX, $16
	JGE  robody
	TESTQ CX, CX
	JZ    rodone
	TAILMASK

robody:
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z (DI), K1, Z1
	VMOVUPS.Z (R8), K1, Z2
	VMOVUPS.Z (R9), K1, Z3
	VMULPS Z14, Z3, Z3
	VMULPS Z2, Z0, Z4
	VFNMADD231PS Z3, Z1, Z4 // a cos - b sin
	VMULPS Z2, Z1, Z5
	VFMADD231PS Z3, Z0, Z5  // b cos + a sin
	VMOVUPS Z4, K1, (SI)
	VMOVUPS Z5, K1, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	ADDQ $64, R8
	ADDQ $64, R9
	SUBQ $16, CX
	JG   ro16

rodone:
	VZEROUPPER
	RET
