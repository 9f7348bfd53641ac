package pipeline

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/any-order/a3/pipeline/journal"
)

// Journal is what a run needs of a *journal.Journal.
type Journal interface {
	Find(journal.Key) (journal.Result, bool, error)
	Attempts(journal.Key) int
	Begin(journal.Key) error
	Pause(journal.Key) error
	Done(journal.Key, journal.Result) error
	Failed(journal.Key) error
}

// recall looks for what an earlier life of this worker knows of a record: its result, or
// that the record ended it too often.
func (r *runner) recall(item *Item) error {
	j := r.options.Journal
	if j == nil {
		return nil
	}
	item.key = journal.NewKey(r.options.Run, item.Delivery.IsText(), item.Delivery.Value)
	found, ok, err := j.Find(item.key)
	if err != nil {
		return err
	}
	if ok {
		item.Output = found.Output
		item.Note = Note{Tokens: found.Tokens, ModelCalls: found.ModelCalls, Recalled: true}
		return nil
	}
	if n := j.Attempts(item.key); r.options.MaxAttempts > 0 && n >= r.options.MaxAttempts {
		item.fail(stageAttempts, fmt.Errorf("%d workers died while they were at work on this record; it is not tried again", n))
	}
	return nil
}

// atWork does work on one record, which the journal knows of.
func (r *runner) atWork(item *Item, work func()) error {
	j := r.options.Journal
	if j == nil {
		work()
		return nil
	}
	if err := j.Begin(item.key); err != nil {
		return err
	}
	work()
	return j.Pause(item.key)
}

// compute runs the job on what was prepared. With a journal it hands the items over one by
// one, so that only those at work count when the process dies.
func (r *runner) compute(ctx context.Context) error {
	if r.options.Journal == nil {
		return r.job.Compute(ctx, r.work, func(item *Item) error {
			item.stage = StageCompute
			r.left(StageCompute, item)
			return send(ctx, r.done, item)
		})
	}
	work := make(chan *Item)
	var busy inFlight
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		return r.handOver(ctx, work, &busy)
	})
	g.Go(func() error {
		return r.job.Compute(ctx, work, func(item *Item) error {
			item.stage = StageCompute
			r.left(StageCompute, item)
			if err := r.note(item); err != nil {
				return err
			}
			busy.less()
			return send(ctx, r.done, item)
		})
	})
	return g.Wait()
}

// handOver passes items to the job. One that was at work when a process died goes alone.
func (r *runner) handOver(ctx context.Context, work chan<- *Item, busy *inFlight) error {
	for {
		item, ok := r.next(ctx)
		if !ok {
			return ctx.Err()
		}
		alone := r.options.Journal.Attempts(item.key) > 0
		if alone {
			if err := busy.none(ctx); err != nil {
				return err
			}
		}
		if err := r.options.Journal.Begin(item.key); err != nil {
			return err
		}
		busy.more()
		if err := send(ctx, work, item); err != nil {
			return err
		}
		if alone {
			if err := busy.none(ctx); err != nil {
				return err
			}
		}
	}
}

// next returns what was prepared next; false when there is no more, or ctx has ended.
func (r *runner) next(ctx context.Context) (*Item, bool) {
	select {
	case item, ok := <-r.work:
		return item, ok
	case <-ctx.Done():
		return nil, false
	}
}

// note writes what the job made of an item to the journal.
func (r *runner) note(item *Item) error {
	if item.Err != nil || item.Output == nil {
		return r.options.Journal.Failed(item.key)
	}
	return r.options.Journal.Done(item.key, journal.Result{Output: item.Output, Tokens: item.Note.Tokens, ModelCalls: item.Note.ModelCalls})
}

// inFlight counts the items that a job has.
type inFlight struct {
	mu    sync.Mutex
	n     int           // mu
	empty chan struct{} // mu: closed when n becomes 0; nil if nobody waits
}

func (f *inFlight) more() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *inFlight) less() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

// none waits until the job has nothing.
func (f *inFlight) none(ctx context.Context) error {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
