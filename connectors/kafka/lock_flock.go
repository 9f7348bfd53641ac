//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package kafka

import (
	"errors"
	"os"
	"syscall"
)

// canLock says whether workers of one machine can be told apart by locks.
const canLock = true

// lock claims a file for as long as it is open, or returns errLocked.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
