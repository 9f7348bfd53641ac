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
	MOVL 120(AX), DX
	KMOVW DX, K1
	SHRL $16, DX
	KMOVW DX, K2

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
	JNE  later

first:
	LOOKAHEAD
	STEP32AHEAD(TDPBF16PS)
	DECQ R8
	JNZ  first
	MOVQ BX, 136(AX)          // what follows the panel
	JMP  store

later:                            // blocks share the reading of what follows
	MOVQ 136(AX), R13
	CMPQ R13, 144(AX)
	JCC  step
	CMPQ 48(AX), $2
	JEQ  next2048
	CMPQ 48(AX), $4
	JLT  next1024
	CMPQ 48(AX), $8
	JLT  next512

next256:
	STEP32(TDPBF16PS, NEXT256, NOTHING)
	ADDQ $256, R13
	DECQ R8
	JNZ  next256
	MOVQ R13, 136(AX)
	JMP  store

next512:
	STEP32(TDPBF16PS, NEXT512, NEXT512)
	ADDQ $512, R13
	DECQ R8
	JNZ  next512
	MOVQ R13, 136(AX)
	JMP  store

next1024:
	STEP32(TDPBF16PS, NEXT1024, NEXT1024)
	ADDQ $1024, R13
	DECQ R8
	JNZ  next1024
	MOVQ R13, 136(AX)
	JMP  store

next2048:
	STEP32(TDPBF16PS, NEXT2048, NEXT2048)
	ADDQ $2048, R13
	DECQ R8
	JNZ  next2048
	MOVQ R13, 136(AX)
	JMP  store

step:
	STEP32(TDPBF16PS, NOTHING, NOTHING)
	DECQ R8
	JNZ  step

store:
	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	TILESTORED(2, 7, 12, 2048)
	TILESTORED(3, 7, 12, 2112)
	CMPL 124(AX), $1
	JLT  next
	MOVQ DI, DX               // c
	MOVQ 88(AX), R8           // target
	MOVQ 96(AX), R13          // bytes between its rows
	MOVQ $32, R11             // rows left
	JGT  floats

bfloat:
	VMOVUPS (DX), Z0
	VMOVUPS 64(DX), Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (R8)
	PREFETCHW(8, 64)          // the next panel's results
	ADDQ $128, DX
	ADDQ R13, R8
	DECQ R11
	JNZ  bfloat
	MOVQ R8, 88(AX)
	JMP  next

floats:
	MOVQ 104(AX), BX          // base; there is no next panel that needs BX
	TESTQ BX, BX
	JNZ  add

float:
	VMOVUPS (DX), Z0
	VMOVUPS 64(DX), Z1
	VMOVUPS Z0, K1, (R8)
	VMOVUPS Z1, K2, 64(R8)
	ADDQ $128, DX
	ADDQ R13, R8
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
	ADDQ R13, R8
	ADDQ 112(AX), BX
	DECQ R11
	JNZ  add
	MOVQ R8, 88(AX)
	MOVQ BX, 104(AX)

next:
	LEAQ (SI)(R10*2), SI
	ADDQ 128(AX), DI
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
