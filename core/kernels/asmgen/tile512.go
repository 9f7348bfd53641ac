package main

import "fmt"

// tile512 writes a tile of h rows x 32 columns for AVX-512: two registers of 16 lanes a
// row. At 12 rows the accumulators are Z0 to Z23; Z24 and Z25 hold a row of b, Z28 to Z31
// elements of a. The masks K1 and K2 select the columns of c.
func tile512(w *writer, h int) {
	w.head(fmt.Sprintf("tile%dAVX512", h))
	w.op("MOVL %s, R9", cols)
	w.op("MOVL $-1, AX")
	w.op("BZHIL R9, AX, AX")
	w.op("KMOVW AX, K1")
	w.op("SHRL $16, AX")
	w.op("KMOVW AX, K2")
	w.op("LEAQ (R8)(R8*2), R9")
	bases := []string{"SI", "R10", "R11"}[:(h+3)/4]
	for i := 1; i < len(bases); i++ {
		w.op("LEAQ (%s)(R8*4), %s", bases[i-1], bases[i])
	}

	w.op("MOVL %s, AX", acc)
	w.op("TESTL AX, AX")
	w.op("JNZ load")
	for i := range 2 * h {
		w.op("VPXORD Z%d, Z%d, Z%d", i, i, i)
	}
	w.op("JMP begin")
	w.label("load")
	w.op("MOVQ DX, AX")
	for i := range h {
		w.op("VMOVUPS.Z (AX), K1, Z%d", 2*i)
		w.op("VMOVUPS.Z 64(AX), K2, Z%d", 2*i+1)
		if i < h-1 {
			w.op("ADDQ BX, AX")
		}
	}

	w.label("begin")
	w.op("TESTQ CX, CX")
	w.op("JZ store")
	w.label("loop")
	w.op("VMOVUPS (DI), Z24")
	w.op("VMOVUPS 64(DI), Z25")
	w.prefetchB()
	w.op("ADDQ R12, DI")
	for i := range h {
		z := 28 + i%4
		w.op("VBROADCASTSS %s, Z%d", rowAddress(i), z)
		w.op("VFMADD231PS Z%d, Z24, Z%d", z, 2*i)
		w.op("VFMADD231PS Z%d, Z25, Z%d", z, 2*i+1)
	}
	for _, base := range bases {
		w.op("ADDQ R13, %s", base)
	}
	w.op("DECQ CX")
	w.op("JNZ loop")

	w.label("store")
	for i := range h {
		w.op("VMOVUPS Z%d, K1, (DX)", 2*i)
		w.op("VMOVUPS Z%d, K2, 64(DX)", 2*i+1)
		if i < h-1 {
			w.op("ADDQ BX, DX")
		}
	}
	w.op("VZEROUPPER")
	w.op("RET")
}
