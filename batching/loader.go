package batching

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// LoaderOptions are the options of a loader that do not change its batches.
type LoaderOptions struct {
	Mem      memory.Allocator // of all batches; nil = Go's heap. It is used from two goroutines.
	Prefetch int              // batches held ready ahead of the trainer; 0 = DefaultPrefetch
	From     Cursor           // where to start: TrainingBatch.After of the last batch trained
}

// DefaultPrefetch keeps packing out of the trainer's way; more only costs memory.
const DefaultPrefetch = 2

// Loader hands out training batches step by step. One goroutine, which Close waits
// for, prepares them ahead in a bounded queue. Next and Close are for one goroutine.
type Loader struct {
	step   int // of the batch that Next gives
	ready  chan loaded
	cancel context.CancelFunc
	err    error // sticky: what ended the batches
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
	p, err := newPacker(opts.Mem, recipe, f, opts.From)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	// One batch more waits in prepare's hands.
	l := &Loader{step: opts.From.Step, ready: make(chan loaded, opts.Prefetch-1), cancel: cancel}
	go l.prepare(ctx, p)
	return l, nil
}

// prepare packs batches until the first error, then closes the queue.
func (l *Loader) prepare(ctx context.Context, p *packer) {
	defer close(l.ready)
	defer p.release()
	for {
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
