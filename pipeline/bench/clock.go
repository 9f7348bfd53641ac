package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// minRuns is the least number of times that a median is of.
const minRuns = 3

// clock takes times.
type clock struct {
	least time.Duration // of a measurement, without the warm-up
}

// perCall returns the median time of doing f's work once, in seconds; f(n) does it n times.
func (c clock) perCall(ctx context.Context, f func(n int) error) (float64, error) {
	n, err := c.warmUp(ctx, f)
	if err != nil {
		return 0, err
	}
	var times []float64
	for begin := time.Now(); len(times) < minRuns || time.Since(begin) < c.least; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := f(n); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start).Seconds()/float64(n))
	}
	return median(times), nil
}

// warmUp returns how often the work is to be done between two readings of the clock, so
// that these, and starting goroutines, cost next to nothing.
func (c clock) warmUp(ctx context.Context, f func(n int) error) (int, error) {
	batch := c.least / 20
	for n := 1; ; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := f(n); err != nil {
			return 0, err
		}
		took := max(time.Since(start), 1)
		if took >= batch {
			return n, nil
		}
		n *= min(10, 1+int(batch/took)) // the first runs are slow: go on carefully
	}
}

// median sorts x, which is not empty.
func median(x []float64) float64 {
	slices.Sort(x)
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// each runs f(0) to f(n-1) side by side and waits for them.
func each(n int, f func(w int)) {
	var wg sync.WaitGroup
	for w := 1; w < n; w++ {
		wg.Go(func() { f(w) })
	}
	f(0)
	wg.Wait()
}

// share returns the part [from, to) of n things that thread w of so many gets.
func share(n, w, threads int) (from, to int) { return n * w / threads, n * (w + 1) / threads }
