//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"
#include "attention_amd64.h"

// Attention of lanes on tiles: see attention_tiles.go for the shapes. Tiles 0 to 3 are
// the four quarters of a 32 x 32 block of a result, 4 and 5 two times 16 rows of the
// left operand, 6 and 7 the two halves, 16 lanes each, of the right one.

// Word 2i of the result is word i of the source, word 2i+1 word 16+i.
DATA mergeHalves<>+0(SB)/8, $0x0011000100100000
DATA mergeHalves<>+8(SB)/8, $0x0013000300120002
DATA mergeHalves<>+16(SB)/8, $0x0015000500140004
DATA mergeHalves<>+24(SB)/8, $0x0017000700160006
DATA mergeHalves<>+32(SB)/8, $0x0019000900180008
DATA mergeHalves<>+40(SB)/8, $0x001b000b001a000a
DATA mergeHalves<>+48(SB)/8, $0x001d000d001c000c
DATA mergeHalves<>+56(SB)/8, $0x001f000f001e000e
GLOBL mergeHalves<>(SB), RODATA|NOPTR, $64

// How many groups of 32 keys are a block: keyBlock/32.
#define BLOCKGROUPS $3

// WEIGHTS turns the scores of four keys to weights, which it stores in pairs of keys and
// adds up, and steps on.
#define WEIGHTS(weight) \
	VMOVUPS   (SI), Z0           \
	VMOVUPS   128(SI), Z1        \
	VMOVUPS   256(SI), Z2        \
	VMOVUPS   384(SI), Z3        \
	weight(K1, Z15, Z0, Z4, Z8)  \
	weight(K2, Z15, Z1, Z5, Z9)  \
	weight(K3, Z15, Z2, Z6, Z10) \
	weight(K4, Z15, Z3, Z7, Z11) \
	VADDPS    Z8, Z24, Z24       \
	VADDPS    Z9, Z25, Z25       \
	VADDPS    Z10, Z26, Z26      \
	VADDPS    Z11, Z27, Z27      \
	VCVTNE2PS2BF16(8, 9, 8)      \
	VCVTNE2PS2BF16(10, 11, 10)   \
	VPERMW    Z8, Z22, Z8        \
	VPERMW    Z10, Z22, Z10      \
	VMOVDQU64 Z8, (DI)           \
	VMOVDQU64 Z10, 128(DI)       \
	ADDQ      $512, SI           \
	ADDQ      $256, DI

// func attendLanesAMX(o *laneOperands)
//
//	AX o, R9 groups of 32 keys in this block, R12 128, R13 halves of 16 lanes
TEXT ·attendLanesAMX(SB), NOSPLIT, $16-8
	MOVQ o+0(FP), AX
	MOVQ 0(AX), BX
	LDTILECFG(3)
	MOVQ 80(AX), R13
	MOVQ 56(AX), R9
	MOVQ R9, left-8(SP)
	MOVQ $0, done-16(SP)      // keys before this block
	WEIGHTCONST
	VMOVDQU64 mergeHalves<>(SB), Z22

block:
	MOVQ left-8(SP), R9
	CMPQ R9, BLOCKGROUPS
	JLE  scores
	MOVQ BLOCKGROUPS, R9

	// scores [keys][32] = keys [keys][dim] q [dim/2][32][2], 16 keys at a time. Two tiles
	// are stored while the other two are computed: a store right behind the products it
	// needs would hold up those that follow.
scores:
	MOVQ $128, R12
	MOVQ 72(AX), R10
	SHLQ $6, R10              // bytes between keys
	MOVQ 16(AX), SI
	MOVQ 48(AX), DI
	MOVQ R9, CX

group:
	TILEZERO(0)
	TILEZERO(1)
	MOVQ SI, DX               // 16 keys
	MOVQ 8(AX), BX
	MOVQ 72(AX), R8

upper:
	TILELOADD(4, 2, 10, 0)
	TILELOADD(6, 3, 12, 0)
	TDPBF16PS(0, 4, 6)
	CMPQ R13, $1
	JEQ  upperone
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(1, 4, 7)

upperone:
	ADDQ $64, DX
	ADDQ $2048, BX
	DECQ R8
	JNZ  upper
	CMPQ DI, 48(AX)
	JEQ  second
	TILESTORED(2, 7, 12, -2048)
	TILESTORED(3, 7, 12, -1984)

second:
	TILEZERO(2)
	TILEZERO(3)
	MOVQ R10, DX
	SHLQ $4, DX
	ADDQ SI, DX               // 16 more
	MOVQ 8(AX), BX
	MOVQ 72(AX), R8

lower:
	TILELOADD(4, 2, 10, 0)
	TILELOADD(6, 3, 12, 0)
	TDPBF16PS(2, 4, 6)
	CMPQ R13, $1
	JEQ  lowerone
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(3, 4, 7)

lowerone:
	ADDQ $64, DX
	ADDQ $2048, BX
	DECQ R8
	JNZ  lower
	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	MOVQ R10, DX
	SHLQ $5, DX
	ADDQ DX, SI
	ADDQ $4096, DI
	DECQ CX
	JNZ  group
	TILESTORED(2, 7, 12, -2048)
	TILESTORED(3, 7, 12, -1984)
	MOVQ SI, 16(AX)

	// Softmax, 16 lanes at a time: SI scores, DI weights, DX state, BX out, R8 turns of
	// four keys that all lanes see, R10 those that need the mask.
	MOVQ 48(AX), SI
	MOVQ 48(AX), DI
	MOVQ 40(AX), DX
	MOVQ 32(AX), BX
	MOVQ R13, R11

half:
	MOVQ 64(AX), R8
	SUBQ done-16(SP), R8
	XORQ CX, CX
	CMPQ R8, CX
	CMOVQLT CX, R8
	MOVQ R9, R10
	SHLQ $5, R10
	CMPQ R8, R10
	CMOVQGT R10, R8
	SHRQ $2, R8
	SHRQ $2, R10
	SUBQ R8, R10
	MOVQ R8, CX
	SHLQ $2, CX
	ADDQ done-16(SP), CX      // first masked key
	VPBROADCASTD weight<>+28(SB), Z27
	VPBROADCASTD weight<>+32(SB), Z23
	VPBROADCASTD CX, Z28
	VPADDD Z27, Z28, Z29
	VPADDD Z27, Z29, Z30
	VPADDD Z27, Z30, Z31
	VMOVDQU32 (DX), Z14       // ends

	// The largest score of the block.
	VBROADCASTSS weight<>+24(SB), Z0
	VMOVAPS Z0, Z1
	VMOVAPS Z0, Z2
	VMOVAPS Z0, Z3
	MOVQ R8, CX
	TESTQ CX, CX
	JZ   maxmask

max:
	VMAXPS (SI), Z0, Z0
	VMAXPS 128(SI), Z1, Z1
	VMAXPS 256(SI), Z2, Z2
	VMAXPS 384(SI), Z3, Z3
	ADDQ $512, SI
	DECQ CX
	JNZ  max

maxmask:
	VMOVDQA32 Z28, Z4
	VMOVDQA32 Z29, Z5
	VMOVDQA32 Z30, Z6
	VMOVDQA32 Z31, Z7
	MOVQ R10, CX
	TESTQ CX, CX
	JZ   maxdone

maxmasked:
	VPCMPGTD Z4, Z14, K1
	VPCMPGTD Z5, Z14, K2
	VPCMPGTD Z6, Z14, K3
	VPCMPGTD Z7, Z14, K4
	VMAXPS (SI), Z0, K1, Z0
	VMAXPS 128(SI), Z1, K2, Z1
	VMAXPS 256(SI), Z2, K3, Z2
	VMAXPS 384(SI), Z3, K4, Z3
	VPADDD Z23, Z4, Z4
	VPADDD Z23, Z5, Z5
	VPADDD Z23, Z6, Z6
	VPADDD Z23, Z7, Z7
	ADDQ $512, SI
	DECQ CX
	JNZ  maxmasked

maxdone:
	VMAXPS Z1, Z0, Z0
	VMAXPS Z3, Z2, Z2
	VMAXPS Z2, Z0, Z0
	VMULPS Z16, Z0, Z0
	VMOVUPS 128(DX), Z1       // the largest before, in units of log 2
	VMAXPS Z1, Z0, Z15
	VMOVUPS Z15, 128(DX)
	VSUBPS Z15, Z1, Z0
	POWER(Z0, Z4, Z1)
	VSCALEFPS Z0, Z1, Z13     // what earlier sums are worth now
	LEAQ (R8)(R10*1), CX
	SHLQ $9, CX
	SUBQ CX, SI

	// Weights, in pairs of keys, and their sums.
	VPXORD Z24, Z24, Z24
	VPXORD Z25, Z25, Z25
	VPXORD Z26, Z26, Z26
	VPXORD Z27, Z27, Z27
	MOVQ R8, CX
	TESTQ CX, CX
	JZ   expmask

exp:
	WEIGHTS(WEIGHT)
	DECQ CX
	JNZ  exp

expmask:
	MOVQ R10, CX
	TESTQ CX, CX
	JZ   expdone

expmasked:
	VPCMPGTD Z28, Z14, K1
	VPCMPGTD Z29, Z14, K2
	VPCMPGTD Z30, Z14, K3
	VPCMPGTD Z31, Z14, K4
	WEIGHTS(WEIGHTMASK)
	VPADDD Z23, Z28, Z28
	VPADDD Z23, Z29, Z29
	VPADDD Z23, Z30, Z30
	VPADDD Z23, Z31, Z31
	DECQ CX
	JNZ  expmasked

expdone:
	VADDPS Z25, Z24, Z24
	VADDPS Z27, Z26, Z26
	VADDPS Z26, Z24, Z24
	VFMADD231PS 256(DX), Z13, Z24
	VMOVUPS Z24, 256(DX)
	MOVQ 72(AX), CX
	CMPQ done-16(SP), $0
	JEQ  halfdone             // nothing is in out yet
	SHLQ $3, CX

rescale:
	VMULPS (BX), Z13, Z0
	VMULPS 128(BX), Z13, Z1
	VMULPS 256(BX), Z13, Z2
	VMULPS 384(BX), Z13, Z3
	VMOVUPS Z0, (BX)
	VMOVUPS Z1, 128(BX)
	VMOVUPS Z2, 256(BX)
	VMOVUPS Z3, 384(BX)
	ADDQ $512, BX
	DECQ CX
	JNZ  rescale

halfdone:
	MOVQ 48(AX), SI
	ADDQ $64, SI
	MOVQ 48(AX), DI
	ADDQ $64, DI
	MOVQ 32(AX), BX
	ADDQ $64, BX
	ADDQ $64, DX
	DECQ R11
	JNZ  half

	// out [dim][32] += values [keys/32][dim][32] weights [keys/2][32][2]
	MOVQ $64, R8
	MOVQ 72(AX), R11
	MOVQ R11, R10
	SHLQ $11, R10             // bytes between groups of values
	MOVQ 24(AX), SI
	MOVQ 32(AX), DI

dims:
	MOVQ SI, DX
	MOVQ 48(AX), BX
	MOVQ R9, CX
	CMPQ done-16(SP), $0
	JNE  load
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	JMP  loaded

load:
	TILELOADD(0, 7, 12, 0)
	TILELOADD(1, 7, 12, 64)
	TILELOADD(2, 7, 12, 2048)
	TILELOADD(3, 7, 12, 2112)

loaded:
	CMPQ R13, $1
	JEQ  vone

vboth:
	TILELOADD(6, 3, 12, 0)
	TILELOADD(4, 2, 8, 0)
	TDPBF16PS(0, 4, 6)
	TILELOADD(5, 2, 8, 1024)
	TDPBF16PS(2, 5, 6)
	TILELOADD(7, 3, 12, 64)
	TDPBF16PS(1, 4, 7)
	TDPBF16PS(3, 5, 7)
	ADDQ R10, DX
	ADDQ $2048, BX
	DECQ CX
	JNZ  vboth
	TILESTORED(1, 7, 12, 64)
	TILESTORED(3, 7, 12, 2112)
	JMP  summed

vone:
	TILELOADD(6, 3, 12, 0)
	TILELOADD(4, 2, 8, 0)
	TDPBF16PS(0, 4, 6)
	TILELOADD(5, 2, 8, 1024)
	TDPBF16PS(2, 5, 6)
	ADDQ R10, DX
	ADDQ $2048, BX
	DECQ CX
	JNZ  vone

summed:
	TILESTORED(0, 7, 12, 0)
	TILESTORED(2, 7, 12, 2048)
	ADDQ $2048, SI
	ADDQ $4096, DI
	DECQ R11
	JNZ  dims

	IMULQ R9, R10
	ADDQ R10, 24(AX)
	MOVQ R9, CX
	SHLQ $5, CX
	ADDQ CX, done-16(SP)
	SUBQ R9, left-8(SP)
	JNZ  block
	TILERELEASE
	VZEROUPPER
	RET
