package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/connectors"
)

// write takes finished items in any order, and writes and settles them in the order of
// the input. Records that are not settled when it returns stay unacknowledged.
func (r *runner) write(ctx context.Context) error {
	waiting := make(map[int64]*Item)
	next := int64(0)
	for {
		item, ok := <-r.done
		if !ok {
			return ctx.Err()
		}
		waiting[item.seq] = item
		for more := true; more; { // what else is there, without waiting
			select {
			case item, ok := <-r.done:
				if more = ok; ok {
					waiting[item.seq] = item
				}
			default:
				more = false
			}
		}
		for {
			var batch []*Item
			for len(batch) < r.options.WriteBatch && waiting[next] != nil {
				batch = append(batch, waiting[next])
				delete(waiting, next)
				next++
			}
			if len(batch) == 0 {
				break
			}
			if err := r.deliver(ctx, batch); err != nil {
				return err
			}
		}
	}
}

// deliver makes a run of items durable and settles them: dead letters first, so that no
// failure is acknowledged before it is recorded.
func (r *runner) deliver(ctx context.Context, batch []*Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.bury(ctx, batch); err != nil {
		return err
	}
	var records []connectors.Record
	var written []*Item
	for _, item := range batch {
		if item.Output != nil && item.Err == nil {
			records = append(records, outputRecord(item))
			written = append(written, item)
		}
	}
	rejected, err := split(r.sink.Write(ctx, records), written)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	if err := r.bury(ctx, rejected); err != nil {
		return err
	}
	if advancer, ok := r.sink.(connectors.Advancer); ok {
		if done := withoutOutput(batch); len(done) > 0 {
			if err := advancer.Advance(ctx, done); err != nil {
				return fmt.Errorf("write output: %w", err)
			}
		}
	}
	for _, item := range batch {
		item.Delivery.Settle(nil)
		r.count(item)
		<-r.slots
	}
	if r.options.Report != nil {
		r.options.Report(r.counts)
	}
	return nil
}

// split returns the items that a write rejected for good, with their reason; any other
// failure is an error.
func split(err error, items []*Item) (rejected []*Item, _ error) {
	var partial *connectors.ItemError
	if !errors.As(err, &partial) {
		return nil, err
	}
	for i, item := range items {
		cause, failed := partial.Failed[i]
		if !failed {
			continue
		}
		if !errors.Is(cause, connectors.ErrRejected) {
			return nil, err
		}
		item.Err = fmt.Errorf("the output did not take the record: %w", cause)
		rejected = append(rejected, item)
	}
	return rejected, nil
}

// bury writes the failed items among the given ones to the dead letters.
func (r *runner) bury(ctx context.Context, items []*Item) error {
	var letters []connectors.Record
	for _, item := range items {
		if item.Err != nil {
			letters = append(letters, deadLetter(item))
		}
	}
	if len(letters) == 0 {
		return nil
	}
	if err := r.dead.Write(ctx, letters); err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

// withoutOutput returns, for each stream whose last item in the batch has no output,
// that item's origin: the sink cannot know otherwise that it is done.
func withoutOutput(batch []*Item) []connectors.Origin {
	type stream struct {
		name      string
		partition int32
	}
	last := make(map[stream]*Item)
	var streams []stream
	for _, item := range batch {
		o := item.Delivery.Origin
		s := stream{o.Stream, o.Partition}
		if last[s] == nil {
			streams = append(streams, s)
		}
		last[s] = item
	}
	var done []connectors.Origin
	for _, s := range streams {
		if item := last[s]; item.Err != nil || item.Output == nil {
			done = append(done, item.Delivery.Origin)
		}
	}
	return done
}

func (r *runner) count(item *Item) {
	c := &r.counts
	c.Read++
	switch {
	case item.Err != nil:
		c.Failed++
	case item.Note.Dropped:
		c.Dropped++
	default:
		c.Written++
		if item.Note.Unchanged {
			c.Unchanged++
		}
	}
	c.Tokens += item.Note.Tokens
	c.ModelCalls += item.Note.ModelCalls
}

// outputRecord carries the input's key, headers and time along, but for a header by
// which plain text was told from JSON: every output is JSON.
func outputRecord(item *Item) connectors.Record {
	rec := item.Delivery.Record
	rec.Value = item.Output
	if rec.IsText() { // in a copy: the headers are the source's
		rec.Headers = slices.DeleteFunc(slices.Clone(rec.Headers), func(h connectors.Header) bool {
			return h.Name == connectors.HeaderContentType
		})
	}
	return rec
}

// The headers of a dead letter. Its value, key and other headers are the input's.
const (
	HeaderError  = "a3.error.reason"
	HeaderOrigin = "a3.error.origin"
)

func deadLetter(item *Item) connectors.Record {
	rec := item.Delivery.Record
	headers := make([]connectors.Header, 0, len(rec.Headers)+2)
	headers = append(headers, rec.Headers...)
	rec.Headers = append(headers,
		connectors.Header{Name: HeaderOrigin, Value: []byte(rec.Origin.String())},
		connectors.Header{Name: HeaderError, Value: []byte(item.Err.Error())})
	return rec
}
