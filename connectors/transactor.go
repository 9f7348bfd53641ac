package connectors

import "context"

// Outcome is what became of one delivery: an output, a dead letter, or neither (the
// input is done without a trace).
type Outcome struct {
	Delivery       *Delivery
	Output, Letter *Record // nil for none
}

// Transactor takes the place of the sinks where results, dead letters and the
// acknowledgement of their inputs become durable in one step: all of them or none,
// whatever crashes. So every input comes out exactly once.
//
// Rules for implementers:
//   - Transact is called by one goroutine, with outcomes in the order in which their
//     deliveries were read, each once; the rows of one record (Origin.Row) stand in one
//     call, because their record is acknowledged with them. It leaves out deliveries that were taken from
//     this worker: their new owner does them. When it returns nil, all others are
//     durable, and it has settled their deliveries.
//   - When it fails with an *ItemError, nothing of the call has happened; the outcomes
//     that it names are themselves at fault (ErrRejected). The caller mends those and
//     calls again.
//   - It repeats what passes by itself. After any other error the run is over: what is
//     not acknowledged comes again.
//   - Close may be called twice; Transact after Close returns ErrClosed.
type Transactor interface {
	Transact(ctx context.Context, outcomes []Outcome) error
	Close(ctx context.Context) error
}
