package kernels

import (
	"syscall"
	"unsafe"
)

// adviseHuge asks for pages of 2 MiB behind memory that will hold large operands: rows
// lie further apart than small pages, and a tile of 16 rows would need 16 entries of the
// first-level TLB. The advice covers whole huge pages around the memory; what else lies in
// them, also of Go's heap, merely gets large pages too. A kernel that knows no such
// pages refuses, which changes nothing.
func adviseHuge(p unsafe.Pointer, size int) {
	const page, madvHugePage = 1 << 21, 14
	from := uintptr(p) &^ (page - 1)
	to := (uintptr(p) + uintptr(size) + page - 1) &^ (page - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, madvHugePage)
}
