//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"

// Tiles 0 to 3 are the 32 x 32 block of c, 4 and 5 two times 16 rows of a, 6 and 7 the
// two halves of the panel of b. One step of the inner loop takes 64 bytes of each row of
// a and 2 KiB of b.

// func tileBlocks(o *tileOperands)
TEXT ·tileBlocks(SB), NOSPLIT, $0-8
	MOVQ o+0(FP), AX
	MOVQ 0(AX), BX
	LDTILECFG(3)
	MOVQ 24(AX), DI           // c, this block or panel
	MOVQ 32(AX), R9           // bytes between rows of a
	MOVQ R9, R10
	SHLQ $4, R10              // 16 rows of a
	MOVQ $128, R12            // bytes between rows of b and c
	MOVQ 40(AX), SI
	SHLQ $8, SI               // an eighth of a panel
	LEAQ (SI)(SI*2), R14
	MOVL 120(AX), DX
	KMOVW DX, K1
	SHRL $16, DX
	KMOVW DX, K2

panel:
	MOVQ 48(AX), CX           // blocks left
	MOVQ 16(AX), R13
	LEAQ (R13)(SI*8), R13     // what is wanted next: the following panel,
	CMPQ 56(AX), $1
	JNE  ask
	MOVQ 64(AX), R13          // or what the caller says,
	TESTQ R13, R13
	JNZ  ask
	MOVQ R13, 136(AX)         // if anything

ask:
	SUBQ SI, R13

block:
	MOVQ 8(AX), DX            // a, first 16 rows, this step
	LEAQ (DX)(R10*1), R11     // a, next 16 rows
	MOVQ 16(AX), BX
	MOVQ 40(AX), R8           // steps left
	CMPQ 80(AX), $0
	JNE  load
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	JMP  choose

load:
	TILELOADD(0, 7, 12, 0)
	TILELOADD(1, 7, 12, 64)
	TILELOADD(2, 7, 12, 2048)
	TILELOADD(3, 7, 12, 2112)

choose:
	MOVQ 48(AX), R15
	SUBQ CX, R15              // blocks done
	CMPQ R15, 136(AX)
	JCC  step0
	CMPQ 136(AX), $2
	JEQ  step2
	JHI  step1

step4:
	STEP32(TDPBF16PS, ASK4)
	ADDQ $256, R13
	DECQ R8
	JNZ  step4
	JMP  store

step2:
	STEP32(TDPBF16PS, ASK2)
	ADDQ $128, R13
	DECQ R8
	JNZ  step2
	JMP  store

step1:
	STEP32(TDPBF16PS, ASK1)
	ADDQ $64, R13
	DECQ R8
	JNZ  step1
	JMP  store

step0:
	STEP32(TDPBF16PS, ASK0)
	DECQ R8
	JNZ  step0

store:
	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	TILESTORED(2, 7, 12, 2048)
	TILESTORED(3, 7, 12, 2112)
	CMPL 124(AX), $1
	JLT  next
	MOVQ DI, DX               // c
	MOVQ 88(AX), R8           // target
	MOVQ 96(AX), R15          // bytes between its rows
	MOVQ $32, R11             // rows left
	JGT  floats

bfloat:
	VMOVUPS (DX), Z0
	VMOVUPS 64(DX), Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (R8)
	PREFETCHW(8, 64)          // the next panel's results
	ADDQ $128, DX
	ADDQ R15, R8
	DECQ R11
	JNZ  bfloat
	MOVQ R8, 88(AX)
	JMP  next

floats:
	MOVQ 104(AX), BX          // base
	TESTQ BX, BX
	JNZ  add

float:
	VMOVUPS (DX), Z0
	VMOVUPS 64(DX), Z1
	VMOVUPS Z0, K1, (R8)
	VMOVUPS Z1, K2, 64(R8)
	PREFETCHW(8, 128)
	PREFETCHW(8, 192)
	ADDQ $128, DX
	ADDQ R15, R8
	DECQ R11
	JNZ  float
	MOVQ R8, 88(AX)
	JMP  next

add:
	VMOVUPS.Z (BX), K1, Z0
	VMOVUPS.Z 64(BX), K2, Z1
	VADDPS (DX), Z0, Z0
	VADDPS 64(DX), Z1, Z1
	VMOVUPS Z0, K1, (R8)
	VMOVUPS Z1, K2, 64(R8)
	PREFETCHW(8, 128)
	PREFETCHW(8, 192)
	PREFETCHT0 128(BX)
	PREFETCHT0 192(BX)
	ADDQ $128, DX
	ADDQ R15, R8
	ADDQ 112(AX), BX
	DECQ R11
	JNZ  add
	MOVQ R8, 88(AX)
	MOVQ BX, 104(AX)

next:
	ADDQ 128(AX), DI
	ADDQ R10, 8(AX)
	ADDQ R10, 8(AX)
	DECQ CX
	JNZ  block
	SUBQ R10, 8(AX)
	SUBQ R10, 8(AX)
	LEAQ (SI*8), BX
	ADDQ BX, 16(AX)
	DECQ 56(AX)
	JNZ  panel
	TILERELEASE
	VZEROUPPER
	RET

// func tileRows(o *tileOperands)
// for at most 16 rows of a
TEXT ·tileRows(SB), NOSPLIT, $0-8
	MOVQ o+0(FP), AX
	MOVQ 0(AX), BX
	LDTILECFG(3)
	MOVQ 16(AX), BX
	MOVQ 24(AX), DI
	MOVQ 32(AX), R9
	MOVQ $128, R12

panel:
	MOVQ 8(AX), DX
	MOVQ 40(AX), R8
	CMPQ 80(AX), $0
	JNE  load
	TILEZERO(0)
	TILEZERO(1)
	JMP  step

load:
	TILELOADD(0, 7, 12, 0)
	TILELOADD(1, 7, 12, 64)

step:
	LOOKAHEAD
	STEP16AHEAD(TDPBF16PS)
	DECQ R8
	JNZ  step

	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	ADDQ 128(AX), DI
	DECQ 56(AX)
	JNZ  panel
	TILERELEASE
	VZEROUPPER
	RET
