//go:build !noasm

#include "textflag.h"

// Rows as integers, and sums of integers as floats: see int8.go.

// func maxMagnitudeAMX(x *uint16, n int) uint16
// the largest x[i] & 0x7fff; n is a multiple of 32.
TEXT ·maxMagnitudeAMX(SB), NOSPLIT, $0-18
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VPXORQ Z0, Z0, Z0
	MOVL $0x7fff7fff, AX
	VPBROADCASTD AX, Z1

loop:
	VPANDQ (SI), Z1, Z2
	VPMAXUW Z2, Z0, Z0
	ADDQ $64, SI
	SUBQ $32, CX
	JNZ  loop

	VEXTRACTI64X4 $1, Z0, Y2
	VPMAXUW Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X2
	VPMAXUW X2, X0, X0
	VPXOR X2, X2, X2
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

// func sumsToTileAMX(tile *float32, sums *int32, low uintptr, rowScale *float32, rows int, scale *float32)
// tile[i,j] = (128*sums[i,j] + sums[low+i,j]) * scale[j] * rowScale[i], rows of 32, low in bytes
TEXT ·sumsToTileAMX(SB), NOSPLIT, $0-48
	MOVQ tile+0(FP), DI
	MOVQ sums+8(FP), SI
	MOVQ low+16(FP), R8
	MOVQ rowScale+24(FP), DX
	MOVQ rows+32(FP), CX
	MOVQ scale+40(FP), BX
	VMOVUPS (BX), Z4
	VMOVUPS 64(BX), Z5
	MOVL $0x43000000, AX      // 128
	VPBROADCASTD AX, Z6

row:
	VBROADCASTSS (DX), Z7
	VCVTDQ2PS (SI), Z0
	VCVTDQ2PS 64(SI), Z1
	VCVTDQ2PS (SI)(R8*1), Z2
	VCVTDQ2PS 64(SI)(R8*1), Z3
	VFMADD231PS Z6, Z0, Z2
	VFMADD231PS Z6, Z1, Z3
	VMULPS Z4, Z2, Z2
	VMULPS Z5, Z3, Z3
	VMULPS Z7, Z2, Z2
	VMULPS Z7, Z3, Z3
	VMOVUPS Z2, (DI)
	VMOVUPS Z3, 64(DI)
	ADDQ $4, DX
	ADDQ $128, SI
	ADDQ $128, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET
