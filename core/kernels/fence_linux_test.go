package kernels

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// fenced returns at least n floats, whole pages, between two pages that fault when they
// are loaded from or stored to: assembly that runs over does it in silence otherwise.
func fenced(t testing.TB, n int) []float32 {
	t.Helper()
	page := os.Getpagesize()
	size := max(roundUp(4*n, page), page)
	mem, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	for _, fence := range [][]byte{mem[:page], mem[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[page])), size/4)
}
