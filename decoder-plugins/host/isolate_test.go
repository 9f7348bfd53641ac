package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// fake is an instance that is broken when told so.
type fake struct {
	instance
	broken bool
	closed *int
}

func (f *fake) Broken() bool            { return f.broken }
func (f *fake) Explain(err error) error { return err }
func (f *fake) Close()                  { *f.closed++ }

// fakeSupervisor counts starts and ends.
func fakeSupervisor(maxFailures int) (s *supervisor, started, closed *int) {
	started, closed = new(int), new(int)
	s = &supervisor{
		name:    "fake",
		options: Options{MaxFailures: maxFailures, Backoff: 10 * time.Millisecond, MaxBackoff: time.Second, OnRestart: func(string, error) {}},
		logger:  slog.New(slog.DiscardHandler),
		launch: func(context.Context) (instance, error) {
			*started++
			return &fake{closed: closed}, nil
		},
	}
	return s, started, closed
}

// TestIsolation: whichever documents crash the plugin or are answered wrongly, they
// and no others fail, and no process is left over.
func TestIsolation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "documents")
		crash, refuse, served := make(map[int]bool), make(map[int]bool), make(map[int]bool)
		for d := range n {
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				crash[d] = true
			case 1:
				refuse[d] = true
			}
		}
		s, started, closed := fakeSupervisor(10_000)
		s.options.Backoff, s.options.MaxBackoff = 0, 0
		b := isolation{supervisor: s}
		b.try = func(_ context.Context, i instance, docs []int) (map[int]error, error) {
			refused := make(map[int]error)
			for _, d := range docs {
				if crash[d] {
					i.(*fake).broken = true
					return nil, fmt.Errorf("crash at %d", d)
				}
			}
			for _, d := range docs {
				if refuse[d] {
					refused[d] = errors.New("wrong")
				} else {
					served[d] = true
				}
			}
			return refused, nil
		}
		if err := b.run(context.Background(), upTo(n)); err != nil {
			t.Fatal(err)
		}
		for d := range n {
			bad := crash[d] || refuse[d]
			if (b.failed[d] != nil) != bad || served[d] == bad {
				t.Fatalf("document %d: bad %v, failed %v, served %v", d, bad, b.failed[d], served[d])
			}
		}
		s.discard()
		if *started != *closed {
			t.Fatalf("%d started, %d ended", *started, *closed)
		}
	})
}

// TestIsolationCost: one crashing document among many costs a logarithm of attempts,
// and never opens the breaker at its default.
func TestIsolationCost(t *testing.T) {
	const n = 8192
	for _, bad := range []int{0, 1, n / 2, n - 1} {
		s, _, _ := fakeSupervisor(16)
		s.options.Backoff, s.options.MaxBackoff = 0, 0
		b := isolation{supervisor: s}
		b.try = func(_ context.Context, _ instance, docs []int) (map[int]error, error) {
			if slices.Contains(docs, bad) {
				return nil, errors.New("crash")
			}
			return nil, nil
		}
		if err := b.run(context.Background(), upTo(n)); err != nil {
			t.Fatalf("document %d: %v", bad, err)
		}
		if failed := slices.Collect(maps.Keys(b.failed)); !slices.Equal(failed, []int{bad}) {
			t.Errorf("failed %v, want %d", failed, bad)
		}
		if b.attempts > 2+2*13 { // whole batch twice, then two halves at each of 13 levels
			t.Errorf("document %d took %d attempts", bad, b.attempts)
		}
	}
}

// TestBackoff: pauses double up to the limit, end with the context, and start over
// once a document was served.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := fakeSupervisor(100)
		fails := func(i instance) (wrong, err error) {
			i.(*fake).broken = true
			return nil, errors.New("crash")
		}
		begin := time.Now()
		var pauses []time.Duration
		attempt := func(f func(instance) (wrong, err error)) {
			t.Helper()
			final, _ := s.attempt(t.Context(), func(i instance) (wrong, err error) {
				pauses = append(pauses, time.Since(begin))
				begin = time.Now()
				return f(i)
			})
			if final {
				t.Fatal("gave up")
			}
		}
		for range 10 {
			attempt(fails)
		}
		attempt(func(instance) (wrong, err error) { return nil, nil })
		attempt(fails)
		attempt(fails)
		ms := time.Millisecond
		want := []time.Duration{0, 10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, 1000 * ms, 1000 * ms, 1000 * ms, 0, 10 * ms}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		begin = time.Now()
		if final, err := s.attempt(ctx, fails); !final || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 5*ms {
			t.Errorf("final %v, %v after %v", final, err, time.Since(begin))
		}
	})
}

// TestStartFails: starts that fail open the breaker, too.
func TestStartFails(t *testing.T) {
	s, started, _ := fakeSupervisor(3)
	s.options.Backoff = time.Microsecond
	reason := errors.New("out of processes")
	s.launch = func(context.Context) (instance, error) {
		*started++
		return nil, reason
	}
	final, err := s.attempt(t.Context(), func(instance) (wrong, err error) { return nil, nil })
	var breaker *BreakerError
	if !final || !errors.As(err, &breaker) || !errors.Is(err, reason) || *started != 3 {
		t.Errorf("final %v, %v after %d starts", final, err, *started)
	}
}
