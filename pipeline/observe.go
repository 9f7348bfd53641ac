package pipeline

import (
	"time"

	"github.com/any-order/a3/connectors"
)

// Stage is a part of the pipeline, by its name in metrics.
type Stage string

// The stages, in the order in which a record meets them.
const (
	StageRead        Stage = "read"    // a failure: the source could not read it whole
	StagePrepare     Stage = "prepare" // a failure: it is no valid record
	StageCompute     Stage = "compute" // a failure of the engine, or a strategy
	StageWrite       Stage = "write"   // a failure: the output did not take the result
	StageDeadLetters Stage = "dead_letters"
)

// Fate is what became of a document, by its name in metrics. Each document has one.
type Fate string

// The fates.
const (
	FateWritten   Fate = "written"   // computed, and its result is out
	FateRecalled  Fate = "recalled"  // its result, which is out, was found in the journal
	FateUnchanged Fate = "unchanged" // nothing was to be done: it is out as it was
	FateFailed    Fate = "failed"    // it is in the dead letters
	FateDropped   Fate = "dropped"   // a tombstone without a key, or a record without rows
	FateTaken     Fate = "taken"     // its partition went to another worker, which does it
)

// fate is what became of an item that was delivered.
func (i *Item) fate() Fate {
	switch {
	case !i.settled:
		return FateTaken
	case i.Err != nil:
		return FateFailed
	case i.Note.Dropped:
		return FateDropped
	case i.Note.Recalled:
		return FateRecalled
	case i.Note.Unchanged:
		return FateUnchanged
	}
	return FateWritten
}

// Observer is told what passes through the stages, for metrics. It is called by several
// goroutines, in the middle of their work: it must not block.
type Observer interface {
	// Entered is told of n records that entered a stage.
	Entered(stage Stage, n int)
	// Left is told of records that left a stage: passed on, failed in it, or dropped.
	// took is how long they were in it, or how long the call was that dealt with them.
	Left(stage Stage, out, failed, dropped int, took time.Duration)
	// Done is told of each document in the end: what became of it, and what the job counted
	// for it. One that was taken counts where it is done again.
	Done(Fate, Note)
}

// unobserved is the Observer of a run that has none.
type unobserved struct{}

func (unobserved) Entered(Stage, int)                       {}
func (unobserved) Left(Stage, int, int, int, time.Duration) {}
func (unobserved) Done(Fate, Note)                          {}

func (r *runner) observeRead(batch []connectors.Delivery, took time.Duration) {
	if len(batch) == 0 {
		return
	}
	failed := 0
	for i := range batch {
		if batch[i].Err != nil {
			failed++
		}
	}
	r.options.Observer.Entered(StageRead, len(batch))
	r.options.Observer.Left(StageRead, len(batch)-failed, failed, 0, took)
}

// enter notes that an item enters a stage.
func (r *runner) enter(stage Stage, item *Item) {
	item.entered = time.Now()
	r.options.Observer.Entered(stage, 1)
}

// left notes that an item leaves the stage that it entered last.
func (r *runner) left(stage Stage, item *Item) {
	out, failed, dropped := 1, 0, 0
	switch {
	case item.Err != nil:
		out, failed = 0, 1
	case item.Note.Dropped:
		out, dropped = 0, 1
	}
	r.options.Observer.Left(stage, out, failed, dropped, time.Since(item.entered))
}

// observeDelivery notes what became of items in a call that made them durable.
func (r *runner) observeDelivery(batch []*Item, took time.Duration) {
	var written, failed, taken, letters int
	for _, item := range batch {
		r.options.Observer.Done(item.fate(), item.Note)
		switch {
		case !item.settled:
			taken++
		case item.Err != nil:
			letters++
			if item.stage == StageWrite {
				failed++
			}
		case item.written():
			written++
		}
	}
	if n := written + failed + taken; n > 0 {
		r.options.Observer.Entered(StageWrite, n)
		r.options.Observer.Left(StageWrite, written, failed, taken, took)
	}
	if letters > 0 {
		r.options.Observer.Entered(StageDeadLetters, letters)
		r.options.Observer.Left(StageDeadLetters, letters, 0, 0, took)
	}
}
