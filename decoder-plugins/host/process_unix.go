//go:build unix

package host

import (
	"os/exec"
	"syscall"
)

// isolate gives the process a group of its own: a Ctrl-C at the terminal reaches the
// host alone, and the plugin is killed with its children.
func isolateProcess(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
}

// killGroup kills the process and whatever it started in its group.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
}
