package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/any-order/a3/core/strategy"
)

// supervisor keeps one instance of a strategy running. It is used by one caller at a
// time.
type supervisor struct {
	name    string
	options Options
	logger  *slog.Logger
	launch  func(context.Context) (instance, error)

	current    instance // nil = none
	generation int      // counts instances; documents begun with one are unknown to the next
	failures   int      // in a row, since a document was served
	last       error    // the last failure
}

// get returns the running instance, or starts one: after a pause that doubles with
// each failure in a row, and as often as the breaker allows. The error is final: the
// context's, ErrChanged or a *BreakerError.
func (s *supervisor) get(ctx context.Context) (instance, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if s.failures >= s.options.MaxFailures {
			s.discard()
			return nil, &BreakerError{Strategy: s.name, Failures: s.failures, Last: s.last}
		}
		if s.current != nil {
			if !s.current.Broken() {
				return s.current, nil
			}
			s.failed(fmt.Errorf("strategy %s, between two calls: %w", s.name, s.current.Explain(errors.New("the session is over"))))
			continue
		}
		if err := s.pause(ctx); err != nil {
			return nil, err
		}
		instance, err := s.launch(ctx)
		switch {
		case err == nil:
			s.use(instance)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, ErrChanged):
			return nil, err
		default:
			s.failed(err)
		}
	}
}

// use makes a fresh instance the current one. It is a restart if something failed,
// not if a caller cancelled the call in which the one before was lost.
func (s *supervisor) use(i instance) {
	s.current = i
	s.generation++
	if s.failures > 0 {
		s.logger.Warn("strategy restarted", "failures_in_a_row", s.failures)
		s.options.OnRestart(s.name, s.last)
	}
}

// failed counts an attempt that served no document. A broken instance is discarded.
func (s *supervisor) failed(err error) {
	s.failures++
	s.last = err
	s.logger.Warn("strategy failed", "failures_in_a_row", s.failures, "error", err)
	if s.current != nil && s.current.Broken() {
		s.discard()
	}
}

// served ends a row of failures.
func (s *supervisor) served() { s.failures = 0 }

// discard ends the current instance.
func (s *supervisor) discard() {
	if s.current != nil {
		s.current.Close()
		s.current = nil
	}
}

// pause waits before another start: Backoff after the first failure in a row, then
// twice that, up to MaxBackoff.
func (s *supervisor) pause(ctx context.Context) error {
	if s.failures == 0 {
		return nil
	}
	wait := s.options.Backoff
	for range s.failures - 1 {
		if wait *= 2; wait >= s.options.MaxBackoff {
			break
		}
	}
	timer := time.NewTimer(min(wait, s.options.MaxBackoff))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// attempt calls f with a running instance. A final error says that further attempts
// are useless; any other is one failed attempt. wrong is what is wrong with the answer
// about one document if it is wrong about all: then nothing was served.
func (s *supervisor) attempt(ctx context.Context, f func(instance) (wrong, err error)) (final bool, err error) {
	current, err := s.get(ctx)
	if err != nil {
		return true, err
	}
	wrong, err := f(current)
	switch {
	case ctx.Err() != nil:
		// The answer may still come: the stream is of no use any more. That is no
		// failure of the strategy.
		if current.Broken() {
			s.discard()
		}
		return true, context.Cause(ctx)
	case err != nil:
		if v := (*strategy.Violation)(nil); !errors.As(err, &v) { // which names the strategy itself
			err = fmt.Errorf("strategy %s: %w", s.name, current.Explain(err))
		}
		s.failed(err)
	case wrong != nil:
		s.failed(fmt.Errorf("all documents of a batch were answered wrongly: %w", wrong))
	default:
		s.served()
	}
	return false, err
}
