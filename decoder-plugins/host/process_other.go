//go:build !unix

package host

import "os/exec"

func isolateProcess(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
