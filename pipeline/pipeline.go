package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/journal"
)

// Item is a record on its way through the stages. The stage that holds it owns it.
type Item struct {
	Delivery connectors.Delivery
	Task     any    // what the job made of the record; the job's own
	Output   []byte // the value of the output record, once there is one
	Err      error  // why there is none
	Note     Note   // what the job counts beside success and failure

	Explanation []byte // how the job came to the output, for Options.Explain

	seq       int64   // place in the input
	parcel    *parcel // the record of which this is a row; nil for a record of one document
	key       journal.Key
	stage     Stage // where it failed, if it did
	tombstone bool  // passes as it is: its output has no value
	abridged  bool  // its dead letter goes without the value
	rejection error // of its record, by the sink
	settled   bool
	entered   time.Time // the stage that it is in
}

// written reports whether the item has an output record.
func (i *Item) written() bool { return i.Err == nil && (i.Output != nil || i.tombstone) }

// Guard runs work on this one item. A panic becomes the item's error: data that trips a
// mistake of the program costs one record, not the job.
func (i *Item) Guard(work func()) {
	defer func() {
		if p := recover(); p != nil {
			i.Task, i.Output = nil, nil
			i.Err = fmt.Errorf("a mistake of this program, please report it with the record: %v", p)
		}
	}()
	work()
}

// Note counts what happened to a record.
type Note struct {
	Given      int // tokens that were there
	Tokens     int // filled or scored
	ModelCalls int
	Unchanged  bool // nothing was to be done: the record passes as it is
	Dropped    bool // a tombstone: it has no output
	Recalled   bool // found in the journal
}

// Job is what happens to records between source and sink.
//
// Rules for implementers: Prepare is called by one goroutine, in the order of the
// input, and sets Task, or Output or Err if there is nothing to compute; a panic in it
// fails the record. Compute runs until in is closed or ctx ends; it sets Output or Err
// of every item it takes and hands it to done, in any order; what it does with one item
// alone it does under Item.Guard.
type Job interface {
	Prepare(item *Item)
	Compute(ctx context.Context, in <-chan *Item, done func(*Item) error) error
}

// Options are the bounds of a run.
type Options struct {
	// Window is how many records are between source and sink at most, each with all of its
	// rows. Output waits
	// for the records before it, so it bounds memory, and how far a slow document
	// can be overtaken.
	Window int
	// WriteBatch is how many records are written, and acknowledged, at a time at most; the
	// rows of one record are not parted.
	WriteBatch int
	// Report is called after every write, by one goroutine.
	Report func(Counts)

	// Transactor, if not nil, takes the place of sink and dead letters: exactly once.
	Transactor connectors.Transactor
	// Journal, if not nil, saves a worker that was killed from computing results again.
	Journal Journal
	// Run is the identity of what results depend on beside the record, for the journal.
	Run string
	// MaxAttempts is how often a record may be at work in a process that dies before it
	// becomes a dead letter; 0 = always again. It takes a journal. A record that was at
	// work once in such a process is computed alone, to know it from its neighbours.
	MaxAttempts int
	// Arrow makes the output records Arrow IPC streams: one of each input record, with its
	// results as rows.
	Arrow bool
	// PassTombstones lets keyed records without a value through to the output, whose log
	// may be compacted; the others, and without it all, are dropped.
	PassTombstones bool
	// Failures ends the run when too much fails.
	Failures FailureLimit
	// Explain, if not nil, is handed the explanations of records that were written, in the
	// order of the input, by one goroutine. What was found in the journal has none.
	Explain func(explanation []byte) error
	// Observer, if not nil, is told what passes through the stages.
	Observer Observer
}

// DefaultOptions returns bounds that fit documents of a few kilobytes.
func DefaultOptions() Options { return Options{Window: 1024, WriteBatch: 64} }

// Counts says what a run has done so far. It counts documents: each row of a record.
type Counts struct {
	Read, Written, Failed, Unchanged, Dropped int
	Tokens, ModelCalls                        int
	Taken                                     int  // read, then taken by another worker, which does them
	Recalled                                  int  // of those written: found in the journal, not computed
	Stopped                                   bool // before the source was exhausted
}

// Run moves records until the source is exhausted or stop is closed; then it finishes
// what it has read. When ctx ends, or source, sink or job fail, it stops at once and
// leaves what is unfinished unsettled: it comes again. A record that fails goes to dead
// and does not stop the run. Run closes nothing.
func Run(ctx context.Context, stop <-chan struct{}, src connectors.Source, job Job, sink, dead connectors.Sink, o Options) (Counts, error) {
	if o.Window < 1 || o.WriteBatch < 1 {
		return Counts{}, fmt.Errorf("pipeline: window %d and write batch %d must be at least 1", o.Window, o.WriteBatch)
	}
	if err := o.Failures.Validate(); err != nil {
		return Counts{}, err
	}
	if o.MaxAttempts < 0 || o.MaxAttempts > 0 && o.Journal == nil {
		return Counts{}, fmt.Errorf("pipeline: %d attempts: must not be negative, and are counted in a journal", o.MaxAttempts)
	}
	if err := resume(src, sink); err != nil {
		return Counts{}, err
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	r := &runner{
		src: src, job: job, sink: sink, dead: dead, options: o, failures: newFailures(o.Failures),
		slots: make(chan struct{}, o.Window), work: make(chan *Item, o.Window), done: make(chan *Item, o.Window),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(r.done)
		producers, ctx := errgroup.WithContext(ctx)
		producers.Go(func() error { return r.read(ctx, stop) })
		producers.Go(func() error { return r.compute(ctx) })
		return producers.Wait()
	})
	g.Go(func() error { return r.write(ctx) })
	err := g.Wait()
	r.counts.Stopped = !r.exhausted
	return r.counts, err
}

// resume hands what the sink has durably to the source, where both can.
func resume(src connectors.Source, sink connectors.Sink) error {
	resumer, ok := sink.(connectors.Resumer)
	if !ok {
		return nil
	}
	done, err := resumer.Resume()
	if err != nil {
		return fmt.Errorf("resume from the output: %w", err)
	}
	if len(done) == 0 {
		return nil
	}
	seeker, ok := src.(connectors.Seeker)
	if !ok {
		return nil // the input's broker remembers what was acknowledged
	}
	if err := seeker.Seek(done); err != nil {
		return fmt.Errorf("resume the input: %w", err)
	}
	return nil
}

// runner is one call of Run. A slot is taken when a record is read and given back when
// it is settled, so no channel ever holds more than Window items and sends to them do
// not block for long.
type runner struct {
	src        connectors.Source
	job        Job
	sink, dead connectors.Sink
	options    Options

	slots chan struct{}
	work  chan *Item // prepared, to be computed
	done  chan *Item // with output or error, in any order

	counts   Counts    // of the writer
	failures *failures // of the writer

	exhausted bool // by read: the source has ended
}

// read takes records while there are slots, prepares them and passes them on.
func (r *runner) read(ctx context.Context, stop <-chan struct{}) error {
	defer close(r.work)
	reading, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-stop:
			cancel()
		case <-reading.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	for seq := int64(0); ; {
		free, err := r.acquire(reading)
		if err != nil {
			return ctx.Err() // nil if it was stop that ended the reading
		}
		start := time.Now()
		batch, err := r.src.Read(reading, free)
		r.observeRead(batch, time.Since(start))
		for range free - len(batch) {
			<-r.slots
		}
		for i := range batch {
			for _, item := range unpack(batch[i]) {
				item.seq = seq
				seq++
				if err := r.prepare(ctx, item); err != nil {
					return err
				}
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			r.exhausted = true
			return nil
		case reading.Err() != nil:
			return ctx.Err()
		default:
			return fmt.Errorf("read: %w", err)
		}
	}
}

// acquire takes one slot, waiting for it, and as many more as are free.
func (r *runner) acquire(ctx context.Context) (n int, err error) {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n = 1; n < r.options.WriteBatch; n++ {
		select {
		case r.slots <- struct{}{}:
		default:
			return n, nil
		}
	}
	return n, nil
}

func (r *runner) prepare(ctx context.Context, item *Item) error {
	r.enter(StagePrepare, item)
	switch d := &item.Delivery; {
	case d.Err != nil:
		item.fail(StageRead, d.Err)
	case item.Err != nil: // no valid row, or no valid stream of them
		item.stage = StagePrepare
	case item.Note.Dropped: // a record without rows
	case d.Value == nil:
		item.tombstone = r.options.PassTombstones && d.Key != nil
		item.Note.Unchanged, item.Note.Dropped = item.tombstone, !item.tombstone
	default:
		if err := r.recall(item); err != nil {
			return err
		}
		if item.Err != nil || item.Output != nil {
			break
		}
		item.stage = StagePrepare
		err := r.atWork(item, func() { item.Guard(func() { r.job.Prepare(item) }) })
		if err != nil {
			return err
		}
	}
	r.left(StagePrepare, item)
	if item.Err != nil || item.Output != nil || item.Note.Dropped || item.Delivery.Value == nil {
		return send(ctx, r.done, item)
	}
	r.enter(StageCompute, item)
	return send(ctx, r.work, item)
}

func send(ctx context.Context, to chan<- *Item, item *Item) error {
	select {
	case to <- item:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
