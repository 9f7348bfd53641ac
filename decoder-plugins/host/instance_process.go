package host

import (
	"errors"
	"fmt"
	"io"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/any-order/a3/decoder-plugins/internal/remote"
)

// pluginProcess is a session with a process of its own.
type pluginProcess struct {
	*remote.Session // nil until the process is configured
	client          *goplugin.Client
	run             *pluginRunner
	grace           time.Duration
	output          *lineLog
}

// Broken says whether the process is gone or the session over.
func (p *pluginProcess) Broken() bool {
	select {
	case <-p.run.process.exited:
		return true
	default:
		return p.Session.Broken()
	}
}

// Explain tells a crash from a session that the plugin ended while it lives on.
func (p *pluginProcess) Explain(err error) error {
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrTimeout) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the session broke: the plugin ended it without an answer")
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.FailedPrecondition, codes.Unimplemented, codes.Internal:
		return fmt.Errorf("the session broke: %w", err)
	}
	if !p.run.process.ended(drainTime) { // the end comes a little after the connection breaks
		return fmt.Errorf("the session broke, the plugin is still running: %w", err)
	}
	return fmt.Errorf("%w: %s", ErrCrashed, p.run.process.epitaph())
}

// Close ends the session and the process: in order if it can still be talked to, by
// force otherwise. go-plugin's Kill waits for the process without a limit (a stopped
// one never answers), so it runs beside our own clock.
func (p *pluginProcess) Close() {
	grace := time.Duration(0)
	if p.Session != nil {
		if !p.Broken() {
			grace = p.grace
		}
		p.Session.Close()
	}
	if p.run.process == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.client.Kill()
		<-p.run.process.drained
	}()
	if grace > 0 {
		select {
		case <-ended:
			return
		case <-time.After(grace):
		}
	}
	p.run.process.kill()
	select {
	case <-ended:
	case <-time.After(p.grace + 2*drainTime):
		// Not even SIGKILL ends a process that the kernel holds in an uninterruptible
		// wait. The goroutine above ends with it.
		p.output.logger.Error("plugin process cannot be killed", "pid", p.run.ID())
	}
}
