package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/any-order/a3/connectors"
)

// ErrRefused is wrapped by the errors of OpenSink when the output cannot be gone on
// with: it was made by another run, or by something else. The text says what to do.
var ErrRefused = errors.New("the output is left as it is")

// Sink writes records as lines, in the order given.
//
// An output file has a ledger beside it, OUTPUT.a3-ledger: up to where each input is
// done, and how long the output was then. OpenSink finds it after a crash, cuts what
// was not accounted for, and Resume tells where to go on. The ledger stays when the
// job is complete: the same job run again finds nothing to do, or does only what its
// inputs have gained.
//
// Each batch is on the disk when Write returns (see Sync). Compressed output gets one
// gzip member or zstd frame a batch. A tombstone (nil value) writes no line.
//
// Standard output and other outputs that are no regular files have no ledger; a write
// to them blocks as long as their reader does.
type Sink struct {
	opts   SinkOptions
	pack   packer
	stream io.Writer // for outputs without ledger, else nil
	file   output    // nil for standard output
	ledger *ledger   // nil for outputs without one
	broken error     // after it, file and ledger are not known to agree
	closed bool
}

// output is what Sink needs of its *os.File; tests make it fail.
type output interface {
	io.WriteSeeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

var (
	_ connectors.Sink     = (*Sink)(nil)
	_ connectors.Advancer = (*Sink)(nil)
	_ connectors.Resumer  = (*Sink)(nil)
)

// OpenSink opens the output for writing or for going on.
func OpenSink(o SinkOptions) (*Sink, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	pack, err := newPacker(o.compression())
	if err != nil {
		return nil, err
	}
	s := &Sink{opts: o, pack: pack}
	if o.Path == stdio {
		s.stream = o.Stdout
		return s, nil
	}
	info, err := os.Stat(o.Path)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(o.Path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("output: %w", err)
		}
		s.file, s.stream = f, f
		return s, nil
	}
	fresh := err != nil
	f, err := os.OpenFile(o.Path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	s.file = f
	if err := s.begin(f, fresh); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// begin makes the open output and its ledger agree. fresh tells that there was no
// output before.
func (s *Sink) begin(f *os.File, fresh bool) error {
	path := s.opts.Path
	if err := lock(f); err != nil {
		return fmt.Errorf("output %s is in use by another process (%w): %w", path, err, ErrRefused)
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	state, err := s.previous(fresh, info.Size())
	if err != nil {
		return err
	}
	if state == nil {
		state = newLedgerState(ledgerHead{Version: ledgerVersion, Run: s.opts.Run, Compression: s.opts.compression().String()})
		// First the old ledger goes: had it outlived the output by a crash, no output
		// would fit it.
		if err := os.Remove(path + LedgerSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if err := s.cut(state.size); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	s.ledger, err = createLedger(path+LedgerSuffix, state, s.opts.Sync == SyncEachWrite)
	return err
}

// previous returns the state to go on from, nil to begin anew, or ErrRefused.
func (s *Sink) previous(fresh bool, size int64) (*ledgerState, error) {
	path := s.opts.Path
	if s.opts.Overwrite || fresh { // whoever removed the output wants it made again
		return nil, nil
	}
	state, err := readLedger(path + LedgerSuffix)
	if err != nil {
		return nil, err
	}
	switch {
	case state == nil && size == 0:
		return nil, nil
	case state == nil:
		return nil, fmt.Errorf("output %s exists and has no ledger (%s): %w; choose another path, or replace it with the overwrite option", path, path+LedgerSuffix, ErrRefused)
	case state.head.Run != s.opts.Run:
		return nil, fmt.Errorf("output %s was made by another run (%q, this one is %q): %w; choose another path, or start over with the overwrite option", path, state.head.Run, s.opts.Run, ErrRefused)
	case state.head.Compression != s.opts.compression().String():
		return nil, fmt.Errorf("output %s was begun with compression %s, not %v: %w; start over with the overwrite option", path, state.head.Compression, s.opts.compression(), ErrRefused)
	case size < state.size:
		return nil, fmt.Errorf("output %s has %d bytes, but %d by its ledger: it was changed by another program: %w; start over with the overwrite option", path, size, state.size, ErrRefused)
	}
	return state, nil
}

// cut shortens the output and moves to its end.
func (s *Sink) cut(size int64) error {
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	if _, err := s.file.Seek(size, io.SeekStart); err != nil {
		return err
	}
	return s.file.Sync()
}

// Resume implements connectors.Resumer.
func (s *Sink) Resume() ([]connectors.Origin, error) {
	if s.ledger == nil {
		return nil, nil
	}
	return s.ledger.state.origins(), nil
}

// Write implements connectors.Sink. A value that holds a line break is an error: it
// would be two records to a reader.
func (s *Sink) Write(ctx context.Context, records []connectors.Record) error {
	if err := s.usable(ctx); err != nil || len(records) == 0 {
		return err
	}
	var batch bytes.Buffer
	done := make([]connectors.Origin, 0, len(records))
	for _, rec := range records {
		if bytes.IndexByte(rec.Value, '\n') >= 0 {
			return fmt.Errorf("output %s: the result of %v holds a line break", s.opts.Path, rec.Origin)
		}
		if rec.Value != nil {
			batch.Write(rec.Value)
			batch.WriteByte('\n')
		}
		done = append(done, rec.Origin)
	}
	return s.commit(batch.Bytes(), done)
}

// Advance implements connectors.Advancer.
func (s *Sink) Advance(ctx context.Context, done []connectors.Origin) error {
	if err := s.usable(ctx); err != nil || len(done) == 0 {
		return err
	}
	return s.commit(nil, done)
}

func (s *Sink) usable(ctx context.Context) error {
	if s.closed {
		return connectors.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.broken
}

// commit appends the lines, and then the entry that makes them count.
func (s *Sink) commit(lines []byte, done []connectors.Origin) error {
	packed := lines
	if len(lines) > 0 {
		var err error
		if packed, err = s.pack(lines); err != nil {
			return fmt.Errorf("output %s: %w", s.opts.Path, err)
		}
	}
	if s.ledger == nil {
		if len(packed) > 0 {
			if _, err := s.stream.Write(packed); err != nil {
				s.broken = fmt.Errorf("output: %w", err)
			}
		}
		return s.broken
	}
	done = latest(done)
	size := s.ledger.state.size + int64(len(packed))
	line, err := s.ledger.line(size, done)
	if err != nil {
		return err
	}
	if err := s.append(packed); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	if err := s.ledger.add(line, size, done); err != nil {
		s.broken = fmt.Errorf("%w: run the job again, it goes on from the ledger", err)
	}
	return s.broken
}

// append writes behind the accounted bytes. A write that fails, on a full disk say,
// leaves the output as it was. A flush that fails leaves it unknown.
func (s *Sink) append(packed []byte) error {
	if len(packed) == 0 {
		return nil
	}
	if _, err := s.file.Write(packed); err != nil {
		if cutErr := s.cut(s.ledger.state.size); cutErr != nil {
			s.broken = errors.Join(err, cutErr)
		}
		return err
	}
	if s.opts.Sync == SyncEachWrite {
		s.broken = s.file.Sync()
	}
	return s.broken
}

// latest keeps the furthest origin of each stream.
func latest(done []connectors.Origin) []connectors.Origin {
	state := newLedgerState(ledgerHead{})
	for _, o := range done {
		state.move(o)
	}
	return state.origins()
}

// Close implements connectors.Sink.
func (s *Sink) Close(context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.ledger != nil {
		// In this order: the ledger must not speak of bytes that are not there.
		errs = append(errs, s.file.Sync(), s.ledger.file.Sync(), s.ledger.file.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}
