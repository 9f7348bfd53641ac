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
	MOVQ 32(AX), R9           // bytes between rows of a
	MOVQ R9, R10
	SHLQ $4, R10              // 16 rows of a
	MOVQ $128, R12            // bytes between rows of b and c
	MOVQ 16(AX), BX           // b, this panel and step
	MOVQ 24(AX), R14          // c, this panel

panel:
	MOVQ 48(AX), CX           // blocks left
	MOVQ 8(AX), SI            // a, this block
	MOVQ R14, DI              // c, this block
	MOVQ BX, R15              // b, this panel

block:
	MOVQ SI, DX               // a, first 16 rows, this step
	LEAQ (SI)(R10*1), R11     // a, next 16 rows
	MOVQ R15, BX
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
	CMPQ CX, 48(AX)
	JNE  step

first:
	LOOKAHEAD
	STEP32AHEAD(TDPBF16PS)
	DECQ R8
	JNZ  first
	JMP  store

step:
	STEP32(TDPBF16PS)
	DECQ R8
	JNZ  step

store:
	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	TILESTORED(2, 7, 12, 2048)
	TILESTORED(3, 7, 12, 2112)
	LEAQ (SI)(R10*2), SI
	ADDQ $4096, DI
	DECQ CX
	JNZ  block
	ADDQ 72(AX), R14
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
	ADDQ 72(AX), DI
	DECQ 56(AX)
	JNZ  panel
	TILERELEASE
	VZEROUPPER
	RET
