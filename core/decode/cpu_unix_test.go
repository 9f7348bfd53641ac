//go:build unix

package decode

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/any-order/a3/core/strategy"
)

// cpuTime returns the processor time that this process has taken.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Threads park while the engine waits for a strategy, for emit or for documents: none of
// them spins.
func TestThreadsParkBeforeWaits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	const wait = 100 * time.Millisecond
	o := DefaultOptions()
	o.Threads = 4
	e := newEngine(t, broadModels(t)[0], o)
	var busy []time.Duration
	pause := func() {
		before := cpuTime(t)
		time.Sleep(wait)
		busy = append(busy, cpuTime(t)-before)
	}
	docs, in := documents(2), make(chan *Document)
	go func() {
		in <- docs[0]
		in <- docs[1]
		time.Sleep(wait) // the run has nothing to do
		close(in)
	}()
	s := &surest{k: 4, next: func(*strategy.Observation) error { pause(); return nil }}
	var total time.Duration
	before := cpuTime(t)
	err := e.Run(context.Background(), in, s, func(*Result) error { pause(); return nil })
	if total = cpuTime(t) - before; err != nil {
		t.Fatal(err)
	}
	// A thread that spins takes all of a processor's time. What a test run does beside
	// this test is not much.
	if least := slices.Min(busy); least > wait/10 || total > time.Duration(len(busy)+1)*wait/3 {
		t.Errorf("processor time during %d waits of %v: %v, of all %v", len(busy), wait, busy, total)
	}
}
