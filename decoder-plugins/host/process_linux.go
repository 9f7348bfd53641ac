package host

import "syscall"

// dieWithParent makes the kernel kill the plugin when the host dies, even while the
// plugin hangs. The signal is sent when the *thread* that forked ends, so the forking
// goroutine stays locked to its thread for the life of the process.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
