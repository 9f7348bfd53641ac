//go:build unix

package sdk

import (
	"os"

	"golang.org/x/sys/unix"
)

// divertStdout makes descriptor 1 a second standard error and returns the former
// standard output. It works on the descriptor, not only on os.Stdout, because a
// logger may have taken the file before.
func divertStdout() (*os.File, error) {
	// Children of the plugin must not inherit the copy: they would keep the host's
	// end of the pipe open.
	fd, err := unix.FcntlInt(uintptr(unix.Stdout), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := duplicate(unix.Stderr, unix.Stdout); err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(fd), "/dev/stdout"), nil
}
