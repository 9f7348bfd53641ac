//go:build !linux

package kernels

import "testing"

// fenced returns at least n floats; the pages around them are guarded on Linux only.
func fenced(_ testing.TB, n int) []float32 { return make([]float32, n+guard) }
