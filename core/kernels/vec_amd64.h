// What the vector kernels' assembly files share: masks for the last lanes, and loads and
// stores under them.

// TAILMASK sets K1 to the lowest CX bits (0 < CX < 16).
#define TAILMASK \
	MOVL  $1, AX \
	SHLL  CX, AX \
	DECL  AX     \
	KMOVW AX, K1

// MASK8 sets Y15 to the first CX lanes (0 < CX < 8), MASK16 Y14 and Y15 to the first CX
// of 16 lanes.
#define MASK8 \
	LEAQ    ·lanes+128(SB), AX \
	SHLQ    $2, CX             \
	SUBQ    CX, AX             \
	VMOVUPS (AX), Y15

#define MASK16 \
	LEAQ    ·lanes+128(SB), AX \
	SHLQ    $2, CX             \
	SUBQ    CX, AX             \
	VMOVUPS (AX), Y14          \
	VMOVUPS 32(AX), Y15

// LOAD and STORE move all lanes, MLOAD and MSTORE those of MASK8: a loop's body that takes
// them as arguments serves the full turns and the last one. XLOAD and XSTORE do it for
// four lanes.
#define LOAD(from, to) VMOVUPS from, to
#define STORE(from, to) VMOVUPS from, to
#define MLOAD(from, to) VMASKMOVPS from, Y15, to
#define MSTORE(from, to) VMASKMOVPS from, Y15, to
#define XLOAD(from, to) VMASKMOVPS from, X15, to
#define XSTORE(from, to) VMASKMOVPS from, X15, to
