//go:build !noasm

#include "textflag.h"
#include "amx_amd64.h"

// Between rows of heads and lanes: see attention_tiles.go.

// LANES reads laneRows at AX: SI the first lane, R9 bytes to the next head, R10 to the
// next row, R8 lanes left in this row, R11 lanes. NEXTLANE steps on.
#define LANES \
	MOVQ 0(AX), SI   \
	MOVQ 8(AX), R9   \
	MOVQ 16(AX), R10 \
	MOVQ 24(AX), R8  \
	MOVQ 40(AX), R11 \
	MOVL 56(AX), R12 \
	KMOVD R12, K1    \
	MOVL $-1, R12    \
	KMOVD R12, K2

#define NEXTLANE \
	ADDQ    R9, SI     \
	DECQ    R8         \
	JNZ     3(PC)      \
	ADDQ    R10, SI    \
	MOVQ    32(AX), R8

// func gatherLanesAMX(dst *uint16, from *laneRows)
TEXT ·gatherLanesAMX(SB), NOSPLIT, $0-16
	MOVQ dst+0(FP), DI
	MOVQ from+8(FP), AX
	LANES

lane:
	MOVQ SI, DX
	MOVQ 48(AX), CX
	DECQ CX
	JZ   last

step:
	VMOVDQU64 (DX), Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $64, DX
	ADDQ $64, DI
	DECQ CX
	JNZ  step

last:
	VMOVDQU16.Z (DX), K1, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $64, DI
	NEXTLANE
	DECQ R11
	JNZ  lane
	VZEROUPPER
	RET

// func storeLanesAMX(to *laneRows, src, scale *float32)
TEXT ·storeLanesAMX(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), AX
	MOVQ src+8(FP), DI
	MOVQ scale+16(FP), BX
	LANES
	VPXORD Z3, Z3, Z3

lane:
	MOVQ SI, DX
	MOVQ 48(AX), CX
	VBROADCASTSS (BX), Z2
	VCMPPS $4, Z3, Z2, K3     // zeros for a scale of zero, whatever they are

step:
	VMULPS.Z (DI), Z2, K3, Z0
	VMULPS.Z 64(DI), Z2, K3, Z1
	VCVTNE2PS2BF16(0, 1, 0)
	ADDQ $128, DI
	DECQ CX
	JZ   last
	VMOVDQU64 Z0, (DX)
	ADDQ $64, DX
	JMP  step

last:
	VMOVDQU16 Z0, K1, (DX)
	ADDQ $4, BX
	NEXTLANE
	DECQ R11
	JNZ  lane
	VZEROUPPER
	RET

// func addLanesAMX(to *laneRows, src *float32, acc int)
TEXT ·addLanesAMX(SB), NOSPLIT, $0-24
	MOVQ to+0(FP), AX
	MOVQ src+8(FP), DI
	MOVQ acc+16(FP), BX
	LANES
	MOVL 56(AX), R12
	SHRL $16, R12
	KMOVW R12, K3             // the upper half of the last step
	KXORW K4, K4, K4
	TESTQ BX, BX
	JZ   lane
	KXNORW K4, K4, K4         // all lanes of what is there

lane:
	MOVQ SI, DX
	MOVQ 48(AX), CX
	DECQ CX
	JZ   last

step:
	VMOVUPS.Z (DX), K4, Z0
	VMOVUPS.Z 64(DX), K4, Z1
	VADDPS (DI), Z0, Z0
	VADDPS 64(DI), Z1, Z1
	VMOVUPS Z0, (DX)
	VMOVUPS Z1, 64(DX)
	ADDQ $128, DX
	ADDQ $128, DI
	DECQ CX
	JNZ  step

last:
	KANDW K1, K4, K5
	KANDW K3, K4, K6
	VMOVUPS.Z (DX), K5, Z0
	VMOVUPS.Z 64(DX), K6, Z1
	VADDPS (DI), Z0, Z0
	VADDPS 64(DI), Z1, Z1
	VMOVUPS Z0, K1, (DX)
	VMOVUPS Z1, K3, 64(DX)
	ADDQ $128, DI
	NEXTLANE
	DECQ R11
	JNZ  lane
	VZEROUPPER
	RET

// d[i] += a[2i]*b[2i] + a[2i+1]*b[2i+1]
#define VDPBF16PS(b, a, d) EVEX38(2, 0x52, d, a, b)

// func dotLanesAMX(dst *float32, a, b *uint16, lanes, steps int)
TEXT ·dotLanesAMX(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), BX
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DI
	MOVQ lanes+24(FP), R11
	MOVQ steps+32(FP), R8

lane:
	VPXORD Z0, Z0, Z0
	MOVQ R8, CX

step:
	VMOVDQU64 (SI), Z1
	VMOVDQU64 (DI), Z2
	VDPBF16PS(2, 1, 0)
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  step
	VEXTRACTF64X4 $1, Z0, Y1
	VADDPS Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS X1, X0, X0
	VPERMILPS $0x4e, X0, X1
	VADDPS X1, X0, X0
	VPERMILPS $0xb1, X0, X1
	VADDPS X1, X0, X0
	VMOVSS X0, (BX)
	ADDQ $4, BX
	DECQ R11
	JNZ  lane
	VZEROUPPER
	RET

DATA logc<>+0(SB)/4, $0x3f317218  // ln 2
DATA logc<>+4(SB)/4, $0x3f800000  // 1
DATA logc<>+8(SB)/4, $0x40000000  // 2, 2/3, 2/5 ... 2/13: ln m = t (2 + t^2 (2/3 + ...
DATA logc<>+12(SB)/4, $0x3f2aaaab
DATA logc<>+16(SB)/4, $0x3ecccccd
DATA logc<>+20(SB)/4, $0x3e924925
DATA logc<>+24(SB)/4, $0x3e638e39
DATA logc<>+28(SB)/4, $0x3e3a2e8c
DATA logc<>+32(SB)/4, $0x3e1d89d9
GLOBL logc<>(SB), RODATA|NOPTR, $36

// func laneSumsAMX(scale, lse *float32, s *laneState)
// scale[i] = 1/sum[i] and lse[i] = max[i] ln 2 + ln sum[i]; scale is 0 for lanes that see
// nothing. With m the mantissa of a sum in [1,2) and t = (m-1)/(m+1), ln m is 2 artanh t.
TEXT ·laneSumsAMX(SB), NOSPLIT, $0-24
	MOVQ scale+0(FP), DI
	MOVQ lse+8(FP), BX
	MOVQ s+16(FP), SI
	VBROADCASTSS logc<>+0(SB), Z10
	VBROADCASTSS logc<>+4(SB), Z11
	VPXORD Z12, Z12, Z12
	MOVQ $2, CX

half:
	VMOVUPS 256(SI), Z0
	VMOVDQU32 (SI), Z1
	VPCMPGTD Z12, Z1, K1
	VDIVPS.Z Z0, Z11, K1, Z1
	VMOVUPS Z1, (DI)
	VGETEXPPS Z0, Z2
	VADDPS 128(SI), Z2, Z2
	VGETMANTPS $0, Z0, Z0
	VSUBPS Z11, Z0, Z3
	VADDPS Z11, Z0, Z4
	VDIVPS Z4, Z3, Z3         // t
	VMULPS Z3, Z3, Z4
	VBROADCASTSS logc<>+32(SB), Z5
	VFMADD213PS.BCST logc<>+28(SB), Z4, Z5
	VFMADD213PS.BCST logc<>+24(SB), Z4, Z5
	VFMADD213PS.BCST logc<>+20(SB), Z4, Z5
	VFMADD213PS.BCST logc<>+16(SB), Z4, Z5
	VFMADD213PS.BCST logc<>+12(SB), Z4, Z5
	VFMADD213PS.BCST logc<>+8(SB), Z4, Z5
	VMULPS Z3, Z5, Z5
	VFMADD231PS Z10, Z2, Z5
	VMOVUPS Z5, (BX)
	ADDQ $64, DI
	ADDQ $64, BX
	ADDQ $64, SI
	DECQ CX
	JNZ  half
	VZEROUPPER
	RET
