//go:build !noasm

#include "textflag.h"
#include "vec_amd64.h"

DATA indices<>+0(SB)/8, $0x0000000100000000
DATA indices<>+8(SB)/8, $0x0000000300000002
DATA indices<>+16(SB)/8, $0x0000000500000004
DATA indices<>+24(SB)/8, $0x0000000700000006
DATA indices<>+32(SB)/8, $0x0000000900000008
DATA indices<>+40(SB)/8, $0x0000000b0000000a
DATA indices<>+48(SB)/8, $0x0000000d0000000c
DATA indices<>+56(SB)/8, $0x0000000f0000000e
GLOBL indices<>(SB), RODATA|NOPTR, $64

// func aboveAVX512(dst *int32, x *float32, n int, floor float32) int
TEXT ·aboveAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTSS floor+24(FP), Z0
	VMOVDQU32 indices<>(SB), Z1 // indices of 16 elements
	MOVL $16, AX
	VPBROADCASTD AX, Z2
	XORQ R8, R8 // indices stored

above16:
	CMPQ CX, $16
	JLT  abovetail
	VMOVUPS (SI), Z3
	VCMPPS $0x1e, Z0, Z3, K2
	KORTESTW K2, K2
	JZ   abovenext
	VPCOMPRESSD Z1, K2, (DI)(R8*4)
	KMOVW K2, AX
	POPCNTL AX, AX
	ADDQ AX, R8

abovenext:
	VPADDD Z2, Z1, Z1
	ADDQ $64, SI
	SUBQ $16, CX
	JMP  above16

abovetail:
	TESTQ CX, CX
	JZ    abovedone
	TAILMASK
	VMOVUPS.Z (SI), K1, Z3
	VCMPPS $0x1e, Z0, Z3, K1, K2
	VPCOMPRESSD Z1, K2, (DI)(R8*4)
	KMOVW K2, AX
	POPCNTL AX, AX
	ADDQ AX, R8

abovedone:
	MOVQ R8, ret+32(FP)
	VZEROUPPER
	RET
