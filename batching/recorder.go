package batching

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// RecorderOptions are the options of a Recorder.
type RecorderOptions struct {
	Mem     memory.Allocator // nil = Go's heap
	PerFile int              // batches a file; 0 = DefaultPerFile
	From    int              // the first step to be recorded: the checkpoint's, when resuming
}

// DefaultPerFile bounds what a crash can lose of a recording that is never flushed.
const DefaultPerFile = 64

// Recorder writes training batches to files of a directory. A file appears whole, by
// a rename, when it is full or flushed. It is for one goroutine.
type Recorder struct {
	dir    string
	opts   RecorderOptions
	recipe Recipe
	step   int // of the next batch
	open   *recordingFile
	err    error // sticky
	closed bool
}

// recordingFile is the file being written, under its temporary name.
type recordingFile struct {
	file   *os.File
	buffer *bufio.Writer
	sum    hash.Hash32
	arrow  *ipc.Writer
	first  int
	count  int
}

// NewRecorder opens a recording of batches of the recipe, and makes the directory.
//
// A recording is a log. Resuming one at step From > 0 cuts it there: files that begin
// at From or later are of a run that was given up and are removed. With From 0, a
// directory that holds batches already is an error.
func NewRecorder(dir string, recipe Recipe, opts RecorderOptions) (*Recorder, error) {
	if err := recipe.Validate(); err != nil {
		return nil, err
	}
	if opts.PerFile < 0 || opts.From < 0 {
		return nil, fmt.Errorf("recording: %d batches a file, from step %d; neither may be negative", opts.PerFile, opts.From)
	}
	if opts.PerFile == 0 {
		opts.PerFile = DefaultPerFile
	}
	if opts.Mem == nil {
		opts.Mem = memory.NewGoAllocator()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	firsts, err := recordingFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	if opts.From == 0 && len(firsts) > 0 {
		return nil, fmt.Errorf("recording: %s holds the batches of another run, or of this one before its first checkpoint; remove them, or name another directory", dir)
	}
	if err := cutRecording(dir, firsts, opts.From); err != nil {
		return nil, fmt.Errorf("recording: cut at step %d: %w", opts.From, err)
	}
	return &Recorder{dir: dir, opts: opts, recipe: recipe, step: opts.From}, nil
}

// cutRecording removes the files that begin at step from or later, latest first, and
// what a crash left half written.
func cutRecording(dir string, firsts []int, from int) error {
	for _, first := range slices.Backward(firsts) {
		if first < from {
			break
		}
		if err := os.Remove(filepath.Join(dir, recordingName(first))); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), recordingPrefix) && strings.HasSuffix(e.Name(), recordingSuffix+temporarySuffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return syncDir(dir)
}

// Write records the batch of the next step. The batch stays the caller's. After an
// error the recorder is done.
func (r *Recorder) Write(b *TrainingBatch) error {
	if r.err == nil {
		r.err = r.write(b)
	}
	return r.err
}

func (r *Recorder) write(b *TrainingBatch) error {
	if b.Step() != r.step {
		return fmt.Errorf("recording: batch of step %d; step %d is next", b.Step(), r.step)
	}
	if r.open == nil {
		if err := r.create(); err != nil {
			return fmt.Errorf("recording: %w", err)
		}
	}
	if err := r.open.arrow.Write(b.Record()); err != nil {
		return fmt.Errorf("recording: write the batch of step %d: %w", r.step, err)
	}
	r.step++
	r.open.count++
	if r.open.count == r.opts.PerFile {
		return r.finish()
	}
	return nil
}

func (r *Recorder) create() error {
	schema, err := TrainingSchema(r.recipe)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(r.dir, recordingName(r.step)+temporarySuffix))
	if err != nil {
		return err
	}
	f := &recordingFile{file: file, buffer: bufio.NewWriterSize(file, 1<<16), sum: crc32.New(castagnoli()), first: r.step}
	f.arrow = ipc.NewWriter(io.MultiWriter(f.buffer, f.sum), ipc.WithSchema(schema), ipc.WithAllocator(r.opts.Mem))
	r.open = f
	return nil
}

// finish makes the open file durable under its name.
func (r *Recorder) finish() error {
	f := r.open
	r.open = nil
	if err := f.seal(r.recipe); err != nil {
		return fmt.Errorf("recording: finish %s: %w", f.file.Name(), err)
	}
	if err := os.Rename(f.file.Name(), filepath.Join(r.dir, recordingName(f.first))); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if err := syncDir(r.dir); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// seal writes all that follows the batches, and closes the file in any case.
func (f *recordingFile) seal(recipe Recipe) (err error) {
	defer func() {
		if closed := f.file.Close(); err == nil {
			err = closed
		}
	}()
	if err := f.arrow.Close(); err != nil {
		return err
	}
	foot := footer{Schema: "training", Version: version, First: f.first, Count: f.count, Recipe: recipe}
	if err := foot.appendTail(f.buffer, f.sum.Sum32()); err != nil {
		return err
	}
	if err := f.buffer.Flush(); err != nil {
		return err
	}
	return f.file.Sync()
}

// Flush makes all batches written so far durable. Call it at every checkpoint: the
// recording then reaches as far as the checkpoint.
func (r *Recorder) Flush() error {
	if r.err == nil && r.open != nil {
		r.err = r.finish()
	}
	return r.err
}

// Close flushes. It may be called twice; nothing can be written behind it. What was
// being written when an error struck is not kept.
func (r *Recorder) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.Flush()
	if r.open != nil {
		err = errors.Join(err, r.open.discard())
		r.open = nil
	}
	r.err = errors.New("recording: it is closed")
	return err
}

// discard gives up a file that is not whole.
func (f *recordingFile) discard() error {
	f.arrow.Close() // for its memory; the bytes are not kept
	f.file.Close()
	return os.Remove(f.file.Name())
}
