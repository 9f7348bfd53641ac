package batching

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// LoaderOptions are the options of a loader that do not change its batches.
type LoaderOptions struct {
	Mem      memory.Allocator // of all batches; nil = Go's heap. It is used from two goroutines.
	Prefetch int              // batches held ready ahead of the trainer; 0 = DefaultPrefetch
	From     Cursor           // where to start: TrainingBatch.After of the last batch trained

	// A run whose stages may end early says which have, as order.Course.Taken, and up to
	// which step its course is decided: batches of steps from Until on are not prepared
	// before Loader.Decide. Until = 0: all is decided.
	Taken []int
	Until int
}

// DefaultPrefetch keeps packing out of the trainer's way; more only costs memory.
const DefaultPrefetch = 2

// Loader hands out training batches step by step. One goroutine, which Close waits
// for, prepares them ahead in a bounded queue. Next and Close are for one goroutine.
type Loader struct {
	step    int // of the batch that Next gives
	until   int // as in LoaderOptions, after the last Decide
	ready   chan loaded
	decided chan decision
	cancel  context.CancelFunc
	err     error // sticky: what ended the batches
}

// decision is how a run goes on from a step up to which its course was decided.
type decision struct {
	taken []int
	until int
}

type loaded struct {
	batch *TrainingBatch
	err   error
}

// NewCorpusLoader returns the batches of a corpus, shuffled anew in each epoch. They
// end after the given number of epochs, 0 = never. The last batch may be short. The
// corpus must not be added to until Close.
func NewCorpusLoader(c *Corpus, epochs int, recipe Recipe, opts LoaderOptions) (*Loader, error) {
	digest := c.Digest()
	if opts.From.Corpus != 0 && opts.From.Corpus != digest {
		return nil, fmt.Errorf("the corpus has changed since the checkpoint (digest %016x, now %016x); "+
			"resume with the documents and the held-out split it was made with", opts.From.Corpus, digest)
	}
	f, err := newCorpusFeed(c, recipe.Seed, epochs, opts.From)
	if err != nil {
		return nil, err
	}
	opts.From.Corpus = digest
	return newLoader(f, recipe, opts)
}

// NewStreamLoader returns the batches of a stream, in its order. The stream must
// start behind the marks of opts.From. A batch waits until it is full, or the
// stream ends.
func NewStreamLoader(s Stream, recipe Recipe, opts LoaderOptions) (*Loader, error) {
	return newLoader(streamFeed{s}, recipe, opts)
}

func newLoader(f feed, recipe Recipe, opts LoaderOptions) (*Loader, error) {
	if err := recipe.Validate(); err != nil {
		return nil, err
	}
	if opts.Prefetch < 0 {
		return nil, fmt.Errorf("prefetch is %d; it must not be negative", opts.Prefetch)
	}
	if opts.Prefetch == 0 {
		opts.Prefetch = DefaultPrefetch
	}
	if opts.From.Step < 0 {
		return nil, fmt.Errorf("the cursor's step is %d; it must not be negative", opts.From.Step)
	}
	if opts.Mem == nil {
		opts.Mem = memory.NewGoAllocator()
	}
	if opts.Until != 0 && opts.Until <= opts.From.Step {
		return nil, fmt.Errorf("the course is decided up to step %d; it must be behind the cursor's step, %d", opts.Until, opts.From.Step)
	}
	p, err := newPacker(opts.Mem, recipe, slices.Clone(opts.Taken), f, opts.From)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	// One batch more waits in prepare's hands.
	l := &Loader{
		step: opts.From.Step, until: opts.Until, cancel: cancel,
		ready: make(chan loaded, opts.Prefetch-1), decided: make(chan decision, 1),
	}
	go l.prepare(ctx, p, opts.Until)
	return l, nil
}

// prepare packs batches until the first error, then closes the queue. It stops at the
// step up to which the course is decided, and waits.
func (l *Loader) prepare(ctx context.Context, p *packer, until int) {
	defer close(l.ready)
	defer p.release()
	for {
		if p.cursor.Step == until && until != 0 {
			select {
			case d := <-l.decided:
				p.course.Taken, until = d.taken, d.until
			case <-ctx.Done():
				return
			}
		}
		batch, err := p.batch(ctx)
		select {
		case l.ready <- loaded{batch, err}:
		case <-ctx.Done():
			if batch != nil {
				batch.Release()
			}
			return
		}
		if err != nil {
			return
		}
	}
}

// Next returns the batch for a step, which the caller releases. Steps are asked for
// one after the other, from the cursor's on. io.EOF means that the documents are
// used up. When ctx ends, Next may be called again for the same step; any other
// error is final.
func (l *Loader) Next(ctx context.Context, step int) (*TrainingBatch, error) {
	if l.err != nil {
		return nil, l.err
	}
	if step != l.step {
		return nil, fmt.Errorf("the batch for step %d was asked for; step %d is next", step, l.step)
	}
	if step == l.until && l.until != 0 {
		return nil, fmt.Errorf("the batch for step %d was asked for; the course is decided up to there, Decide comes first", step)
	}
	select {
	case next := <-l.ready:
		if next.err != nil {
			l.err = next.err
			return nil, l.err
		}
		l.step++
		return next.batch, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Decide says how the run goes on from the step up to which its course was decided, which
// must be the next one: the stages that have ended, as in order.Course.Taken, and up to
// which later step that is all, 0 = to the end.
func (l *Loader) Decide(taken []int, until int) error {
	if l.until == 0 || l.step != l.until {
		return fmt.Errorf("decided at step %d; the course is decided up to step %d", l.step, l.until)
	}
	if until != 0 && until <= l.step {
		return fmt.Errorf("decided up to step %d; it must be behind step %d", until, l.step)
	}
	l.until = until
	l.decided <- decision{slices.Clone(taken), until} // prepare waits for it, or has ended: there is room for one
	return nil
}

// Close stops the preparation, waits for it and releases what was prefetched. It may
// be called twice.
func (l *Loader) Close() error {
	l.cancel()
	for next := range l.ready {
		if next.batch != nil {
			next.batch.Release()
		}
	}
	if l.err == nil {
		l.err = fmt.Errorf("the loader is closed")
	}
	return nil
}
