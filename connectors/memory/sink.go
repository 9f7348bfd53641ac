package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/any-order/a3/connectors"
)

// Sink keeps what is written, or passes it to a channel. It remembers positions like
// a durable sink, for as long as it lives.
type Sink struct {
	ch chan<- connectors.Record // nil to keep the records

	mu      sync.Mutex
	records []connectors.Record          // mu
	done    map[stream]connectors.Origin // mu
	order   []stream                     // mu: keys of done as they came
	closed  bool                         // mu
}

type stream struct {
	name      string
	partition int32
}

var (
	_ connectors.Sink     = (*Sink)(nil)
	_ connectors.Advancer = (*Sink)(nil)
	_ connectors.Resumer  = (*Sink)(nil)
)

// NewSink returns a sink that keeps all records.
func NewSink() *Sink { return &Sink{done: map[stream]connectors.Origin{}} }

// ToChannel returns a sink that sends each record to ch, which counts as durable
// once ch took it. Write waits while ch is full. Close leaves ch open.
func ToChannel(ch chan<- connectors.Record) *Sink {
	s := NewSink()
	s.ch = ch
	return s
}

// Write implements connectors.Sink.
func (s *Sink) Write(ctx context.Context, records []connectors.Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	for _, rec := range records {
		if s.ch != nil {
			select {
			case s.ch <- rec:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		s.mu.Lock()
		if s.ch == nil {
			s.records = append(s.records, rec)
		}
		s.move(rec.Origin)
		s.mu.Unlock()
	}
	return nil
}

// Advance implements connectors.Advancer.
func (s *Sink) Advance(ctx context.Context, done []connectors.Origin) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range done {
		s.move(o)
	}
	return nil
}

func (s *Sink) usable(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return connectors.ErrClosed
	}
	return ctx.Err()
}

// move notes the position. The caller holds mu.
func (s *Sink) move(o connectors.Origin) {
	k := stream{o.Stream, o.Partition}
	if _, known := s.done[k]; !known {
		s.order = append(s.order, k)
	}
	if o.Next >= s.done[k].Next {
		s.done[k] = o
	}
}

// Resume implements connectors.Resumer.
func (s *Sink) Resume() ([]connectors.Origin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]connectors.Origin, 0, len(s.order))
	for _, k := range s.order {
		out = append(out, s.done[k])
	}
	return out, nil
}

// Records returns what has been written, in order; nil for a channel sink.
func (s *Sink) Records() []connectors.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Close implements connectors.Sink.
func (s *Sink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
