//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"

// Tiles 0 to 3 are the 32 x 32 block of c, 4 and 5 two times 16 rows of a, 6 and 7 the
// two halves of the panel of b. One step of the inner loop takes 64 bytes of each row of
// a and 2 KiB of b.

#define STEP(TDP) \
	TILELOADD(6, 3, 12, 0); \
	TILELOADD(4, 2, 9, 0); \
	TDP(0, 4, 6); \
	TILELOADD(5, 11, 9, 0); \
	TDP(2, 5, 6); \
	TILELOADD(7, 3, 12, 64); \
	TDP(1, 4, 7); \
	TDP(3, 5, 7); \
	ADDQ $64, DX; \
	ADDQ $64, R11; \
	ADDQ $2048, BX

// AHEAD asks for 256 of the bytes of b that a later step will want. They stand between
// the other instructions, so that memory never waits for products nor they for memory.
#define AHEAD(off) PREFETCHT0 (off)(BX)(R13*1); PREFETCHT0 (off+64)(BX)(R13*1); PREFETCHT0 (off+128)(BX)(R13*1); PREFETCHT0 (off+192)(BX)(R13*1)

#define STEPAHEAD(TDP) \
	AHEAD(0); \
	TILELOADD(6, 3, 12, 0); \
	AHEAD(256); \
	TILELOADD(4, 2, 9, 0); \
	AHEAD(512); \
	TDP(0, 4, 6); \
	AHEAD(768); \
	TILELOADD(5, 11, 9, 0); \
	AHEAD(1024); \
	TDP(2, 5, 6); \
	AHEAD(1280); \
	TILELOADD(7, 3, 12, 64); \
	AHEAD(1536); \
	TDP(1, 4, 7); \
	AHEAD(1792); \
	TDP(3, 5, 7); \
	ADDQ $64, DX; \
	ADDQ $64, R11; \
	ADDQ $2048, BX

// The same with one tile of a.
#define HALFSTEPAHEAD(TDP) \
	AHEAD(0); \
	AHEAD(256); \
	TILELOADD(6, 3, 12, 0); \
	AHEAD(512); \
	TILELOADD(4, 2, 9, 0); \
	AHEAD(768); \
	TDP(0, 4, 6); \
	AHEAD(1024); \
	AHEAD(1280); \
	TILELOADD(7, 3, 12, 64); \
	AHEAD(1536); \
	AHEAD(1792); \
	TDP(1, 4, 7); \
	ADDQ $64, DX; \
	ADDQ $2048, BX

// func tileBlocks(o *tileOperands)
TEXT ·tileBlocks(SB), NOSPLIT, $0-8
	MOVQ o+0(FP), AX
	MOVQ 0(AX), BX
	LDTILECFG(3)
	MOVQ 32(AX), R9           // bytes between rows of a
	MOVQ R9, R10
	SHLQ $4, R10              // 16 rows of a
	MOVQ $128, R12            // bytes between rows of b and c
	MOVQ 64(AX), R13          // how far to read ahead
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
	CMPQ 88(AX), $0
	JNE  quads
	CMPQ CX, 48(AX)
	JNE  pairs

firstpairs:
	STEPAHEAD(TDPBF16PS)
	DECQ R8
	JNZ  firstpairs
	JMP  store

pairs:
	STEP(TDPBF16PS)
	DECQ R8
	JNZ  pairs
	JMP  store

quads:
	CMPQ CX, 48(AX)
	JNE  laterquads

firstquads:
	STEPAHEAD(TDPBSSD)
	DECQ R8
	JNZ  firstquads
	JMP  store

laterquads:
	STEP(TDPBSSD)
	DECQ R8
	JNZ  laterquads

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
	MOVQ 64(AX), R13

panel:
	MOVQ 8(AX), DX
	MOVQ 40(AX), R8
	CMPQ 80(AX), $0
	JNE  load
	TILEZERO(0)
	TILEZERO(1)
	JMP  choose

load:
	TILELOADD(0, 7, 12, 0)
	TILELOADD(1, 7, 12, 64)

choose:
	CMPQ 88(AX), $0
	JNE  quads

pairs:
	HALFSTEPAHEAD(TDPBF16PS)
	DECQ R8
	JNZ  pairs
	JMP  store

quads:
	HALFSTEPAHEAD(TDPBSSD)
	DECQ R8
	JNZ  quads

store:
	TILESTORED(0, 7, 12, 0)
	TILESTORED(1, 7, 12, 64)
	ADDQ 72(AX), DI
	DECQ 56(AX)
	JNZ  panel
	TILERELEASE
	RET
