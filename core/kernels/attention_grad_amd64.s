//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"
#include "attention_amd64.h"

// Words 2i and 2i+1 of the result are words i (then 16+i) of the first and the second source.
DATA zipLow<>+0(SB)/8, $0x0021000100200000
DATA zipLow<>+8(SB)/8, $0x0023000300220002
DATA zipLow<>+16(SB)/8, $0x0025000500240004
DATA zipLow<>+24(SB)/8, $0x0027000700260006
DATA zipLow<>+32(SB)/8, $0x0029000900280008
DATA zipLow<>+40(SB)/8, $0x002b000b002a000a
DATA zipLow<>+48(SB)/8, $0x002d000d002c000c
DATA zipLow<>+56(SB)/8, $0x002f000f002e000e
GLOBL zipLow<>(SB), RODATA|NOPTR, $64
DATA sixteen<>+0(SB)/8, $0x0010001000100010
GLOBL sixteen<>(SB), RODATA|NOPTR, $8

// PRODUCT: d = p d; PRODUCTMASK the same, and 0 in the lanes that are not in k.
#define PRODUCT(k, p, d) VMULPS p, d, d
#define PRODUCTMASK(k, p, d) VMULPS.Z p, d, k, d

// GRADIENTS computes and stores p and ds of two keys, and steps on.
#define GRADIENTS(weight, product) \
	VMOVUPS   (SI), Z0           \
	VMOVUPS   64(SI), Z1         \
	VMOVUPS   128(SI), Z2        \
	VMOVUPS   192(SI), Z3        \
	weight(K1, Z12, Z0, Z4, Z8)  \
	weight(K2, Z13, Z1, Z5, Z9)  \
	weight(K3, Z12, Z2, Z6, Z10) \
	weight(K4, Z13, Z3, Z7, Z11) \
	VMOVUPS   4096(SI), Z0       \
	VMOVUPS   4160(SI), Z1       \
	VMOVUPS   4224(SI), Z2       \
	VMOVUPS   4288(SI), Z3       \
	VSUBPS    Z30, Z0, Z0        \
	VSUBPS    Z31, Z1, Z1        \
	VSUBPS    Z30, Z2, Z2        \
	VSUBPS    Z31, Z3, Z3        \
	product(K1, Z8, Z0)          \
	product(K2, Z9, Z1)          \
	product(K3, Z10, Z2)         \
	product(K4, Z11, Z3)         \
	VCVTNE2PS2BF16(8, 9, 8)      \
	VCVTNE2PS2BF16(10, 11, 10)   \
	VCVTNE2PS2BF16(0, 1, 0)      \
	VCVTNE2PS2BF16(2, 3, 2)      \
	VMOVDQU64 Z8, (DI)           \
	VMOVDQU64 Z10, (DI)(R8*1)    \
	VMOVDQU64 Z0, (BX)           \
	VMOVDQU64 Z2, (BX)(R8*1)     \
	VMOVDQA64 Z0, Z1             \
	VPERMT2W  Z2, Z22, Z0        \
	VPERMT2W  Z2, Z23, Z1        \
	VMOVDQU64 Z0, (R11)          \
	VMOVDQU64 Z1, 64(R11)        \
	ADDQ      $256, SI           \
	LEAQ      (DI)(R8*2), DI     \
	LEAQ      (BX)(R8*2), BX     \
	ADDQ      $128, R11

// func gradLanesAMX(o *gradOperands)
//
//	AX o, R9 panel of lanes, R12 128, R13 first key of the group of 32
TEXT ·gradLanesAMX(SB), NOSPLIT, $16-8
	MOVQ o+0(FP), AX
	MOVQ 0(AX), BX
	LDTILECFG(3)
	MOVQ $128, R12
	XORQ R13, R13
	MOVQ R13, done-16(SP)
	WEIGHTCONST
	VMOVDQU64 zipLow<>(SB), Z22
	VPBROADCASTQ sixteen<>(SB), Z23
	VPADDW Z22, Z23, Z23
	VPBROADCASTD weight<>+36(SB), Z27

group:
	XORQ R9, R9

panel:
	MOVQ 136(AX), R8
	SHLQ $6, R8               // bytes between keys of p and ds
	MOVQ R9, CX
	SHLQ $6, CX
	MOVQ 112(AX), DI
	ADDQ CX, DI
	MOVQ 120(AX), SI
	ADDQ CX, SI
	MOVQ 96(AX), BX
	CMPQ (BX)(R9*8), R13
	JGT  sees
	MOVQ $32, CX
	VPXORD Z0, Z0, Z0

nothing:
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z0, (SI)
	ADDQ R8, DI
	ADDQ R8, SI
	DECQ CX
	JNZ  nothing
	JMP  nextpanel

	// scores = keys q, and behind them weights' gradients = values dout: [32 keys][32],
	// 16 keys at a time, as in attendLanesAMX.
sees:
	MOVQ 144(AX), R10
	MOVQ R10, CX
	SHLQ $11, CX
	IMULQ R9, CX              // the panel's offset in q and dout
	SHLQ $6, R10              // bytes between keys
	MOVQ 40(AX), SI
	MOVQ 8(AX), R11
	ADDQ CX, R11
	MOVQ 104(AX), DI

product:
	TILEZERO(0)
	TILEZERO(1)
	MOVQ SI, DX
	MOVQ R11, BX
	MOVQ 144(AX), R8

upper:
	TILELOADD(4, 2, 10, 0)
	TILELOADD(6, 3, 12, 0)
	TDPBF16PS(0, 4, 6)
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(1, 4, 7)
	ADDQ $64, DX
	ADDQ $2048, BX
	DECQ R8
	JNZ  upper
	CMPQ DI, 104(AX)
	JEQ  second
	TILESTORED(2, 7, 12, -2048)
	TILESTORED(3, 7, 12, -1984)

second:
	TILEZERO(2)
	TILEZERO(3)
	MOVQ R10, DX
	SHLQ $4, DX
	ADDQ SI, DX
	MOVQ R11, BX
	MOVQ 144(AX), R8

lower:
	TILELOADD(4, 2, 10, 0)
	TILELOADD(6, 3, 12, 0)
	TDPBF16PS(2, 4, 6)
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(3, 4, 7)
	ADDQ $64, DX
	ADDQ $2048, BX
	DECQ R8
	JNZ  lower
	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	MOVQ 48(AX), SI
	MOVQ 16(AX), R11
	ADDQ CX, R11
	ADDQ $4096, DI
	MOVQ 104(AX), DX
	ADDQ $8192, DX
	CMPQ DI, DX
	JNE  product
	TILESTORED(2, 7, 12, -2048)
	TILESTORED(3, 7, 12, -1984)

	// p = exp(scores - lse) and ds = p (dp - delta), two keys at a time.
	MOVQ R9, CX
	IMULQ $384, CX
	ADDQ 88(AX), CX
	VMOVDQU32 (CX), Z14       // ends
	VMOVDQU32 64(CX), Z15
	VMOVUPS 128(CX), Z12      // lse, in units of log 2
	VMOVUPS 192(CX), Z13
	VMOVUPS 256(CX), Z30      // delta
	VMOVUPS 320(CX), Z31
	VPBROADCASTD R13, Z28
	VPBROADCASTD weight<>+28(SB), Z29
	VPADDD Z28, Z29, Z29
	MOVQ 136(AX), R8
	SHLQ $6, R8
	MOVQ R9, CX
	SHLQ $6, CX
	MOVQ 112(AX), DI
	ADDQ CX, DI
	MOVQ 120(AX), BX
	ADDQ CX, BX
	MOVQ 80(AX), R11
	IMULQ R9, R11
	ADDQ 72(AX), R11          // ds in pairs of keys
	MOVQ R13, CX
	SHLQ $6, CX
	ADDQ CX, R11
	MOVQ 104(AX), SI
	MOVQ $16, CX

	MOVQ 176(AX), DX
	MOVQ (DX)(R9*8), DX       // keys that all lanes see
	SUBQ R13, DX
	CMPQ DX, $32
	JGE  all

some:
	VPCMPGTD Z28, Z14, K1
	VPCMPGTD Z28, Z15, K2
	VPCMPGTD Z29, Z14, K3
	VPCMPGTD Z29, Z15, K4
	GRADIENTS(WEIGHTMASK, PRODUCTMASK)
	VPADDD Z27, Z28, Z28
	VPADDD Z27, Z29, Z29
	DECQ CX
	JNZ  some
	JMP  nextpanel

all:
	GRADIENTS(WEIGHT, PRODUCT)
	DECQ CX
	JNZ  all

nextpanel:
	INCQ R9
	CMPQ R9, 136(AX)
	JNE  panel

	// dv += p dout, then dk += ds q: 32 keys, inner index the lanes.
	MOVQ 136(AX), R8
	SHLQ $6, R8
	MOVQ 144(AX), R10
	SHLQ $7, R10              // bytes between keys of dv and dk
	MOVQ 64(AX), DI
	MOVQ 112(AX), R9
	MOVQ 32(AX), BX
	MOVQ $2, sums-8(SP)

sum:
	MOVQ 144(AX), R13         // restored below

dims:
	MOVQ R10, R11
	SHLQ $4, R11
	ADDQ DI, R11
	TILELOADD(0, 7, 10, 0)
	TILELOADD(1, 7, 10, 64)
	TILELOADD(2, 11, 10, 0)
	TILELOADD(3, 11, 10, 64)
	MOVQ R9, DX
	MOVQ R8, SI
	SHLQ $4, SI
	ADDQ R9, SI
	MOVQ 136(AX), CX

lanes:
	TILELOADD(6, 3, 12, 0)
	TILELOADD(4, 2, 8, 0)
	TDPBF16PS(0, 4, 6)
	TILELOADD(5, 6, 8, 0)
	TDPBF16PS(2, 5, 6)
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(1, 4, 7)
	TDPBF16PS(3, 5, 7)
	ADDQ $64, DX
	ADDQ $64, SI
	ADDQ $2048, BX
	DECQ CX
	JNZ  lanes
	TILESTORED(0, 7, 10, 0)
	TILESTORED(1, 7, 10, 64)
	TILESTORED(2, 11, 10, 0)
	TILESTORED(3, 11, 10, 64)
	ADDQ $128, DI
	DECQ R13
	JNZ  dims
	MOVQ 56(AX), DI
	MOVQ 120(AX), R9
	MOVQ 24(AX), BX
	DECQ sums-8(SP)
	JNZ  sum

	// The next 32 keys.
	MOVQ 144(AX), CX
	SHLQ $11, CX
	ADDQ CX, 40(AX)
	ADDQ CX, 48(AX)
	SHLQ $1, CX
	ADDQ CX, 56(AX)
	ADDQ CX, 64(AX)
	ADDQ $32, done-16(SP)
	MOVQ done-16(SP), R13
	DECQ 128(AX)
	JNZ  group

	// dq [dim][32] = keys as columns [dim][keys] ds in pairs of keys, panel by panel.
	XORQ R9, R9
	MOVQ 168(AX), DI

query:
	MOVQ 96(AX), BX
	MOVQ (BX)(R9*8), R13
	ADDQ $31, R13
	SHRQ $5, R13              // groups of 32 keys
	JZ   nextquery
	MOVQ 152(AX), SI
	MOVQ 144(AX), R11

queries:
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	MOVQ 160(AX), R8
	MOVQ SI, DX
	MOVQ R8, R10
	SHLQ $4, R10
	ADDQ SI, R10
	MOVQ 80(AX), BX
	IMULQ R9, BX
	ADDQ 72(AX), BX
	MOVQ R13, CX

querykeys:
	TILELOADD(6, 3, 12, 0)
	TILELOADD(4, 2, 8, 0)
	TDPBF16PS(0, 4, 6)
	TILELOADD(5, 10, 8, 0)
	TDPBF16PS(2, 5, 6)
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(1, 4, 7)
	TDPBF16PS(3, 5, 7)
	ADDQ $64, DX
	ADDQ $64, R10
	ADDQ $2048, BX
	DECQ CX
	JNZ  querykeys
	TILESTORED(0, 7, 12, 0)
	TILESTORED(2, 7, 12, 2048)
	TILESTORED(1, 7, 12, 64)
	TILESTORED(3, 7, 12, 2112)
	ADDQ $4096, DI
	SHLQ $5, R8
	ADDQ R8, SI
	DECQ R11
	JNZ  queries
	JMP  queried

nextquery:
	MOVQ 144(AX), CX
	SHLQ $12, CX
	ADDQ CX, DI

queried:
	INCQ R9
	CMPQ R9, 136(AX)
	JNE  query
	TILERELEASE
	VZEROUPPER
	RET
