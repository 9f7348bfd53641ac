//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"

// Moving rows between float32, bf16 and the layouts that tiles want. Each function is
// the loop of its twin in rows.go, panels.go or product.go.


// func scaleMulBF16AMX(dst *uint16, x, w *float32, n int, s float32)
// dst[i] = bf16(x[i]*s*w[i]) for i < n, zero up to the next multiple of 32.
TEXT ·scaleMulBF16AMX(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ w+16(FP), DX
	MOVQ n+24(FP), CX
	VBROADCASTSS s+32(FP), Z4

loop:
	CMPQ CX, $32
	JLT  tail
	VMULPS (SI), Z4, Z0
	VMULPS 64(SI), Z4, Z1
	VMULPS (DX), Z0, Z0
	VMULPS 64(DX), Z1, Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (DI)
	ADDQ $128, SI
	ADDQ $128, DX
	ADDQ $64, DI
	SUBQ $32, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ   done
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVW AX, K1
	SHRQ $16, AX
	KMOVW AX, K2
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	VMOVUPS.Z (DX), K1, Z2
	VMOVUPS.Z 64(DX), K2, Z3
	VMULPS Z0, Z4, Z0
	VMULPS Z1, Z4, Z1
	VMULPS Z2, Z0, Z0
	VMULPS Z3, Z1, Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (DI)

done:
	VZEROUPPER
	RET

// func toBF16AMX(dst *uint16, x *float32, n int)
// dst[i] = bf16(x[i]) for i < n, zero up to the next multiple of 32.
TEXT ·toBF16AMX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	CMPQ CX, $32
	JLT  tail
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (DI)
	ADDQ $128, SI
	ADDQ $64, DI
	SUBQ $32, CX
	JMP  loop

tail:
	TESTQ CX, CX
	JZ   done
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVW AX, K1
	SHRQ $16, AX
	KMOVW AX, K2
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (DI)

done:
	VZEROUPPER
	RET

// func tileToBF16AMX(dst *uint16, stride uintptr, tile *float32, rows int)
// rows of 32 floats to rows of 32 bf16 that are stride bytes apart.
TEXT ·tileToBF16AMX(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ tile+16(FP), SI
	MOVQ rows+24(FP), CX

row:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VCVTNE2PS2BF16(0, 1, 0)
	VMOVDQU64 Z0, (DI)
	PREFETCHW(7, 64)
	ADDQ $128, SI
	ADDQ DX, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// func tileFromBF16AVX512(tile *float32, src *uint16, stride uintptr, rows int)
// rows of 32 bf16, stride bytes apart, to rows of 32 floats.
TEXT ·tileFromBF16AVX512(SB), NOSPLIT, $0-32
	MOVQ tile+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ rows+24(FP), CX

row:
	VPMOVZXWD (SI), Z0
	VPMOVZXWD 32(SI), Z1
	VPSLLD $16, Z0, Z0
	VPSLLD $16, Z1, Z1
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	ADDQ $128, DI
	ADDQ DX, SI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// func tileStoreAVX512(c *float32, stride uintptr, tile *float32, rows int, mask uint32, base *float32, baseStride uintptr)
// c[i,j] = tile[i,j], or base[i,j] + tile[i,j] if base is not nil, for bits j of mask.
TEXT ·tileStoreAVX512(SB), NOSPLIT, $0-56
	MOVQ c+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ tile+16(FP), SI
	MOVQ rows+24(FP), CX
	MOVL mask+32(FP), AX
	KMOVW AX, K1
	SHRL $16, AX
	KMOVW AX, K2
	MOVQ base+40(FP), R8
	MOVQ baseStride+48(FP), R9
	TESTQ R8, R8
	JNZ  add

row:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VMOVUPS Z0, K1, (DI)
	VMOVUPS Z1, K2, 64(DI)
	PREFETCHW(7, 128)
	PREFETCHW(7, 192)
	ADDQ $128, SI
	ADDQ DX, DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

add:
	VMOVUPS.Z (R8), K1, Z0
	VMOVUPS.Z 64(R8), K2, Z1
	VADDPS (SI), Z0, Z0
	VADDPS 64(SI), Z1, Z1
	VMOVUPS Z0, K1, (DI)
	VMOVUPS Z1, K2, 64(DI)
	PREFETCHW(7, 128)
	PREFETCHW(7, 192)
	PREFETCHT0 128(R8)
	PREFETCHT0 192(R8)
	ADDQ $128, SI
	ADDQ DX, DI
	ADDQ R9, R8
	DECQ CX
	JNZ  add
	VZEROUPPER
	RET

// Word i of the result is word i/2 of the source, from the lower and the upper half.
DATA pairsLow<>+0(SB)/8, $0x0001000100000000
DATA pairsLow<>+8(SB)/8, $0x0003000300020002
DATA pairsLow<>+16(SB)/8, $0x0005000500040004
DATA pairsLow<>+24(SB)/8, $0x0007000700060006
DATA pairsLow<>+32(SB)/8, $0x0009000900080008
DATA pairsLow<>+40(SB)/8, $0x000b000b000a000a
DATA pairsLow<>+48(SB)/8, $0x000d000d000c000c
DATA pairsLow<>+56(SB)/8, $0x000f000f000e000e
GLOBL pairsLow<>(SB), RODATA|NOPTR, $64
DATA pairsHigh<>+0(SB)/8, $0x0011001100100010
DATA pairsHigh<>+8(SB)/8, $0x0013001300120012
DATA pairsHigh<>+16(SB)/8, $0x0015001500140014
DATA pairsHigh<>+24(SB)/8, $0x0017001700160016
DATA pairsHigh<>+32(SB)/8, $0x0019001900180018
DATA pairsHigh<>+40(SB)/8, $0x001b001b001a001a
DATA pairsHigh<>+48(SB)/8, $0x001d001d001c001c
DATA pairsHigh<>+56(SB)/8, $0x001f001f001e001e
GLOBL pairsHigh<>(SB), RODATA|NOPTR, $64

// func pairsAVX512(dst, src *uint16, stride uintptr, pairs int)
// dst[p,j,t] = src[2p+t, j] for p < pairs, j < 32, t < 2: rows of src are stride bytes
// apart, dst is contiguous.
TEXT ·pairsAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ pairs+24(FP), CX
	VMOVDQU64 pairsLow<>(SB), Z2
	VMOVDQU64 pairsHigh<>(SB), Z3
	MOVL $0xAAAAAAAA, AX
	KMOVD AX, K1

pair:
	VPERMW (SI), Z2, Z0
	VPERMW (SI), Z3, Z1
	VPERMW (SI)(DX*1), Z2, K1, Z0
	VPERMW (SI)(DX*1), Z3, K1, Z1
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	LEAQ (SI)(DX*2), SI
	ADDQ $128, DI
	DECQ CX
	JNZ  pair
	VZEROUPPER
	RET

// GATHER4 fills q with 16 bytes of each of rows i, i+4, i+8 and i+12, i in base.
#define GATHER4(base, off, x, z) VMOVDQU off(base), x; VINSERTI32X4 $1, off(base)(DX*4), z, z; VINSERTI32X4 $2, off(base)(DX*8), z, z; VINSERTI32X4 $3, off(base)(R12*4), z, z

// TRANSPOSE4 transposes 4 x 4 blocks of 32 bits within the 128-bit lanes of a, b, c, d.
#define TRANSPOSE4(a, b, c, d, s, t, u, v) VPUNPCKLDQ b, a, s; VPUNPCKHDQ b, a, t; VPUNPCKLDQ d, c, u; VPUNPCKHDQ d, c, v; VPUNPCKLQDQ u, s, a; VPUNPCKHQDQ u, s, b; VPUNPCKLQDQ v, t, c; VPUNPCKHQDQ v, t, d

#define STORE4(a, b, c, d) VMOVDQU64 a, (DI); VMOVDQU64 b, (DI)(R8*1); VMOVDQU64 c, (DI)(R8*2); VMOVDQU64 d, (DI)(R13*1); LEAQ (DI)(R8*4), DI

// func transpose16AVX512(dst unsafe.Pointer, dstStride uintptr, src unsafe.Pointer, srcStride uintptr)
// dst[j,i] = src[i,j] for 16 x 16 elements of 32 bits; strides are in bytes.
TEXT ·transpose16AVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ dstStride+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ srcStride+24(FP), DX
	LEAQ (DX)(DX*2), R12      // 3 rows of src; times 4 it is 12
	LEAQ (R8)(R8*2), R13
	LEAQ (SI)(DX*1), R9
	LEAQ (SI)(DX*2), R10
	LEAQ (SI)(R12*1), R11
	GATHER4(SI, 0, X0, Z0)
	GATHER4(R9, 0, X1, Z1)
	GATHER4(R10, 0, X2, Z2)
	GATHER4(R11, 0, X3, Z3)
	GATHER4(SI, 16, X4, Z4)
	GATHER4(R9, 16, X5, Z5)
	GATHER4(R10, 16, X6, Z6)
	GATHER4(R11, 16, X7, Z7)
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z16, Z17, Z18, Z19)
	GATHER4(SI, 32, X8, Z8)
	GATHER4(R9, 32, X9, Z9)
	GATHER4(R10, 32, X10, Z10)
	GATHER4(R11, 32, X11, Z11)
	TRANSPOSE4(Z4, Z5, Z6, Z7, Z20, Z21, Z22, Z23)
	GATHER4(SI, 48, X12, Z12)
	GATHER4(R9, 48, X13, Z13)
	GATHER4(R10, 48, X14, Z14)
	GATHER4(R11, 48, X15, Z15)
	TRANSPOSE4(Z8, Z9, Z10, Z11, Z24, Z25, Z26, Z27)
	TRANSPOSE4(Z12, Z13, Z14, Z15, Z28, Z29, Z30, Z31)
	STORE4(Z0, Z1, Z2, Z3)
	STORE4(Z4, Z5, Z6, Z7)
	STORE4(Z8, Z9, Z10, Z11)
	STORE4(Z12, Z13, Z14, Z15)
	VZEROUPPER
	RET
