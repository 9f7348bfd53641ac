// Package parallel runs independent pieces of work on a fixed set of workers.
package parallel

import (
	"context"
	"sync"
	"sync/atomic"
)

// Each calls f(w, i) once for every i in [0, n), each worker w on a goroutine of its
// own, and waits for all of them. The pieces are taken in order by whoever is free, so
// f must not depend on which worker computes a piece. When ctx ends no further piece is
// begun, and ctx's error is returned if any is left.
func Each[W any](ctx context.Context, workers []W, n int, f func(w W, i int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, w := range workers[:min(len(workers), n)] {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(w, i)
			}
		})
	}
	wg.Wait()
	if int(next.Load()) < n {
		return ctx.Err()
	}
	return nil
}
