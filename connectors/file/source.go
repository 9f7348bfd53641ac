// Package file is the connector for files and for standard input and output: JSONL,
// one record a line, and plain text; plain, gzip or zstd. The sink keeps a ledger
// beside its output, by which a job that was killed goes on where it stopped.
// The format of the ledger is in connectors/DESIGN.md.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/any-order/a3/connectors"
)

// Source reads files one after the other, in the order of the options.
//
// Blank lines are left out but counted in line numbers; a line break may be "\n" or
// "\r\n", and the last line needs none; all other bytes pass as they are.
//
// Text documents carry the header connectors.HeaderContentType.
type Source struct {
	opts  SourceOptions
	paths []string

	closeOnce sync.Once
	closeErr  error
	closed    chan struct{}

	mu     sync.Mutex                    // held through Read, Seek, and the end of Close
	begun  bool                          // mu: Read was called
	start  map[string]*connectors.Origin // written under mu and ackMu: where streams begin, from Seek
	at     int                           // mu: index in paths of cur
	cur    input                         // mu: nil between files
	failed error                         // mu: what every later Read returns

	ackMu sync.Mutex
	acks  map[string]*connectors.Watermark // ackMu: by path, as far as opened
}

var (
	_ connectors.Source = (*Source)(nil)
	_ connectors.Seeker = (*Source)(nil)
)

// OpenSource checks the options and finds the files.
func OpenSource(o SourceOptions) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	paths, err := expand(o)
	if err != nil {
		return nil, err
	}
	return &Source{
		opts: o, paths: paths, closed: make(chan struct{}),
		start: map[string]*connectors.Origin{}, acks: map[string]*connectors.Watermark{},
	}, nil
}

// Paths returns the files to read, in order, globs resolved.
func (s *Source) Paths() []string { return append([]string(nil), s.paths...) }

// Seek implements connectors.Seeker. It looks into each file that it names, so that a
// changed input is refused before any work; pipes are checked when they are read.
func (s *Source) Seek(done []connectors.Origin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		return errors.New("file: Seek after Read")
	}
	known := map[string]bool{}
	for _, p := range s.paths {
		known[p] = true
	}
	for _, o := range done {
		switch {
		case o.Partition != connectors.NoPartition || o.Next <= 0 || o.Offset <= 0:
			return fmt.Errorf("position %+v is not one of a file", o)
		case !known[o.Stream]:
			return fmt.Errorf("%s is partly done but is not among the inputs: give the same inputs, or start over", o.Stream)
		}
		if o.Stream != stdio {
			if err := check(o, s.opts); err != nil {
				return err
			}
		}
		s.ackMu.Lock()
		s.start[o.Stream] = &o
		s.ackMu.Unlock()
	}
	return nil
}

// check opens the file once to see whether it fits the position.
func check(o connectors.Origin, opts SourceOptions) error {
	in, err := open(o.Stream, opts, nil)
	if err != nil {
		return err
	}
	defer in.close(context.Background())
	f, ok := in.(*regular)
	if !ok {
		return nil
	}
	if f.packed {
		return f.recognise(o) // its length shows when it is read
	}
	return f.resume(o)
}

// Read implements connectors.Source. It also stops at MaxRecordBytes of values.
func (s *Source) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	var out []connectors.Delivery
	for size := 0; len(out) < max && size < s.opts.MaxRecordBytes; {
		it, err := s.next(ctx, len(out) == 0)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		if err != nil {
			break // a lasting error is met again by the next Read
		}
		size += len(it.rec.Value)
		out = append(out, connectors.Delivery{Record: it.rec, Err: it.err, Settle: s.track(it.rec)})
	}
	return out, nil
}

// next returns the next record of all files. The caller holds mu.
func (s *Source) next(ctx context.Context, wait bool) (item, error) {
	for {
		select {
		case <-s.closed:
			return item{}, connectors.ErrClosed
		default:
		}
		if err := ctx.Err(); err != nil {
			return item{}, err
		}
		if s.failed != nil {
			return item{}, s.failed
		}
		if s.cur == nil {
			if s.at == len(s.paths) {
				return item{}, io.EOF
			}
			path := s.paths[s.at]
			in, err := open(path, s.opts, s.start[path])
			if err != nil {
				s.failed = err
				return item{}, err
			}
			s.cur = in
		}
		it, err := s.cur.next(ctx, wait, s.closed)
		switch {
		case err == nil, err == errNothingYet, err == connectors.ErrClosed, ctx.Err() != nil && err == ctx.Err():
			return it, err
		case err == io.EOF:
			if err := s.endFile(ctx); err != nil {
				s.failed = err
				return item{}, err
			}
		default:
			s.failed = err
			return item{}, err
		}
	}
}

// endFile goes on to the next file. The caller holds mu.
func (s *Source) endFile(ctx context.Context) error {
	err := s.cur.close(ctx)
	s.cur = nil
	s.at++
	return err
}

// track starts the acknowledgement of a record.
func (s *Source) track(rec connectors.Record) func(error) {
	s.ackMu.Lock()
	w := s.acks[rec.Origin.Stream]
	if w == nil {
		w = connectors.NewWatermark(nil)
		s.acks[rec.Origin.Stream] = w
	}
	s.ackMu.Unlock()
	return w.Track(rec.Origin, int64(len(rec.Value)))
}

// Acknowledged returns up to where each file is settled without a gap, in the form
// that Seek takes. Files keep no memory of it: a durable sink, a checkpoint or the
// caller does.
func (s *Source) Acknowledged() []connectors.Origin {
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	var out []connectors.Origin
	for _, p := range s.paths {
		if w := s.acks[p]; w != nil {
			if o, ok := w.Acknowledged(); ok {
				out = append(out, o)
				continue
			}
		}
		if o := s.start[p]; o != nil {
			out = append(out, *o)
		}
	}
	return out
}

// Close implements connectors.Source.
func (s *Source) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		close(s.closed) // ends a blocked Read, which holds mu
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cur != nil {
			s.closeErr = s.cur.close(ctx)
			s.cur = nil
		}
		s.ackMu.Lock()
		defer s.ackMu.Unlock()
		for _, w := range s.acks {
			w.End()
		}
	})
	return s.closeErr
}
