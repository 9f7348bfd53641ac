package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// instance is a running strategy: a session with a process, or a value of this
// process. It is used by one caller at a time. Begin, Next and End fail for a
// strategy that plans, Plan for one that does not. Read comes first, and only to a
// strategy that says Text.
type instance interface {
	Read(ctx context.Context, vocabulary [][]byte) error
	Begin(ctx context.Context, docs []strategy.Document) error
	Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error)
	End(ctx context.Context, ids []uint64) error
	Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error)

	// Broken says whether it can serve no further call.
	Broken() bool
	// Explain adds to the error of a call what is known about the end of the process.
	Explain(err error) error
	// Close ends it, within bounds of time.
	Close()
}

// local is a strategy in this process. A panic breaks it, as a crash does a process.
type local struct {
	strategy sdk.Instance
	timeout  time.Duration
	broken   bool
}

var errKind = errors.New("the call does not belong to this kind of strategy")

func (l *local) Read(ctx context.Context, vocabulary [][]byte) error {
	return l.call(ctx, func(context.Context) error {
		if r, ok := l.strategy.(strategy.Reader); ok {
			return r.Read(vocabulary)
		}
		return nil
	})
}

func (l *local) Begin(ctx context.Context, docs []strategy.Document) error {
	return l.call(ctx, func(ctx context.Context) error {
		if s, ok := l.strategy.(strategy.Strategy); ok {
			return s.Begin(ctx, docs)
		}
		return errKind
	})
}

func (l *local) End(ctx context.Context, ids []uint64) error {
	return l.call(ctx, func(ctx context.Context) error {
		if s, ok := l.strategy.(strategy.Strategy); ok {
			return s.End(ctx, ids)
		}
		return errKind
	})
}

func (l *local) Next(ctx context.Context, obs *strategy.Observation) (decision *strategy.Decision, err error) {
	err = l.call(ctx, func(ctx context.Context) error {
		s, ok := l.strategy.(strategy.Strategy)
		if !ok {
			return errKind
		}
		decision, err = s.Next(ctx, obs)
		return err
	})
	if err == nil && decision == nil {
		err = fmt.Errorf("%w: no decision was returned", ErrRefused)
	}
	return decision, err
}

func (l *local) Plan(ctx context.Context, docs []strategy.Document) (plans []strategy.Plan, err error) {
	err = l.call(ctx, func(ctx context.Context) error {
		p, ok := l.strategy.(strategy.Planner)
		if !ok {
			return errKind
		}
		plans, err = p.Plan(ctx, docs)
		return err
	})
	if err == nil && len(plans) != len(docs) {
		err = fmt.Errorf("%w: %d plans were returned for %d documents", ErrRefused, len(plans), len(docs))
	}
	return plans, err
}

// call runs f under the timeout and turns a panic into an error.
func (l *local) call(ctx context.Context, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.timeout, fmt.Errorf("%w: waited %v", ErrTimeout, l.timeout))
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			stack := make([]byte, maxLine)
			stack = stack[:runtime.Stack(stack, false)]
			l.broken = true
			err = fmt.Errorf("%w: panic: %v\n%s", ErrCrashed, v, stack)
		}
	}()
	err = f(ctx)
	var batch *strategy.BatchError
	switch {
	case err == nil || errors.As(err, &batch):
		return err
	case ctx.Err() != nil:
		l.broken = true
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

func (l *local) Broken() bool            { return l.broken }
func (l *local) Explain(err error) error { return err }
func (l *local) Close()                  {}
