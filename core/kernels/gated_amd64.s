//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"
#include "exp512_amd64.h"

// The gated feed-forward on tiles [rows][32] of float32, to and from rows of bf16. Rows lie
// too far apart for the hardware to guess what comes next: each asks for the line beside
// its own, which the next tile needs.

DATA gatec<>+0(SB)/4, $0xc2a00000 // -80: exp(80) is finite, and 1/(1+exp(80)) as good as 0
DATA gatec<>+4(SB)/4, $0x40000000 // 2
GLOBL gatec<>(SB), RODATA|NOPTR, $8

// SIGMOID sets s to 1/(1+exp(-g)) for g at or above -80: the reciprocal's first 14 bits
// by table, twice as many by a step of Newton.
#define SIGMOID(g, s, t, u) \
	VMAXPS       g, Z27, s    \
	VSUBPS       s, Z29, s    \
	EXP(s, t, u)              \
	VADDPS       Z24, s, s    \
	VRCP14PS     s, t         \
	VFNMADD213PS Z28, t, s    \
	VMULPS       s, t, s

// func gatedAMX(ffn, gate, up *uint16, stride uintptr, tileg, tileu *float32, rows int)
// ffn = bf16(silu(g) * u), gate = bf16(g), up = bf16(u) for the two tiles; gate and up may be nil.
TEXT ·gatedAMX(SB), NOSPLIT, $0-56
	MOVQ ffn+0(FP), DI
	MOVQ gate+8(FP), R8
	MOVQ up+16(FP), R9
	MOVQ stride+24(FP), DX
	MOVQ tileg+32(FP), SI
	MOVQ tileu+40(FP), BX
	MOVQ rows+48(FP), CX
	EXPCONST
	VBROADCASTSS gatec<>+0(SB), Z27
	VBROADCASTSS gatec<>+4(SB), Z28
	VPXORD Z29, Z29, Z29

row:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VMOVUPS (BX), Z2
	VMOVUPS 64(BX), Z3
	SIGMOID(Z0, Z4, Z6, Z7)
	SIGMOID(Z1, Z5, Z8, Z9)
	TESTQ R8, R8
	JZ   result
	VCVTNE2PS2BF16(0, 1, 10)
	VCVTNE2PS2BF16(2, 3, 11)
	VMOVNTDQ Z10, (R8)
	VMOVNTDQ Z11, (R9)
	ADDQ DX, R8
	ADDQ DX, R9

result:
	VMULPS Z4, Z0, Z0
	VMULPS Z5, Z1, Z1
	VMULPS Z2, Z0, Z0
	VMULPS Z3, Z1, Z1
	VCVTNE2PS2BF16(0, 1, 10)
	VMOVDQU64 Z10, (DI)
	PREFETCHW(7, 64)
	ADDQ $128, SI
	ADDQ $128, BX
	ADDQ DX, DI
	DECQ CX
	JNZ  row
	SFENCE
	VZEROUPPER
	RET

// GATEGRAD computes from g, u and d, with s = sigmoid(g):
// f = g s u, u = d g s and g = d u s (1 + g (1-s)).
#define GATEGRAD(g, u, d, s, f, t) \
	VMULPS      s, g, f          \
	VMULPS      d, u, t          \
	VMULPS      s, t, t          \
	VSUBPS      s, Z24, s        \
	VFMADD213PS Z24, g, s        \
	VMULPS      s, t, g          \
	VMULPS      f, d, t          \
	VMULPS      u, f, f          \
	VMOVAPS     t, u

// func gatedGradAMX(dgate, dup, ffn, gate, up *uint16, stride uintptr, d *float32, rows int)
// See SiLUMulGrad; ffn = bf16(silu(gate) * up).
TEXT ·gatedGradAMX(SB), NOSPLIT, $0-64
	MOVQ dgate+0(FP), DI
	MOVQ dup+8(FP), R8
	MOVQ ffn+16(FP), R9
	MOVQ gate+24(FP), SI
	MOVQ up+32(FP), BX
	MOVQ stride+40(FP), DX
	MOVQ d+48(FP), R10
	MOVQ rows+56(FP), CX
	EXPCONST
	VBROADCASTSS gatec<>+0(SB), Z27
	VBROADCASTSS gatec<>+4(SB), Z28
	VPXORD Z29, Z29, Z29

row:
	VPMOVZXWD (SI), Z0
	VPMOVZXWD 32(SI), Z1
	VPMOVZXWD (BX), Z2
	VPMOVZXWD 32(BX), Z3
	VPSLLD $16, Z0, Z0
	VPSLLD $16, Z1, Z1
	VPSLLD $16, Z2, Z2
	VPSLLD $16, Z3, Z3
	SIGMOID(Z0, Z4, Z6, Z7)
	SIGMOID(Z1, Z5, Z8, Z9)
	VMOVUPS (R10), Z10
	VMOVUPS 64(R10), Z11
	GATEGRAD(Z0, Z2, Z10, Z4, Z12, Z6)
	GATEGRAD(Z1, Z3, Z11, Z5, Z13, Z7)
	VCVTNE2PS2BF16(0, 1, 0)
	VCVTNE2PS2BF16(2, 3, 2)
	VCVTNE2PS2BF16(12, 13, 12)
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z2, (R8)
	VMOVDQU64 Z12, (R9)
	PREFETCHT0 64(SI)
	PREFETCHT0 64(BX)
	PREFETCHW(7, 64)
	PREFETCHW(8, 64)
	PREFETCHW(9, 64)
	ADDQ DX, SI
	ADDQ DX, BX
	ADDQ DX, DI
	ADDQ DX, R8
	ADDQ DX, R9
	ADDQ $128, R10
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET
