//go:build !noasm

package kernels

import "golang.org/x/sys/cpu"

func hasAVX512() bool { return cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL }
