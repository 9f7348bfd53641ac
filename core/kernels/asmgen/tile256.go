package main

import "fmt"

// tile256 writes a tile of h rows x 32 columns for AVX2: four registers of 8 lanes a row.
// At 3 rows the accumulators are Y0 to Y11; Y12 to Y14 hold a column of a, Y15 passes
// through a row of b. If n < 32, c is read and written through masks: they are slow on
// some CPUs and needed in a product's last panel only.
func tile256(w *writer, h int) {
	w.head(fmt.Sprintf("tile%dAVX2", h))
	w.op("MOVL %s, R9", cols)
	w.op("MOVL %s, AX", acc)
	w.op("TESTL AX, AX")
	w.op("JNZ load")
	for i := range 4 * h {
		w.op("VXORPS Y%d, Y%d, Y%d", i, i, i)
	}
	w.op("JMP begin")
	w.label("load")
	w.op("MOVQ DX, R10")
	w.op("CMPL R9, $32")
	w.op("JNE loadmasked")
	eachOfC(w, h, "R10", func(acc, offset int) { w.op("VMOVUPS %d(R10), Y%d", offset, acc) })
	w.op("JMP begin")
	w.label("loadmasked")
	masks(w)
	eachOfC(w, h, "R10", func(acc, offset int) {
		w.op("VMASKMOVPS %d(R10), Y%d, Y%d", offset, 12+acc%4, acc)
	})

	w.label("begin")
	w.op("TESTQ CX, CX")
	w.op("JZ store")
	w.label("loop")
	w.prefetchB()
	for i := range h {
		w.op("VBROADCASTSS %s, Y%d", rowAddress(i), 12+i)
	}
	for v := range 4 {
		w.op("VMOVUPS %d(DI), Y15", 32*v)
		for i := range h {
			w.op("VFMADD231PS Y%d, Y15, Y%d", 12+i, 4*i+v)
		}
	}
	w.op("ADDQ R13, SI")
	w.op("ADDQ R12, DI")
	w.op("DECQ CX")
	w.op("JNZ loop")

	w.label("store")
	w.op("CMPL R9, $32")
	w.op("JNE storemasked")
	eachOfC(w, h, "DX", func(acc, offset int) { w.op("VMOVUPS Y%d, %d(DX)", acc, offset) })
	w.op("VZEROUPPER")
	w.op("RET")
	w.label("storemasked")
	masks(w)
	eachOfC(w, h, "DX", func(acc, offset int) {
		w.op("VMASKMOVPS Y%d, Y%d, %d(DX)", acc, 12+acc%4, offset)
	})
	w.op("VZEROUPPER")
	w.op("RET")
}

// masks sets Y12 to Y15 to the masks of a row of c, whose first n columns are used; n is
// in R9.
func masks(w *writer) {
	w.op("LEAQ ·lanes+128(SB), AX")
	w.op("SHLQ $2, R9")
	w.op("SUBQ R9, AX")
	w.op("SHRQ $2, R9")
	for v := range 4 {
		w.op("VMOVUPS %d(AX), Y%d", 32*v, 12+v)
	}
}

// eachOfC visits the four registers of each row of c, whose address is in a register.
func eachOfC(w *writer, h int, address string, visit func(acc, offset int)) {
	for i := range h {
		for v := range 4 {
			visit(4*i+v, 32*v)
		}
		if i < h-1 {
			w.op("ADDQ BX, %s", address)
		}
	}
}
