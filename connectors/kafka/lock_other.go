//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package kafka

import "os"

// canLock is false where there is no flock: a worker has no lasting name unless it is
// given one.
const canLock = false

func lock(*os.File) error { return errLocked }
