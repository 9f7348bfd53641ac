// Package connectors is the contract between the pipeline and the places that
// documents come from and go to. It imports the standard library alone;
// implementations are sibling packages (file, kafka, memory) that never import
// each other, and connectors/conntest is the suite that each of them passes.
package connectors

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Record is a document as a source delivered it: bytes, not yet parsed.
type Record struct {
	Origin  Origin
	Key     []byte    // nil if the source has no keys
	Value   []byte    // nil is a tombstone (Kafka), distinct from empty
	Headers []Header  // in the source's order
	Time    time.Time // zero if the source has no timestamps
}

// Header is one record header. Names may repeat.
type Header struct {
	Name  string
	Value []byte
}

// Origin names where a record stands in its source: enough to tell a user which
// record is meant, and to resume behind it.
type Origin struct {
	Stream    string // file path, "-" for stdin, topic
	Partition int32  // NoPartition where the stream has none
	Offset    int64  // of this record: line number from 1 for files, offset for Kafka
	Next      int64  // where reading goes on after this record: byte offset, or Offset+1
}

// NoPartition is the Origin.Partition of streams without partitions, such as files.
const NoPartition int32 = -1

// Delivery is a record together with the duty to settle it, exactly once.
type Delivery struct {
	Record
	// Err is set for a record that the source could not read whole (a line over the
	// limit, say); Value holds what there is. It belongs to the dead letters.
	Err error
	// Settle tells the source that the record is dealt with: its output is durable
	// (err nil), or it was handed to the dead letters (err nil too). A non-nil err
	// gives the record back: nothing at or behind it is acknowledged any more.
	// Settle may be called in any order and from any goroutine; the source
	// acknowledges only what is contiguous.
	Settle func(err error)
}

// Source delivers records.
//
// Rules for implementers: Read is called by one goroutine; it blocks until at least
// one record is there, ctx ends (it returns ctx's error) or the source is exhausted
// (io.EOF, for sources that end). It returns at most max records. Close acknowledges what has been
// settled contiguously, then releases everything; it may be called twice.
type Source interface {
	Read(ctx context.Context, max int) ([]Delivery, error)
	Close(ctx context.Context) error
}

// Sink takes finished records.
//
// Rules for implementers: Write is called by one goroutine, in the order in which
// records are to appear; when it returns nil the records are durable as far as the
// sink promises (flushed to the file, acknowledged by the broker). When it fails, an
// *ItemError may say which records failed. Close flushes; it may be called twice.
type Sink interface {
	Write(ctx context.Context, records []Record) error
	Close(ctx context.Context) error
}

// Resumer is a Sink that remembers, across restarts, up to where each source stream
// has been written, and has removed any torn or unaccounted tail. The pipeline asks
// it before the first Read and hands the answer to the source.
type Resumer interface {
	// Resume returns, per stream, the Origin.Next of the last durable record.
	Resume() (map[string]int64, error)
}

// Seeker is a Source that can start behind what has been done already.
type Seeker interface {
	// Seek makes reading of a stream begin at the given Origin.Next. It is called
	// before the first Read; streams not named begin at their start.
	Seek(next map[string]int64) error
}

// ItemError says which records of a batch failed.
type ItemError struct {
	Failed map[int]error // index into the batch -> reason
}

func (e *ItemError) Error() string {
	for i, err := range e.Failed {
		return "write of record " + strconv.Itoa(i) + " of the batch: " + err.Error()
	}
	return "write failed"
}

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("connector is closed")
