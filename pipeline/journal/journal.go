package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Key is what a result depends on, hashed.
type Key [sha256.Size]byte

// NewKey returns the key of a record's value under a run. run is the identity of all that
// the result depends on beside the record: model, configuration, strategy, seed. plain
// says that the value is text, not JSON.
func NewKey(run string, plain bool, value []byte) Key {
	h := sha256.New()
	head := binary.LittleEndian.AppendUint64(nil, uint64(len(run)))
	head = append(head, run...)
	if plain {
		head = append(head, 1)
	} else {
		head = append(head, 0)
	}
	h.Write(head)
	h.Write(value)
	return Key(h.Sum(nil))
}

// Result is what was computed of a record.
type Result struct {
	Output             []byte
	Tokens, ModelCalls int
}

// Options bound a journal.
type Options struct {
	// MaxBytes is what it takes on disk, about. It must hold the results that are not yet
	// delivered for them not to be computed again.
	MaxBytes int64
}

// DefaultOptions returns bounds that fit the default window with outputs of 64 KiB.
func DefaultOptions() Options { return Options{MaxBytes: 64 << 20} }

// Validate reports bounds that cannot be kept.
func (o Options) Validate() error {
	if o.MaxBytes < 1<<16 || o.MaxBytes > 1<<40 {
		return fmt.Errorf("journal of %d bytes: must be between 64 KiB and 1 TiB", o.MaxBytes)
	}
	return nil
}

const (
	segments    = 8       // files that share MaxBytes: the oldest goes as a whole
	maxFiles    = 64      // every start begins one, however little is in it
	maxSuspects = 1 << 16 // records with attempts; beyond that, something else kills
)

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	dir     string
	options Options
	lock    *os.File

	mu       sync.Mutex
	files    []*segment       // mu: oldest first; the last is appended to
	results  map[Key]location // mu
	attempts map[Key]int      // mu: processes that died at work on a record
	working  map[Key]int      // mu: begun and not ended, by this process
	closed   bool             // mu
}

type location struct {
	file   *segment
	offset int64 // of the payload
	length int
}

// ErrInUse is returned by Open when another process has the journal.
var ErrInUse = errors.New("the journal is in use by another process")

// Open opens the journal in a folder, which is made if need be. Records that a process
// before was at work on when it died have one attempt more.
func Open(dir string, o Options) (*Journal, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", dir, err)
	}
	j := &Journal{
		dir: dir, options: o, lock: lock,
		results: map[Key]location{}, attempts: map[Key]int{}, working: map[Key]int{},
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", dir, err), j.release())
	}
	return j, nil
}

// load reads the segments, and begins a new one with the attempts so far.
func (j *Journal) load() error {
	names, err := filepath.Glob(filepath.Join(j.dir, "*"+suffix))
	if err != nil {
		return err
	}
	number := 0
	for _, name := range names { // sorted
		if _, err := fmt.Sscanf(filepath.Base(name), nameFormat, &number); err != nil {
			return fmt.Errorf("%s is no segment: remove it", name)
		}
		s, err := openSegment(name, number, j.replay)
		if err != nil {
			return err
		}
		j.files = append(j.files, s)
	}
	for key, n := range j.working {
		if n > 0 {
			j.attempts[key]++
		}
	}
	clear(j.working)
	if len(j.attempts) > maxSuspects {
		clear(j.attempts)
	}
	if err := j.rotate(number + 1); err != nil {
		return err
	}
	return nil
}

// replay applies an entry of an earlier process.
func (j *Journal) replay(s *segment, kind byte, key Key, offset int64, payload []byte) {
	switch kind {
	case kindBegin:
		j.working[key]++
	case kindPause:
		delete(j.working, key)
	case kindResult, kindFailed:
		delete(j.working, key)
		delete(j.attempts, key)
		if kind == kindResult {
			j.results[key] = location{s, offset, len(payload)}
		}
	case kindAttempts:
		if len(payload) == 1 { // of what died before this segment was begun
			j.attempts[key] = int(payload[0])
			delete(j.working, key)
		}
	}
}

// rotate begins a new segment, and drops the oldest ones that are over the bound. The
// attempts are written anew: they must outlive their segments.
func (j *Journal) rotate(number int) error {
	s, err := createSegment(filepath.Join(j.dir, fmt.Sprintf(nameFormat, number)), number)
	if err != nil {
		return err
	}
	j.files = append(j.files, s)
	for key, n := range j.attempts {
		if _, err := s.append(kindAttempts, key, []byte{byte(min(n, 255))}); err != nil {
			return err
		}
	}
	for key, n := range j.working {
		for range n {
			if _, err := s.append(kindBegin, key, nil); err != nil {
				return err
			}
		}
	}
	total := int64(0)
	for _, f := range j.files {
		total += f.size
	}
	for len(j.files) > maxFiles || len(j.files) > 1 && total > j.options.MaxBytes {
		oldest := j.files[0]
		total -= oldest.size
		j.files = j.files[1:]
		for key, l := range j.results {
			if l.file == oldest {
				delete(j.results, key)
			}
		}
		if err := oldest.remove(); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the result of a record that was computed before; false if it is not there.
func (j *Journal) Find(key Key) (Result, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l, ok := j.results[key]
	if !ok || j.closed {
		return Result{}, false, nil
	}
	payload := make([]byte, l.length)
	if _, err := l.file.f.ReadAt(payload, l.offset); err != nil {
		return Result{}, false, fmt.Errorf("journal: read a result: %w", err)
	}
	return Result{
		Tokens:     int(binary.LittleEndian.Uint32(payload)),
		ModelCalls: int(binary.LittleEndian.Uint32(payload[4:])),
		Output:     payload[resultHead:],
	}, true, nil
}

const resultHead = 8 // bytes before the output

// Attempts returns how many processes have died at work on a record.
func (j *Journal) Attempts(key Key) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.attempts[key]
}

// Begin notes that work on a record begins. It ends with Pause, Done or Failed.
func (j *Journal) Begin(key Key) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.working[key]++
	return j.append(kindBegin, key, nil)
}

// Pause notes that nobody is at work on a record, and that nothing is decided.
func (j *Journal) Pause(key Key) error { return j.end(kindPause, key, nil) }

// Failed notes that work on a record has ended without a result.
func (j *Journal) Failed(key Key) error { return j.end(kindFailed, key, nil) }

// Done notes the result of a record.
func (j *Journal) Done(key Key, r Result) error {
	payload := make([]byte, 0, resultHead+len(r.Output))
	payload = binary.LittleEndian.AppendUint32(payload, uint32(r.Tokens))
	payload = binary.LittleEndian.AppendUint32(payload, uint32(r.ModelCalls))
	return j.end(kindResult, key, append(payload, r.Output...))
}

func (j *Journal) end(kind byte, key Key, payload []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.working[key]--; j.working[key] <= 0 {
		delete(j.working, key)
	}
	if kind != kindPause {
		delete(j.attempts, key)
	} else if j.working[key] > 0 {
		return nil // an equal record is still at work
	}
	return j.append(kind, key, payload)
}

// append writes an entry. The caller holds mu.
func (j *Journal) append(kind byte, key Key, payload []byte) error {
	if j.closed {
		return errors.New("journal: is closed")
	}
	last := j.files[len(j.files)-1]
	if last.size > j.options.MaxBytes/segments {
		if err := j.rotate(last.number + 1); err != nil {
			return fmt.Errorf("journal: begin a segment: %w", err)
		}
		last = j.files[len(j.files)-1]
	}
	offset, err := last.append(kind, key, payload)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if kind == kindResult {
		j.results[key] = location{last, offset, len(payload)}
	}
	return nil
}

// Close ends the journal in order: what is begun does not count as an attempt. It may be
// called twice.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	var err error
	for key := range j.working {
		err = errors.Join(err, j.append(kindPause, key, nil))
	}
	j.closed = true
	return errors.Join(err, j.release())
}

func (j *Journal) release() error {
	var err error
	for _, s := range j.files {
		err = errors.Join(err, s.f.Close())
	}
	return errors.Join(err, j.lock.Close())
}

// lockFile takes the lock of a journal for as long as the file is open.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fs.FileMode(0o644))
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(ErrInUse, f.Close())
	}
	return f, nil
}
