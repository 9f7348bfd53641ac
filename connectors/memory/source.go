// Package memory is the connector for tests and for programs that embed the
// pipeline: records come from a slice or a channel and go to a slice or a channel.
package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/any-order/a3/connectors"
)

// Source delivers the records of a slice or of a channel. It numbers them from 1
// and sets their Origin; Next is the count of records up to and with this one.
type Source struct {
	stream string
	slice  []connectors.Record
	ch     <-chan connectors.Record // nil for a slice
	acks   *connectors.Watermark

	closeOnce sync.Once
	closed    chan struct{}

	// The fields below belong to the goroutine that calls Seek and Read.
	taken int64             // records taken so far, skipped ones included
	skip  int64             // the first so many are done already
	start connectors.Origin // what Seek was given, zero without
}

var (
	_ connectors.Source = (*Source)(nil)
	_ connectors.Seeker = (*Source)(nil)
)

// FromSlice returns a source of the records, ending with io.EOF behind them. The
// stream names them in messages and in Origin.
func FromSlice(stream string, records []connectors.Record) *Source {
	return &Source{stream: stream, slice: records, acks: connectors.NewWatermark(nil), closed: make(chan struct{})}
}

// FromChannel returns a source of what arrives on ch, ending with io.EOF when ch is
// closed.
func FromChannel(stream string, ch <-chan connectors.Record) *Source {
	return &Source{stream: stream, ch: ch, acks: connectors.NewWatermark(nil), closed: make(chan struct{})}
}

// Seek leaves out the records up to the given position.
func (s *Source) Seek(done []connectors.Origin) error {
	for _, o := range done {
		if o.Stream != s.stream || o.Partition != connectors.NoPartition {
			return fmt.Errorf("memory: position %v is not in stream %q", o, s.stream)
		}
		if o.Next < 0 || s.ch == nil && o.Next > int64(len(s.slice)) {
			return fmt.Errorf("memory: position %v is outside of the %d records of the stream", o, len(s.slice))
		}
		s.skip, s.start = o.Next, o
	}
	return nil
}

// Read implements connectors.Source.
func (s *Source) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	var out []connectors.Delivery
	for len(out) < max {
		rec, err := s.take(ctx, len(out) == 0)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		if err != nil {
			break
		}
		s.taken++
		if s.taken <= s.skip {
			continue
		}
		rec.Origin = connectors.Origin{
			Stream: s.stream, Partition: connectors.NoPartition, Offset: s.taken, Next: s.taken,
		}
		size := int64(len(rec.Key) + len(rec.Value))
		out = append(out, connectors.Delivery{Record: rec, Settle: s.acks.Track(rec.Origin, size)})
	}
	return out, nil
}

// errEmpty says that a channel holds nothing right now.
var errEmpty = errors.New("memory: nothing there yet")

// take returns the next record. For a channel it waits only when wait is set.
func (s *Source) take(ctx context.Context, wait bool) (connectors.Record, error) {
	select {
	case <-s.closed:
		return connectors.Record{}, connectors.ErrClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return connectors.Record{}, err
	}
	if s.ch == nil {
		if s.taken >= int64(len(s.slice)) {
			return connectors.Record{}, io.EOF
		}
		return s.slice[s.taken], nil
	}
	if !wait {
		select {
		case rec, ok := <-s.ch:
			return ended(rec, ok)
		default:
			return connectors.Record{}, errEmpty
		}
	}
	select {
	case rec, ok := <-s.ch:
		return ended(rec, ok)
	case <-ctx.Done():
		return connectors.Record{}, ctx.Err()
	case <-s.closed:
		return connectors.Record{}, connectors.ErrClosed
	}
}

func ended(rec connectors.Record, ok bool) (connectors.Record, error) {
	if !ok {
		return rec, io.EOF
	}
	return rec, nil
}

// Acknowledged returns up to where the stream is settled without a gap, in the form
// that Seek takes; nothing if nothing is.
func (s *Source) Acknowledged() []connectors.Origin {
	if o, ok := s.acks.Acknowledged(); ok {
		return []connectors.Origin{o}
	}
	if s.skip > 0 {
		return []connectors.Origin{s.start}
	}
	return nil
}

// Close implements connectors.Source.
func (s *Source) Close(context.Context) error {
	s.closeOnce.Do(func() {
		s.acks.End()
		close(s.closed)
	})
	return nil
}
