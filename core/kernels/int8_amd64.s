//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"

// Rows as integers, and their products with panels of integers: see int8.go.

// func maxMagnitudeAVX2(x *uint16, n int) uint16
// the largest x[i] & 0x7fff; n is a positive multiple of 16.
TEXT ·maxMagnitudeAVX2(SB), NOSPLIT, $0-18
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPCMPEQW Y1, Y1, Y1
	VPSRLW $1, Y1, Y1

loop:
	VPAND (SI), Y1, Y2
	VPMAXUW Y2, Y0, Y0
	ADDQ $32, SI
	SUBQ $16, CX
	JNZ  loop

	VEXTRACTI128 $1, Y0, X2
	VPMAXUW X2, X0, X0
	VPCMPEQW X3, X3, X3
	VPXOR X3, X0, X0          // the smallest of the complements
	VPHMINPOSUW X0, X0
	VMOVD X0, AX
	NOTL AX
	MOVW AX, ret+16(FP)
	VZEROUPPER
	RET

// PLANE stores 16 numbers of z as bytes: z = x*inverse, rounded, = 128*hi + lo.
#define PLANE(z, t, x, off) VCVTPS2DQ z, z; VPADDD Z30, z, t; VPSRAD $7, t, t; VPMOVDB t, x; VMOVDQU x, off(DI); VPSLLD $7, t, t; VPSUBD t, z, z; VPMOVDB z, x; VMOVDQU x, off(DX)

// func planeRowAMX(hi, lo *int8, x *uint16, n int, inverse float32)
TEXT ·planeRowAMX(SB), NOSPLIT, $0-36
	MOVQ hi+0(FP), DI
	MOVQ lo+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ n+24(FP), CX
	VBROADCASTSS inverse+32(FP), Z31
	MOVL $64, AX
	VPBROADCASTD AX, Z30

loop:
	VPMOVZXWD (SI), Z0
	VPMOVZXWD 32(SI), Z1
	VPSLLD $16, Z0, Z0
	VPSLLD $16, Z1, Z1
	VMULPS Z31, Z0, Z0
	VMULPS Z31, Z1, Z1
	PLANE(Z0, Z2, X3, 0)
	PLANE(Z1, Z4, X5, 16)
	ADDQ $64, SI
	ADDQ $32, DI
	ADDQ $32, DX
	SUBQ $32, CX
	JNZ  loop
	VZEROUPPER
	RET

// func tileInt8(o *int8Operands)
// Tiles are those of amx_amd64.s: with up to 8 rows tile 4 is both planes, else it is the
// hi and tile 5 the lo of 16 rows. A group's sums become floats after the next group's
// are done, so that nothing waits for them.
TEXT ·tileInt8(SB), NOSPLIT, $0-8
	MOVQ o+0(FP), AX
	MOVQ 0(AX), BX
	LDTILECFG(3)
	MOVQ 24(AX), DI           // tile, for the next sums
	MOVQ 32(AX), R9           // bytes between rows of a
	MOVQ R9, R10
	SHLQ $4, R10              // 16 rows of a
	MOVQ $128, R12            // bytes between rows of b and sums
	MOVQ 96(AX), CX           // scales of the columns, for the next sums
	MOVL $0x43000000, DX      // 128
	VPBROADCASTD DX, Z6
	MOVQ 40(AX), SI
	SHLQ $8, SI               // an eighth of a panel
	LEAQ (SI)(SI*2), R14

panel:
	MOVQ 8(AX), DX            // a, this group and step
	MOVQ 112(AX), R8
	MOVQ R8, 160(AX)          // groups left
	CMPQ 104(AX), $2048
	JNE  few
	MOVQ 16(AX), R13
	LEAQ (R13)(SI*8), R13     // what is wanted next: the following panel,
	CMPQ 56(AX), $1
	JNE  ask
	MOVQ 64(AX), R13          // or what the caller says,
	TESTQ R13, R13
	JNZ  ask
	MOVQ R13, 120(AX)         // if anything

ask:
	SUBQ SI, R13

group:
	MOVQ DX, 168(AX)
	LEAQ (DX)(R10*1), R11     // the lo of a
	MOVQ 16(AX), BX
	MOVQ 40(AX), R8           // steps left
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	MOVQ 112(AX), R15
	SUBQ 160(AX), R15         // groups done
	CMPQ R15, 120(AX)
	JCC  step0
	CMPQ 120(AX), $2
	JEQ  step2
	JHI  step1

step4:
	STEP32(TDPBSSD, ASK4)
	ADDQ $256, R13
	DECQ R8
	JNZ  step4
	JMP  store

step2:
	STEP32(TDPBSSD, ASK2)
	ADDQ $128, R13
	DECQ R8
	JNZ  step2
	JMP  store

step1:
	STEP32(TDPBSSD, ASK1)
	ADDQ $64, R13
	DECQ R8
	JNZ  step1
	JMP  store

step0:
	STEP32(TDPBSSD, ASK0)
	DECQ R8
	JNZ  step0

store:
	MOVQ 48(AX), DX
	TILESTORED(0, 2, 12, 0)
	TILESTORED(1, 2, 12, 64)
	TILESTORED(2, 2, 12, 2048)
	TILESTORED(3, 2, 12, 2112)
	JMP  stored

few:
	MOVQ 16(AX), BX
	MOVQ 40(AX), R8
	TILEZERO(0)
	TILEZERO(1)

fewstep:
	LOOKAHEAD
	STEP16AHEAD(TDPBSSD)
	DECQ R8
	JNZ  fewstep
	MOVQ 48(AX), DX
	TILESTORED(0, 2, 12, 0)
	TILESTORED(1, 2, 12, 64)

stored:
	MOVQ 136(AX), R8
	MOVQ DX, 136(AX)          // these sums
	MOVQ R8, 48(AX)           // and those before, if there are any: the next place
	MOVQ R8, DX
	DECQ 128(AX)
	JZ   advance

floats:
	VMOVUPS (CX), Z4
	VMOVUPS 64(CX), Z5
	MOVQ 104(AX), R15
	MOVQ 152(AX), R11         // scales of the rows, for these sums
	MOVQ $16, R8
	CMPQ R8, 144(AX)
	CMOVQHI 144(AX), R8       // rows of this group
	SUBQ R8, 144(AX)

row:
	VBROADCASTSS (R11), Z7
	VCVTDQ2PS (DX), Z0
	VCVTDQ2PS 64(DX), Z1
	VCVTDQ2PS (DX)(R15*1), Z2
	VCVTDQ2PS 64(DX)(R15*1), Z3
	VFMADD231PS Z6, Z0, Z2
	VFMADD231PS Z6, Z1, Z3
	VMULPS Z4, Z2, Z2
	VMULPS Z5, Z3, Z3
	VMULPS Z7, Z2, Z2
	VMULPS Z7, Z3, Z3
	VMOVUPS Z2, (DI)
	VMOVUPS Z3, 64(DI)
	ADDQ $4, R11
	ADDQ $128, DX
	ADDQ $128, DI
	DECQ R8
	JNZ  row
	MOVQ R11, 152(AX)
	CMPQ 144(AX), $0
	JNE  advance
	MOVQ 80(AX), DX
	MOVQ DX, 144(AX)
	MOVQ 88(AX), R11
	MOVQ R11, 152(AX)
	ADDQ $128, CX

advance:
	MOVQ 168(AX), DX
	LEAQ (DX)(R10*2), DX
	DECQ 160(AX)
	JGT  group
	JLT  done
	LEAQ (SI*8), BX
	ADDQ BX, 16(AX)
	DECQ 56(AX)
	JNZ  panel
	MOVQ 136(AX), DX          // the last sums
	JMP  floats

done:
	TILERELEASE
	VZEROUPPER
	RET
