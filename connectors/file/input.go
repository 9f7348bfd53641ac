package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/any-order/a3/connectors"
)

// input is an opened path: a file read in place, or a pipe read by a goroutine.
type input interface {
	// next returns the next record, io.EOF, or errNothingYet when wait is false and
	// nothing is there. closed ends the waiting with ErrClosed.
	next(ctx context.Context, wait bool, closed <-chan struct{}) (item, error)
	// close releases everything; ctx bounds the wait for the goroutine.
	close(ctx context.Context) error
}

var errNothingYet = errors.New("nothing there yet")

// open opens a path. done is where to go on, nil for the start.
func open(path string, o SourceOptions, done *connectors.Origin) (input, error) {
	if path == stdio {
		if f, ok := o.Stdin.(*os.File); ok {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				return openRegular(path, o, f, done, func() error { return nil })
			}
		}
		return startPipe(path, o, func() (io.Reader, error) { return o.Stdin, nil }, done), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if !info.Mode().IsRegular() {
		// A named pipe already waits for its writer while it is being opened.
		return startPipe(path, o, func() (io.Reader, error) { return os.Open(path) }, done), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	return openRegular(path, o, f, done, f.Close)
}

// regular is a file that never blocks for long.
type regular struct {
	*stream
	closeFile func() error
}

func openRegular(path string, o SourceOptions, f *os.File, done *connectors.Origin, closeFile func() error) (input, error) {
	s, err := newStream(path, o, f, f)
	if err == nil && done != nil {
		if err = s.resume(*done); err != nil {
			s.close()
		}
	}
	if err != nil {
		return nil, errors.Join(err, closeFile())
	}
	return &regular{stream: s, closeFile: closeFile}, nil
}

func (f *regular) next(context.Context, bool, <-chan struct{}) (item, error) { return f.stream.next() }

func (f *regular) close(context.Context) error {
	f.stream.close()
	return f.closeFile()
}

// pipe is an input that may block for ever: a terminal, a pipe, a reader of the
// caller. A goroutine reads ahead a few records, so that Read can be cancelled
// without losing any.
type pipe struct {
	items  chan item     // closed at the end; err tells why
	err    error         // written before items is closed
	quit   chan struct{} // closed by close
	opened chan io.Reader
	ended  chan struct{}
}

// readAhead is how many records a pipe holds beyond those that Read returned.
const readAhead = 8

func startPipe(path string, o SourceOptions, openRaw func() (io.Reader, error), done *connectors.Origin) *pipe {
	p := &pipe{
		items:  make(chan item, readAhead),
		quit:   make(chan struct{}),
		opened: make(chan io.Reader, 1),
		ended:  make(chan struct{}),
	}
	go func() {
		defer close(p.ended)
		p.err = p.run(path, o, openRaw, done)
		close(p.items)
	}()
	return p
}

func (p *pipe) run(path string, o SourceOptions, openRaw func() (io.Reader, error), done *connectors.Origin) error {
	raw, err := openRaw()
	if err != nil {
		return fmt.Errorf("input: %w", err)
	}
	if f, ok := raw.(*os.File); ok && path != stdio {
		defer f.Close()
	}
	p.opened <- raw
	s, err := newStream(path, o, raw, nil)
	if err != nil {
		return err
	}
	defer s.close()
	if done != nil {
		if err := s.resume(*done); err != nil {
			return err
		}
	}
	for {
		it, err := s.next()
		if err != nil {
			return err
		}
		select {
		case p.items <- it:
		case <-p.quit:
			return connectors.ErrClosed
		}
	}
}

func (p *pipe) next(ctx context.Context, wait bool, closed <-chan struct{}) (item, error) {
	if !wait {
		select {
		case it, ok := <-p.items:
			return p.got(it, ok)
		default:
			return item{}, errNothingYet
		}
	}
	select {
	case it, ok := <-p.items:
		return p.got(it, ok)
	case <-ctx.Done():
		return item{}, ctx.Err()
	case <-closed:
		return item{}, connectors.ErrClosed
	}
}

func (p *pipe) got(it item, ok bool) (item, error) {
	if !ok {
		return item{}, p.err
	}
	return it, nil
}

// close interrupts the goroutine and waits for it. A read of a terminal, or of a pipe
// that the process was started with, cannot be interrupted on every system: its
// goroutine then ends with the process.
func (p *pipe) close(ctx context.Context) error {
	close(p.quit)
	var raw io.Reader
	select {
	case raw = <-p.opened:
	case <-p.ended:
	default:
		return nil // still waiting for the writer of a named pipe
	}
	switch r := raw.(type) {
	case *os.File:
		if err := r.SetReadDeadline(time.Now()); err != nil {
			return nil
		}
	case io.Closer:
		r.Close()
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of a read: %w", ctx.Err())
	}
}
