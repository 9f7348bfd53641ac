package rows

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/batching/ipcguard"
)

// Limits bound what one record may hold.
type Limits struct {
	Rows  int // documents
	Bytes int // of all of them as JSON
}

// DefaultLimits returns limits that a record of the size that brokers take does not reach.
func DefaultLimits() Limits { return Limits{Rows: 1 << 16, Bytes: 64 << 20} }

// Row is a document of a stream.
type Row struct {
	JSON []byte // one object, without a line break
	Err  error  // why there is none: the row alone is at fault
}

// Split returns the rows of an Arrow IPC stream. An error is about the stream as a whole.
func Split(value []byte, limits Limits) (rows []Row, err error) {
	schema, err := ipcguard.ReadSchema(bytes.NewReader(value))
	if err != nil {
		return nil, arrowError(err)
	}
	ledger := ipcguard.NewLedger(memory.NewGoAllocator())
	reader, err := ipcguard.NewReader(bytes.NewReader(value), schema, ledger)
	if err != nil {
		return nil, arrowError(err)
	}
	defer reader.Release()
	rows, err = readRows(reader, limits)
	if err != nil {
		return nil, arrowError(err)
	}
	return rows, nil
}

func arrowError(err error) error { return fmt.Errorf("not an Arrow IPC stream of documents: %w", err) }

func readRows(reader *ipc.Reader, limits Limits) (rows []Row, err error) {
	defer func() { // arrays may be shorter than they claim
		if p := recover(); p != nil {
			rows, err = nil, fmt.Errorf("batch of rows behind the first %d: %v", len(rows), p)
		}
	}()
	total := 0
	for reader.Next() {
		rec := reader.Record()
		if n := rec.NumRows(); n < 0 || n > int64(limits.Rows-len(rows)) {
			return nil, fmt.Errorf("more than %d rows; send smaller records", limits.Rows)
		}
		if rec.NumRows() > 0 && rec.NumCols() == 0 {
			return nil, errors.New("rows without columns; a document has at least text")
		}
		for i := range int(rec.NumRows()) {
			row := readRow(rec, i, encoder{limits.Bytes - total})
			if total += len(row.JSON); total > limits.Bytes || errors.Is(row.Err, errTooLong) {
				return nil, errTooLong
			}
			rows = append(rows, row)
		}
	}
	return rows, reader.Err()
}

// readRow makes the JSON record of a row.
func readRow(rec arrow.Record, i int, e encoder) Row {
	line := []byte{'{'}
	for c, field := range rec.Schema().Fields() {
		if c > 0 {
			line = append(line, ',')
		}
		var err error
		if line, err = e.column(line, field.Name, rec.Column(c), i); err != nil {
			return Row{Err: fmt.Errorf("column %s: %w", field.Name, err)}
		}
	}
	return Row{JSON: append(line, '}')}
}
