//go:build unix && !linux

package host

import "syscall"

// dieWithParent has no counterpart here: the SDK ends the plugin when the host's
// connection is gone.
func dieWithParent(*syscall.SysProcAttr) {}
