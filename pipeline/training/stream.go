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
	// Extents returns what each partition holds now.
	Extents(ctx context.Context) ([]Extent, error)
	// Begin returns where a new run begins in each partition, within its extent.
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

// readAhead is the most records that are read at a time.
const readAhead = 32

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
//
// One goroutine reads records and parses them, one tokenizes, and the loader's packs: the
// three take about equally long, and each is a little ahead of the next. As text, at most
// 3*readAhead records are held.
type stream struct {
	src   connectors.Source
	parse record.Options
	bad   func(connectors.Origin, error) error // told of records that cannot be used
	holds func(batching.Document) bool         // documents that are not to be trained

	docs []batching.Document // of Read

	cancel    context.CancelFunc
	ended     sync.WaitGroup
	parsed    chan []parsed
	readErr   error // what ended the reading; read when parsed is closed
	tokenized chan []batching.Document
	err       error // what ended the documents; read when tokenized is closed

	enc  *tokenize.Encoder  // of the goroutine that tokenizes, and so the next two
	ids  []int32            // scratch
	next map[position]place // behind the last record

	mu        sync.Mutex
	untrained []untrained // mu: in the order of reading
}

// parsed is a record with the documents in it.
type parsed struct {
	connectors.Delivery
	texts []Text
	errs  []error // [texts]: why there is no text
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
	next := map[position]place{}
	from := []connectors.Origin{} // not nil: what the group has committed does not count
	for _, m := range r.state.Marks {
		o := connectors.Origin{Stream: m.Stream, Partition: m.Partition, Next: m.Next}
		from = append(from, o)
		next[positionOf(o)] = place{m.Next, m.Row}
	}
	src, err := r.Topic.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	s := &stream{src: src, parse: r.Parse, bad: r.Bad, holds: r.keptOut(), enc: r.Tokenizer.NewEncoder(), next: next}
	s.start()
	return s, nil
}

// start starts the goroutines, which close ends.
func (s *stream) start() {
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.parsed, s.tokenized = make(chan []parsed), make(chan []batching.Document)
	s.ended.Go(func() {
		defer close(s.parsed)
		s.readErr = s.read(ctx)
	})
	s.ended.Go(func() {
		defer close(s.tokenized)
		defer s.cancel() // nobody takes what is read any more
		s.err = s.tokenize(ctx)
	})
}

// Read implements batching.Stream.
func (s *stream) Read(ctx context.Context) (batching.Document, error) {
	for len(s.docs) == 0 {
		var more bool
		select {
		case s.docs, more = <-s.tokenized:
			if !more {
				return batching.Document{}, s.err
			}
		case <-ctx.Done():
			return batching.Document{}, ctx.Err()
		}
	}
	doc := s.docs[0]
	s.docs = s.docs[1:]
	return doc, nil
}

// read reads records and parses them, until there are no more.
func (s *stream) read(ctx context.Context) error {
	for {
		deliveries, err := s.src.Read(ctx, readAhead)
		switch {
		case errors.Is(err, io.EOF) || err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			return fmt.Errorf("read documents: %w", err)
		}
		records := make([]parsed, len(deliveries))
		for i, d := range deliveries {
			records[i] = s.parseRecord(d)
		}
		select {
		case s.parsed <- records:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stream) parseRecord(d connectors.Delivery) parsed {
	p := parsed{Delivery: d}
	if d.Err == nil && d.Value == nil { // a tombstone: there is nothing to learn
		return p
	}
	for _, row := range unpack(d) {
		text, err := readText(row, s.parse)
		text.Origin = row.Origin
		p.texts, p.errs = append(p.texts, text), append(p.errs, err)
	}
	p.Value = nil // its texts are all that is needed of it
	return p
}

// tokenize makes documents of the records, until there are no more.
func (s *stream) tokenize(ctx context.Context) error {
	for records := range s.parsed {
		var docs []batching.Document
		var err error
		for i := 0; i < len(records) && err == nil; i++ {
			docs, err = s.take(docs, records[i])
		}
		if len(docs) > 0 {
			select {
			case s.tokenized <- docs:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
	return s.readErr
}

// take appends the documents of a record that are to be trained. Without any, the record
// is settled, or waits until those that it repeats are trained.
func (s *stream) take(docs []batching.Document, p parsed) ([]batching.Document, error) {
	at := positionOf(p.Origin)
	was := s.next[at]
	if p.Origin.Offset < was.next {
		s.wait(p.Delivery)
		return docs, nil
	}
	s.next[at] = place{next: p.Origin.Next}
	first := len(docs)
	for i, text := range p.texts {
		if p.Origin.Offset == was.next && text.Origin.Row > 0 && text.Origin.Row <= was.rows {
			continue // trained before this run began
		}
		if err := p.errs[i]; err != nil {
			if err := s.bad(text.Origin, err); err != nil {
				return docs, err
			}
			continue
		}
		s.ids = s.enc.AppendDocument(s.ids[:0], text.Text)
		doc := document(text, slices.Clone(s.ids))
		if s.holds(doc) {
			continue
		}
		if len(docs) > first {
			docs[len(docs)-1].Origin.Next = p.Origin.Offset // its record is not through with it
		}
		docs = append(docs, doc)
	}
	if len(docs) == first {
		p.Settle(nil)
		return docs, nil
	}
	s.wait(p.Delivery)
	return docs, nil
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

// close ends the reading, tells the source what was trained, and closes it.
func (s *stream) close(ctx context.Context) error {
	s.cancel()
	s.ended.Wait()
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
