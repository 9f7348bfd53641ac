package batching

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/batching/ipcguard"
)

// Replay gives the batches of a recording back, as a Loader would. It is for one
// goroutine.
type Replay struct {
	dir    string
	mem    memory.Allocator
	firsts []int // first steps of the files, ascending
	open   *recordingReader
	file   *os.File
}

// OpenReplay opens a recording. mem nil means Go's heap.
func OpenReplay(dir string, mem memory.Allocator) (*Replay, error) {
	if mem == nil {
		mem = memory.NewGoAllocator()
	}
	firsts, err := recordingFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if len(firsts) == 0 {
		return nil, fmt.Errorf("replay: %s holds no recorded batches (%s...%s)", dir, recordingPrefix, recordingSuffix)
	}
	return &Replay{dir: dir, mem: mem, firsts: firsts}, nil
}

// First returns the first step of the recording.
func (r *Replay) First() int { return r.firsts[0] }

// Next returns the batch of a step, which the caller releases. Any step may be asked
// for; one after the other is fast. io.EOF means that the recording ends before it.
// Where two files hold a step, the one that begins later wins: a run that resumed in
// the middle of a file wrote it again.
func (r *Replay) Next(ctx context.Context, step int) (*TrainingBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	i := sort.SearchInts(r.firsts, step+1) - 1
	if i < 0 {
		return nil, fmt.Errorf("replay: step %d is before the recording's first, %d", step, r.firsts[0])
	}
	batch, err := r.from(r.firsts[i], step)
	switch {
	case err == io.EOF && i+1 < len(r.firsts):
		return nil, fmt.Errorf("replay: steps %d to %d are missing in %s", step, r.firsts[i+1]-1, r.dir)
	case err == io.EOF:
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("replay: %s: %w", filepath.Join(r.dir, recordingName(r.firsts[i])), err)
	}
	return batch, nil
}

// from returns the batch of a step out of the file that begins at first, or io.EOF.
func (r *Replay) from(first, step int) (*TrainingBatch, error) {
	if r.open == nil || r.open.footer.First != first || r.open.step > step {
		if err := r.openFile(first); err != nil {
			return nil, err
		}
	}
	for r.open.step < step {
		skipped, err := r.open.next()
		if err != nil {
			return nil, err
		}
		skipped.Release()
	}
	return r.open.next()
}

func (r *Replay) openFile(first int) error {
	if err := r.Close(); err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(r.dir, recordingName(first)))
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		r.open, err = openRecording(file, info.Size(), r.mem)
	}
	if err == nil && r.open.footer.First != first {
		err = fmt.Errorf("it begins with step %d; the file was renamed", r.open.footer.First)
	}
	r.file = file
	if err != nil {
		r.Close()
	}
	return err
}

// Close closes the recording. Batches given out stay valid. It may be called twice.
func (r *Replay) Close() error {
	if r.open != nil {
		r.open.close()
		r.open = nil
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// recordingReader reads the batches of one file of a recording.
type recordingReader struct {
	footer footer
	schema *arrow.Schema // of the batches given out: this version's
	ledger *ipcguard.Ledger
	arrow  *ipc.Reader
	step   int // of the next batch
	err    error
}

// openRecording verifies a file and reads its footer.
func openRecording(r io.ReaderAt, size int64, mem memory.Allocator) (*recordingReader, error) {
	foot, stream, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	schema, err := TrainingSchema(foot.Recipe)
	if err != nil {
		return nil, err
	}
	l := ipcguard.NewLedger(mem)
	reader, err := ipcguard.NewReader(io.NewSectionReader(r, 0, stream), writtenAs(schema, foot.Version), l)
	if err != nil {
		return nil, err
	}
	return &recordingReader{footer: foot, schema: schema, ledger: l, arrow: reader, step: foot.First}, nil
}

// next returns the next batch, or io.EOF behind the last. Errors are final.
func (r *recordingReader) next() (*TrainingBatch, error) {
	if r.err != nil {
		return nil, r.err
	}
	batch, err := r.read()
	if err != nil {
		r.err = err
		return nil, err
	}
	r.step++
	return batch, nil
}

func (r *recordingReader) read() (batch *TrainingBatch, err error) {
	defer func() {
		// Arrays of a damaged message may be shorter than they claim.
		if p := recover(); p != nil {
			err = fmt.Errorf("batch of step %d: %v", r.step, p)
		}
		if err != nil && err != io.EOF {
			r.close()
			r.ledger.Abandon()
		}
	}()
	more := r.arrow.Next()
	switch behind := r.step == r.footer.First+r.footer.Count; {
	case r.arrow.Err() != nil:
		return nil, fmt.Errorf("batch of step %d: %w", r.step, r.arrow.Err())
	case more && behind:
		return nil, fmt.Errorf("more than the %d batches that the footer tells of", r.footer.Count)
	case behind:
		return nil, io.EOF
	case !more:
		return nil, errors.New("fewer batches than the footer tells of")
	}
	batch, err = newTrainingBatch(upgrade(r.arrow.Record(), r.schema, r.ledger), r.schema, r.footer.Recipe)
	if err != nil {
		return nil, fmt.Errorf("batch of step %d: %w", r.step, err)
	}
	if batch.Step() != r.step {
		got := batch.Step()
		batch.Release()
		return nil, fmt.Errorf("batch of step %d where step %d should be", got, r.step)
	}
	return batch, nil
}

func (r *recordingReader) close() {
	if r.arrow != nil {
		r.arrow.Release()
		r.arrow = nil
	}
}
