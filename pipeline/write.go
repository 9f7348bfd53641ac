package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
		arrive := func(item *Item) {
			waiting[item.seq] = item
			if item.parcel != nil {
				item.parcel.arrived++
			}
		}
		arrive(item)
		for more := true; more; { // what else is there, without waiting
			select {
			case item, ok := <-r.done:
				if more = ok; ok {
					arrive(item)
				}
			default:
				more = false
			}
		}
		for {
			batch := r.nextBatch(waiting, next)
			if len(batch) == 0 {
				break
			}
			next += int64(len(batch))
			if err := r.deliver(ctx, batch); err != nil {
				return err
			}
		}
	}
}

// nextBatch takes, of the items that wait, those that are next in the input's order: of as
// many records as make WriteBatch items, or one of more rows than that.
func (r *runner) nextBatch(waiting map[int64]*Item, next int64) (batch []*Item) {
	for len(batch) < r.options.WriteBatch {
		first := waiting[next]
		if first == nil {
			return batch
		}
		n, whole := first.whole()
		if !whole || len(batch) > 0 && len(batch)+n > r.options.WriteBatch {
			return batch
		}
		for range n {
			batch = append(batch, waiting[next])
			delete(waiting, next)
			next++
		}
	}
	return batch
}

// deliver makes a run of items durable and settles them.
func (r *runner) deliver(ctx context.Context, batch []*Item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, item := range batch {
		if err := r.failures.add(item); err != nil {
			return err
		}
	}
	deliver := r.atLeastOnce
	if r.options.Transactor != nil {
		deliver = r.transact
	}
	start := time.Now()
	if err := deliver(ctx, batch); err != nil {
		return err
	}
	r.observeDelivery(batch, time.Since(start))
	for _, item := range batch {
		r.count(item)
		if item.last() {
			<-r.slots
		}
		if err := r.explain(item); err != nil {
			return err
		}
	}
	if r.options.Report != nil {
		r.options.Report(r.counts)
	}
	return nil
}

// explain hands on how the output of an item came about, if that was written.
func (r *runner) explain(item *Item) error {
	if r.options.Explain == nil || item.Explanation == nil || item.Err != nil || !item.settled {
		return nil
	}
	if err := r.options.Explain(item.Explanation); err != nil {
		return fmt.Errorf("write the explanation of %v: %w", item.Delivery.Origin, err)
	}
	return nil
}

// atLeastOnce writes dead letters first, so that no failure is acknowledged before it is
// recorded, then the outputs, and settles all. What was taken by another worker meanwhile
// is left to that one.
func (r *runner) atLeastOnce(ctx context.Context, batch []*Item) error {
	batch = slices.DeleteFunc(slices.Clone(batch), func(item *Item) bool { return item.Delivery.Taken() })
	if err := r.bury(ctx, batch); err != nil {
		return err
	}
	var records []connectors.Record
	var written [][]*Item
	for _, group := range r.together(batch) {
		if group[0].Err != nil {
			continue
		}
		rec, err := r.outputRecord(group)
		if err != nil {
			return err
		}
		records, written = append(records, rec), append(written, group)
	}
	rejected, err := split(r.sink.Write(ctx, records), written)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	for _, item := range rejected {
		item.reject()
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
		item.settled = true
		item.Delivery.Settle(nil)
	}
	return nil
}

// transact hands all to the transactor, and again without what it rejects.
func (r *runner) transact(ctx context.Context, batch []*Item) error {
	outcomes := make([]connectors.Outcome, len(batch))
	for i, item := range batch {
		delivery := item.Delivery
		delivery.Settle = func(err error) {
			item.settled = err == nil
			item.Delivery.Settle(err)
		}
		outcomes[i].Delivery = &delivery
	}
	place := make(map[*Item]int, len(batch))
	for i, item := range batch {
		place[item] = i
	}
	for {
		for i := range outcomes {
			outcomes[i].Output, outcomes[i].Letter = nil, nil
		}
		groups := make([][]*Item, len(batch)) // beside outcomes; that of the first of a group is its own
		for _, group := range r.together(batch) {
			i := place[group[0]]
			groups[i] = group
			if group[0].Err != nil {
				letter := deadLetter(group)
				outcomes[i].Letter = &letter
				continue
			}
			output, err := r.outputRecord(group)
			if err != nil {
				return err
			}
			outcomes[i].Output = &output
		}
		err := r.options.Transactor.Transact(ctx, outcomes)
		if err == nil {
			return nil
		}
		rejected, err := split(err, groups)
		if err != nil {
			return fmt.Errorf("write a transaction: %w", err)
		}
		for _, item := range rejected {
			if !item.reject() {
				return fmt.Errorf("write dead letters: %v: %w", item.Delivery.Origin, item.rejection)
			}
		}
	}
}

// split returns the items whose records a write rejected for good, with the reason in
// their rejection; any other failure is an error. groups[i] are the items of record i.
func split(err error, groups [][]*Item) (rejected []*Item, _ error) {
	var partial *connectors.ItemError
	if !errors.As(err, &partial) {
		return nil, err
	}
	for i, group := range groups {
		cause, failed := partial.Failed[i]
		if !failed {
			continue
		}
		if !errors.Is(cause, connectors.ErrRejected) {
			return nil, err
		}
		for _, item := range group {
			item.rejection = cause
		}
		rejected = append(rejected, group...)
	}
	return rejected, nil
}

// reject deals with an item whose record was rejected: an output becomes a dead letter, a
// dead letter goes without its value, which is still in the input. It returns false if
// nothing is left to try.
func (i *Item) reject() bool {
	switch {
	case i.Err == nil:
		i.fail(StageWrite, fmt.Errorf("the output did not take the record: %w", i.rejection))
	case !i.abridged:
		i.abridged = true
	default:
		return false
	}
	return true
}

// bury writes the failed items among the given ones to the dead letters.
func (r *runner) bury(ctx context.Context, items []*Item) error {
	for {
		var letters []connectors.Record
		var failed [][]*Item
		for _, group := range r.together(items) {
			if group[0].Err != nil {
				letters, failed = append(letters, deadLetter(group)), append(failed, group)
			}
		}
		if len(letters) == 0 {
			return nil
		}
		rejected, err := split(r.dead.Write(ctx, letters), failed)
		if err != nil {
			return fmt.Errorf("write dead letters: %w", err)
		}
		if len(rejected) == 0 {
			return nil
		}
		for _, item := range rejected {
			if !item.reject() {
				return fmt.Errorf("write dead letters: %v: %w", item.Delivery.Origin, item.rejection)
			}
		}
		items = rejected // the others are durable
	}
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
		if item := last[s]; !item.written() {
			done = append(done, item.Delivery.Origin)
		}
	}
	return done
}

func (r *runner) count(item *Item) {
	c := &r.counts
	c.Read++
	switch item.fate() {
	case FateTaken:
		c.Taken++
		return
	case FateFailed:
		c.Failed++
	case FateDropped:
		c.Dropped++
	case FateRecalled:
		c.Recalled++
		c.Written++
	case FateUnchanged:
		c.Unchanged++
		c.Written++
	case FateWritten:
		c.Written++
	}
	c.Tokens += item.Note.Tokens
	c.ModelCalls += item.Note.ModelCalls
}
