// Package connectors is the contract between the pipeline and the places that
// documents come from and go to. It imports the standard library alone;
// implementations are sibling packages (file, kafka, memory) that never import
// each other, and connectors/conntest is the suite that each of them passes.
//
// DESIGN.md beside this file tells the life of a record and how a new connector
// is added.
package connectors

import (
	"context"
	"errors"
	"time"
)

// Record is a document as a source delivered it: bytes, not yet parsed. Neither
// side changes the bytes of a record after handing it over.
type Record struct {
	Origin  Origin
	Key     []byte    // nil if the source has no keys
	Value   []byte    // nil is a tombstone (Kafka), distinct from empty
	Headers []Header  // in the source's order
	Time    time.Time // zero if the source has no timestamps
}

// Header is one record header. Names may repeat; a nil Value is distinct from an
// empty one.
type Header struct {
	Name  string
	Value []byte
}

// A source that knows what a record's bytes are says so in this header; a record
// without it is one JSON value.
const (
	HeaderContentType = "content-type"
	ContentTypeText   = "text/plain"                          // the whole value is the text of one document
	ContentTypeArrow  = "application/vnd.apache.arrow.stream" // an Arrow IPC stream: its rows are documents
)

// Delivery is a record together with the duty to settle it, exactly once.
type Delivery struct {
	Record
	// Err is set for a record that the source could not read whole (a line over the
	// limit, say); Value holds what there is. It belongs to the dead letters.
	Err error
	// Settle tells the source that the record is dealt with: its output is durable
	// (err nil), or it was handed to the dead letters (err nil too). A non-nil err
	// gives the record back: nothing at or behind it is acknowledged any more, and
	// it comes again from the next source that resumes the stream.
	// Settle never blocks on the outside world, may be called in any order and from
	// any goroutine; the source acknowledges only what is contiguous. The first
	// call counts. After Close it does nothing.
	Settle func(err error)
	// Current reports whether the record is still this worker's: false once its stream
	// was taken away, and another worker does it again. Then Settle does nothing, and
	// what became of the record need not be written. nil means always.
	Current func() bool
}

// Taken reports whether the record was taken from this worker.
func (d *Delivery) Taken() bool { return d.Current != nil && !d.Current() }

// Source delivers records.
//
// Rules for implementers, each checked by conntest:
//   - Read is called by one goroutine. It blocks until at least one record is
//     there and returns at least one and at most max records (max >= 1), in the
//     order of their stream; or no record and an error: ctx's when that ended,
//     io.EOF when the source is exhausted (again at every later call), ErrClosed
//     after Close. A Read that was cancelled has lost nothing: the next one goes on.
//   - What Read took and nobody settled stays unacknowledged, whatever happens.
//   - Close acknowledges what has been settled contiguously, then releases
//     everything; ctx bounds the acknowledgement. It may be called twice, and
//     while a Read blocks.
type Source interface {
	Read(ctx context.Context, max int) ([]Delivery, error)
	Close(ctx context.Context) error
}

// Sink takes finished records.
//
// Rules for implementers, each checked by conntest:
//   - Write is called by one goroutine, in the order in which records are to
//     appear; an empty batch is fine. When it returns nil the records are durable
//     as far as the sink promises (flushed to the file, acknowledged by the broker).
//   - When it fails with an *ItemError, the records that it does not name are
//     durable and those that it names are not. After any other error nothing is
//     known about the batch; the caller gives its records back.
//   - Close flushes; it may be called twice. Write after Close returns ErrClosed.
//
// A record written keeps the Origin of the input that it was made from. Where one
// input yields several outputs they stand in one Write, because a Resumer counts
// the input as done with the first.
type Sink interface {
	Write(ctx context.Context, records []Record) error
	Close(ctx context.Context) error
}

// Advancer is a Sink that also wants to know of inputs that are done without any
// output: those that went to the dead letters, and dropped tombstones. Without it
// such an input would be done again after a restart when nothing is written
// behind it, the last of a file above all.
type Advancer interface {
	// Advance makes "done up to here" durable for the stream of each origin. It is
	// called by the goroutine that calls Write, when everything before these
	// origins in their streams has been written or advanced over.
	Advance(ctx context.Context, done []Origin) error
}

// Resumer is a Sink that remembers, across restarts, up to where each source stream
// has been written, and has removed any torn or unaccounted tail. The pipeline asks
// it before the first Read and hands the answer to the source.
type Resumer interface {
	// Resume returns the last durable Origin of each stream and partition, as the
	// records of Write and Advance carried it; nothing for a fresh output.
	Resume() ([]Origin, error)
}

// Seeker is a Source that can start behind what has been done already. Sources
// whose broker remembers the position (Kafka) do not implement it.
type Seeker interface {
	// Seek makes reading of each origin's stream begin at its Next. It is called
	// before the first Read; streams not named begin at their start. A position
	// that does not fit the input (unknown stream, input shrank, other content by
	// Origin.Mark) is an error that names the stream.
	Seek(done []Origin) error
}

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("connector is closed")

// ErrRejected is wrapped by the error of a record that is itself at fault (too
// large, say): trying again is no use, it belongs to the dead letters.
var ErrRejected = errors.New("record rejected")
