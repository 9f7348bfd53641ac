//go:build !noasm

#include "textflag.h"
#include "vec_amd64.h"

// func adamwAVX512(w, m, v, grad *float32, n int, c *adamCoeffs)
//
// Eight lanes a turn. The moments and the weight are rounded once at the end, from
// float64, which keeps long runs close to the exact recurrence; root and quotient, which
// in float64 would take most of the time, are float32: the update is far smaller than
// the weight it changes.
TEXT ·adamwAVX512(SB), NOSPLIT, $0-48
	MOVQ w+0(FP), DI
	MOVQ m+8(FP), SI
	MOVQ v+16(FP), DX
	MOVQ grad+24(FP), R8
	MOVQ n+32(FP), CX
	MOVQ c+40(FP), R9
	VBROADCASTSD 0(R9), Z16  // b1
	VBROADCASTSD 8(R9), Z17  // 1-b1
	VBROADCASTSD 16(R9), Z18 // b2
	VBROADCASTSD 24(R9), Z19 // 1-b2
	VBROADCASTSD 32(R9), Z20 // lr/(1-b1^t)
	VBROADCASTSD 40(R9), Z23 // 1-lr*wd
	VBROADCASTSD 48(R9), Z24 // gradient scale
	VBROADCASTSS 56(R9), Y21 // 1/sqrt(1-b2^t)
	VBROADCASTSS 60(R9), Y22 // eps
	MOVL $0xff, AX
	KMOVW AX, K1

ad8:
	CMPQ CX, $8
	JGE  adbody
	TESTQ CX, CX
	JZ    addone
	TAILMASK

adbody:
	VMOVUPS.Z (R8), K1, Y0
	VMOVUPS.Z (SI), K1, Y1
	VMOVUPS.Z (DX), K1, Y2
	VMOVUPS.Z (DI), K1, Y3
	VCVTPS2PD Y0, Z0
	VCVTPS2PD Y1, Z1
	VCVTPS2PD Y2, Z2
	VCVTPS2PD Y3, Z3
	VMULPD Z24, Z0, Z0
	VMULPD Z16, Z1, Z1
	VFMADD231PD Z17, Z0, Z1
	VMULPD Z0, Z0, Z0
	VMULPD Z18, Z2, Z2
	VFMADD231PD Z19, Z0, Z2
	VCVTPD2PS Z1, Y4
	VCVTPD2PS Z2, Y5
	VMOVUPS Y4, K1, (SI)
	VMOVUPS Y5, K1, (DX)
	VSQRTPS Y5, Y5
	VFMADD213PS Y22, Y21, Y5 // sqrt(v)/sqrt(1-b2^t) + eps
	VMULPD Z20, Z1, Z1
	VCVTPD2PS Z1, Y4
	VDIVPS Y5, Y4, Y4
	VCVTPS2PD Y4, Z1
	VFMSUB213PD Z1, Z23, Z3  // w (1-lr*wd) - update
	VCVTPD2PS Z3, Y3
	VMOVUPS Y3, K1, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, R8
	SUBQ $8, CX
	JG   ad8

addone:
	VZEROUPPER
	RET

// func adamwAVX2(w, m, v, grad *float32, n int, c *adamCoeffs)
//
// Four lanes a turn, with the bits of the other.
TEXT ·adamwAVX2(SB), NOSPLIT, $0-48
	MOVQ w+0(FP), DI
	MOVQ m+8(FP), SI
	MOVQ v+16(FP), DX
	MOVQ grad+24(FP), R8
	MOVQ n+32(FP), CX
	MOVQ c+40(FP), R9
	VBROADCASTSD 0(R9), Y6   // b1
	VBROADCASTSD 8(R9), Y7   // 1-b1
	VBROADCASTSD 16(R9), Y8  // b2
	VBROADCASTSD 24(R9), Y9  // 1-b2
	VBROADCASTSD 32(R9), Y10 // lr/(1-b1^t)
	VBROADCASTSD 40(R9), Y13 // 1-lr*wd
	VBROADCASTSD 48(R9), Y14 // gradient scale
	VBROADCASTSS 56(R9), X11 // 1/sqrt(1-b2^t)
	VBROADCASTSS 60(R9), X12 // eps

// X5 becomes sqrt(v)/sqrt(1-b2^t) + eps, Y3 w (1-lr*wd) - the update.
#define ADAMW(load, store) \
	load((R8), X0)           \
	load((SI), X1)           \
	load((DX), X2)           \
	load((DI), X3)           \
	VCVTPS2PD X0, Y0         \
	VCVTPS2PD X1, Y1         \
	VCVTPS2PD X2, Y2         \
	VCVTPS2PD X3, Y3         \
	VMULPD Y14, Y0, Y0       \
	VMULPD Y6, Y1, Y1        \
	VFMADD231PD Y7, Y0, Y1   \
	VMULPD Y0, Y0, Y0        \
	VMULPD Y8, Y2, Y2        \
	VFMADD231PD Y9, Y0, Y2   \
	VCVTPD2PSY Y1, X4        \
	VCVTPD2PSY Y2, X5        \
	store(X4, (SI))          \
	store(X5, (DX))          \
	VSQRTPS X5, X5           \
	VFMADD213PS X12, X11, X5 \
	VMULPD Y10, Y1, Y1       \
	VCVTPD2PSY Y1, X4        \
	VDIVPS X5, X4, X4        \
	VCVTPS2PD X4, Y1         \
	VFMSUB213PD Y1, Y13, Y3  \
	VCVTPD2PSY Y3, X3        \
	store(X3, (DI))

ad4:
	CMPQ CX, $4
	JLT  adtail
	ADAMW(LOAD, STORE)
	ADDQ $16, DI
	ADDQ $16, SI
	ADDQ $16, DX
	ADDQ $16, R8
	SUBQ $4, CX
	JMP  ad4

adtail:
	TESTQ CX, CX
	JZ    addone
	MASK8
	ADAMW(XLOAD, XSTORE)

addone:
	VZEROUPPER
	RET
