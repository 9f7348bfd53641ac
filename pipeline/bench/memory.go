package bench

import (
	"context"
	"fmt"

	"github.com/any-order/a3/core/kernels"
)

// read measures the bandwidth of reading a working set again and again.
func (l *lab) read(bytes int) task {
	name := "memory/read/" + size(bytes)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		for _, threads := range l.threads {
			rate, err := l.bandwidth(ctx, bytes, threads)
			if err != nil {
				return err
			}
			emit(Result{name, threads, rate / 1e9, "GB/s"})
		}
		return nil
	}}
}

// bandwidth returns the bytes a second at which threads read their shares of a working
// set. It is the machine's, so that it is measured on the best level: a reduction in Go
// would be slower than memory.
func (l *lab) bandwidth(ctx context.Context, bytes, threads int) (float64, error) {
	k := kernels.Best()
	x := kernels.Aligned(bytes / 4)
	l.noise.fill(x, 1) // pages that nobody wrote are all the same one
	largest := make([]float32, threads)
	s, err := l.perCall(ctx, func(n int) error {
		each(threads, func(w int) {
			from, to := share(len(x), w, threads)
			for range n {
				largest[w] = k.Max(x[from:to])
			}
		})
		return nil
	})
	return float64(bytes) / s, err
}

// size formats a number of bytes that is a power of two.
func size(bytes int) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%dMB", bytes>>20)
	}
	return fmt.Sprintf("%dKB", bytes>>10)
}
