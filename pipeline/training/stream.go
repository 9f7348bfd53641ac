package training

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/tokenize"
)

// Topic is where documents arrive that a run learns from as they come, each once: one topic
// or several.
//
// The checkpoint says how far the run has come, and begins with one before the first
// step: what the broker remembers is for people who look at the lag. It is told of
// documents that were trained, not of those that were read.
type Topic interface {
	// Names are the Origin.Stream of the documents.
	Names() []string
	// Begin returns where a new run begins in each partition.
	Begin(ctx context.Context) ([]connectors.Origin, error)
	// Open opens the source. Each partition begins at its origin's Next, a partition that
	// has none at its start. The source must not hold back records because earlier ones are
	// not settled, as long as those are at most MaxUntrained.
	Open(ctx context.Context, from []connectors.Origin) (connectors.Source, error)
}

// MaxUntrained is the most records that were read and are not settled. Where a batch holds
// more documents, the first of them are settled before they are trained; the checkpoint is
// right all the same.
const MaxUntrained = 100_000

// readAhead is the most documents that are held as text.
const readAhead = 64

// closeTimeout bounds the last acknowledgement.
const closeTimeout = 30 * time.Second

// position names a partition.
type position struct {
	stream    string
	partition int32
}

func positionOf(o connectors.Origin) position { return position{o.Stream, o.Partition} }

// stream reads documents for a loader, and settles those that were trained. Documents
// come in the order of their partitions, each once: what a rebalance brings again is left
// out.
type stream struct {
	src   connectors.Source
	parse record.Options
	bad   func(connectors.Origin, error) error // told of records that cannot be used
	holds func(batching.Document) bool         // documents that are not to be trained
	enc   *tokenize.Encoder

	ready []connectors.Delivery
	docs  []batching.Document // of the last record read, to be trained
	ids   []int32             // scratch
	next  map[position]place

	mu        sync.Mutex
	untrained []untrained // mu: in the order of reading
}

// place is behind the last record read. Until the first is read, documents of the record
// that comes may be trained already: rows of them.
type place struct{ next, rows int64 }

// untrained is a record whose document is to be trained.
type untrained struct {
	at     position
	offset int64
	settle func(error)
}

// openStream opens the documents behind the marks of a cursor.
func (r *run) openStream(ctx context.Context) (*stream, error) {
	s := &stream{parse: r.Parse, bad: r.Bad, holds: r.keptOut(), enc: r.Tokenizer.NewEncoder(), next: map[position]place{}}
	from := []connectors.Origin{} // not nil: what the group has committed does not count
	for _, m := range r.state.Marks {
		o := connectors.Origin{Stream: m.Stream, Partition: m.Partition, Next: m.Next}
		from = append(from, o)
		s.next[positionOf(o)] = place{m.Next, m.Row}
	}
	var err error
	s.src, err = r.Topic.Open(ctx, from)
	return s, err
}

// Read implements batching.Stream.
func (s *stream) Read(ctx context.Context) (batching.Document, error) {
	for len(s.docs) == 0 {
		if len(s.ready) == 0 {
			var err error
			if s.ready, err = s.src.Read(ctx, readAhead); err != nil {
				if errors.Is(err, io.EOF) || ctx.Err() != nil {
					return batching.Document{}, err
				}
				return batching.Document{}, fmt.Errorf("read documents: %w", err)
			}
		}
		d := s.ready[0]
		s.ready[0] = connectors.Delivery{} // its text is not held any longer
		s.ready = s.ready[1:]
		if err := s.take(d); err != nil {
			return batching.Document{}, err
		}
	}
	doc := s.docs[0]
	s.docs = s.docs[1:]
	return doc, nil
}

// take finds the documents of a record that are to be trained. Without any, the record is
// settled, or waits until those that it repeats are trained.
func (s *stream) take(d connectors.Delivery) error {
	at := positionOf(d.Origin)
	was := s.next[at]
	if d.Origin.Offset < was.next {
		s.wait(d)
		return nil
	}
	s.next[at] = place{next: d.Origin.Next}
	if d.Err == nil && d.Value == nil { // a tombstone: there is nothing to learn
		d.Settle(nil)
		return nil
	}
	rows := unpack(d)
	for _, row := range rows {
		if d.Origin.Offset == was.next && row.Origin.Row > 0 && row.Origin.Row <= was.rows {
			continue // trained before this run began
		}
		text, err := readText(row, s.parse)
		if err != nil {
			if err := s.bad(row.Origin, err); err != nil {
				return err
			}
			continue
		}
		s.ids = s.enc.AppendDocument(s.ids[:0], text.Text)
		ids := s.ids
		if len(rows) > 1 { // else it is out before the next one is made
			ids = slices.Clone(ids)
		}
		doc := document(text, ids)
		if s.holds(doc) {
			continue
		}
		if n := len(s.docs); n > 0 {
			s.docs[n-1].Origin.Next = d.Origin.Offset // its record is not through with it
		}
		s.docs = append(s.docs, doc)
	}
	if len(s.docs) == 0 {
		d.Settle(nil)
		return nil
	}
	s.wait(d)
	return nil
}

// wait remembers to settle a record.
func (s *stream) wait(d connectors.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.untrained) == MaxUntrained {
		s.untrained[0].settle(nil)
		s.untrained = s.untrained[1:]
	}
	s.untrained = append(s.untrained, untrained{positionOf(d.Origin), d.Origin.Offset, d.Settle})
}

// trained settles the records that a cursor has behind it.
func (s *stream) trained(c batching.Cursor) {
	next := make(map[position]int64, len(c.Marks))
	for _, m := range c.Marks {
		next[position{m.Stream, m.Partition}] = m.Next
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.untrained[:0]
	for _, u := range s.untrained {
		if u.offset < next[u.at] {
			u.settle(nil)
		} else {
			rest = append(rest, u)
		}
	}
	clear(s.untrained[len(rest):])
	s.untrained = rest
}

// close tells the source what was trained, and closes it.
func (s *stream) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return s.src.Close(ctx)
}

// streamLoader is a loader over a stream that it closes.
type streamLoader struct {
	*batching.Loader
	close func() error // of the stream
}

// Close stops the loader, which reads the stream, then closes the stream.
func (l *streamLoader) Close() error {
	return errors.Join(l.Loader.Close(), l.close())
}

// keptOut returns which documents of the stream are not trained: the held-out share, and
// whatever has the key or the text of a held-out document.
func (r *run) keptOut() func(batching.Document) bool {
	share := batching.HeldOut{Fraction: r.Config.HeldOutShare}
	keys, texts := map[uint64]bool{}, map[string]bool{}
	for i := range r.held.Len() {
		doc := r.held.Document(i)
		keys[doc.Key], texts[text(doc.Tokens)] = true, true
	}
	return func(doc batching.Document) bool {
		return share.Holds(doc.Key) || keys[doc.Key] || len(texts) > 0 && texts[text(doc.Tokens)]
	}
}

// offsets are the positions of a cursor as a manifest has them: the next record of each
// partition, TOPIC/PARTITION. A document of which some chunks are trained is still the next.
func offsets(c batching.Cursor) map[string]int64 {
	out := make(map[string]int64, len(c.Marks))
	for _, m := range c.Marks {
		out[fmt.Sprintf("%s/%d", m.Stream, m.Partition)] = m.Next
	}
	return out
}
