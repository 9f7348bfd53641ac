//go:build !noasm

package kernels

import "syscall"

// allowTiles asks the kernel for the AMX tile registers and says whether the process may
// use them: their 8 KiB of state are saved only for processes that asked (Linux 5.16 and
// later; an older one refuses, and so do sandboxes that filter the call). The permission
// is the process's, for good. Asking again costs a system call of less than a
// microsecond and changes nothing, so that it is asked for whenever levels are listed
// or opened and nothing has to be remembered here.
func allowTiles() bool {
	const (
		archReqXCompPerm  = 0x1023
		xfeatureXTileData = 18
	)
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXCompPerm, xfeatureXTileData, 0)
	return errno == 0
}
