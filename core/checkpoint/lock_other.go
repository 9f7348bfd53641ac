//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// lockFile creates a file that must not exist. Without a lock of the system's a
// process that was killed leaves it behind.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w; if it was killed, remove %s", ErrLocked, path)
	}
	if err != nil {
		return nil, err
	}
	return removingCloser{f}, nil
}

type removingCloser struct{ *os.File }

func (f removingCloser) Close() error {
	return errors.Join(f.File.Close(), os.Remove(f.Name()))
}
