package host

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/any-order/a3/decoder-plugins/internal/remote"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
)

// While a strategy runs. They reach the caller as the reason why a document failed,
// in a *strategy.BatchError, or as the last cause in a *BreakerError. An answer that
// breaks the contract is a *strategy.Violation.
var (
	// ErrCrashed is a strategy that ended in the middle of a call.
	ErrCrashed = errors.New("the plugin crashed")
	// ErrTimeout is a call that was not answered within CallTimeout.
	ErrTimeout = remote.ErrTimeout
	// ErrRefused is an error that the strategy returned for a whole batch.
	ErrRefused = remote.ErrRefused
)

// When nothing more can be had of the plugin: close it and end the job.
var (
	// ErrClosed is a call after Close, or cut short by it.
	ErrClosed = errors.New("the plugin is closed")
	// ErrChanged is an executable, or a description, that is not what it was at Open:
	// going on would mix two strategies in one run.
	ErrChanged = errors.New("the plugin changed while it was in use")
)

// BreakerError says that the host gave up: too many failures in a row in which no
// document was served. Every later call returns it too.
type BreakerError struct {
	Strategy string
	Failures int
	Last     error // the last failure
}

func (e *BreakerError) Error() string {
	return fmt.Sprintf("strategy %s: gave up after %d failures in a row: %v", e.Strategy, e.Failures, e.Last)
}

func (e *BreakerError) Unwrap() error { return e.Last }

// StartError says why a plugin did not come up.
type StartError struct {
	Path   string
	Reason string // what happened, and the remedy
	Err    error  // may be nil
}

func (e *StartError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("start plugin %s: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("start plugin %s: %s: %v", e.Path, e.Reason, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }

// startError says what went wrong between exec and session, and what to do.
func startError(ctx context.Context, path string, p *process, err error) error {
	if p == nil { // it could not be executed
		return &StartError{Path: path, Reason: "execute the file", Err: err}
	}
	if context.Cause(ctx) != nil {
		if errors.Is(context.Cause(ctx), ErrTimeout) {
			return &StartError{Path: path, Reason: "give it more time with StartTimeout, or see what it waits for", Err: context.Cause(ctx)}
		}
		return context.Cause(ctx)
	}
	if errors.Is(err, ErrChanged) {
		return err
	}
	greeting := p.greeting()
	fields := strings.Split(greeting, "|")
	switch {
	case greeting == "":
		return &StartError{Path: path, Reason: "no handshake came, " + p.epitaph()}
	case len(fields) < 5 || fields[0] != strconv.Itoa(goplugin.CoreProtocolVersion):
		return &StartError{Path: path, Reason: fmt.Sprintf("it printed %q on standard output where the handshake belongs; "+
			"print on standard error instead, and call sdk.Main first", greeting)}
	case fields[1] != strconv.Itoa(wire.Version):
		return &StartError{Path: path, Reason: fmt.Sprintf("it speaks version %s of the protocol, this host version %d; "+
			"build it with the SDK of this host, or upgrade the host", fields[1], wire.Version)}
	}
	return &StartError{Path: path, Reason: "it did not get ready", Err: err}
}
