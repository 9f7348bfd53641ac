// The exponential of the attention kernels.

DATA weight<>+0(SB)/4, $0x3fb8aa3b  // log2(e)
DATA weight<>+4(SB)/4, $0x3f316b63  // 2^f on [0,1) is 1 + f (w4 + f (w8 + f (w12 + f w16)))
DATA weight<>+8(SB)/4, $0x3e771228  // within 3e-6, and 1 at 0
DATA weight<>+12(SB)/4, $0x3d55fc34
DATA weight<>+16(SB)/4, $0x3c5bfb98
DATA weight<>+20(SB)/4, $0x3f800000 // 1
DATA weight<>+24(SB)/4, $0xff800000 // -Inf
DATA weight<>+28(SB)/4, $1
DATA weight<>+32(SB)/4, $4
DATA weight<>+36(SB)/4, $2
GLOBL weight<>(SB), RODATA|NOPTR, $40

#define WEIGHTCONST \
	VBROADCASTSS weight<>+0(SB), Z16  \
	VBROADCASTSS weight<>+4(SB), Z17  \
	VBROADCASTSS weight<>+8(SB), Z18  \
	VBROADCASTSS weight<>+12(SB), Z19 \
	VBROADCASTSS weight<>+16(SB), Z20 \
	VBROADCASTSS weight<>+20(SB), Z21

// POWER: p = the mantissa of 2^s, f = s - floor(s); 2^s is then p scaled by 2^floor(s),
// which is 0 for s = -Inf and NaN for NaN.
#define POWER(s, f, p) \
	VREDUCEPS   $9, s, f    \
	VMOVAPS     Z20, p      \
	VFMADD213PS Z19, f, p   \
	VFMADD213PS Z18, f, p   \
	VFMADD213PS Z17, f, p   \
	VFMADD213PS Z21, f, p

// WEIGHT: p = exp(s - c/log2(e)) for all lanes; WEIGHTMASK for those in k, and 0 for others.
#define WEIGHT(k, c, s, f, p) VFMSUB213PS c, Z16, s; POWER(s, f, p); VSCALEFPS s, p, p
#define WEIGHTMASK(k, c, s, f, p) VFMSUB213PS c, Z16, s; POWER(s, f, p); VSCALEFPS.Z s, p, k, p
