//go:build !amd64 || noasm

package kernels

// Without assembly a panel is always widened first.

func (k *Kernels) fewRows() int { return 0 }

func (k *Kernels) mulFew(_ []float32, _ Rows, _ []uint16, _ int) { panic("kernels: no assembly") }
