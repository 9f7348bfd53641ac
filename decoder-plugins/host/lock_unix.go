//go:build unix

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile opens a file, with os.O_CREATE or without, and locks it until it is closed or the
// process ends, whatever ends it. It fails at once when somebody else holds the lock.
func lockFile(path string, create int) (*os.File, error) {
	f, err := os.OpenFile(path, create|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	return f, nil
}
