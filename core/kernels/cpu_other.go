//go:build !amd64 || noasm

package kernels

func hasAVX512() bool { return false }
