//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import "os"

// lock does nothing where there is no flock: two processes must not be given the same
// folder.
func lock(*os.File) error { return nil }
