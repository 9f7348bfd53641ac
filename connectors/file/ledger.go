package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/any-order/a3/connectors"
)

// LedgerSuffix is added to the output's path to name its ledger.
const LedgerSuffix = ".a3-ledger"

// The format, described in connectors/DESIGN.md: lines of "CRC JSON\n", the first a
// ledgerHead, the others ledgerEntry. CRC is CRC-32C of the JSON in 8 hex digits.
const (
	ledgerVersion  = 1
	maxLedgerBytes = 1 << 30
	compactBytes   = 1 << 20 // a ledger is not rewritten before it has this size
)

type ledgerHead struct {
	Version     int    `json:"a3_ledger"`
	Run         string `json:"run"`
	Compression string `json:"compression"`
}

// ledgerEntry says: the output's first Size bytes hold everything made from the
// inputs up to At. Streams that did not move are left out.
type ledgerEntry struct {
	Size int64      `json:"size"`
	At   []position `json:"at,omitempty"`
}

type position struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Next      int64  `json:"next"`
	Mark      string `json:"mark,omitempty"`
}

// ledgerState is what the lines of a ledger add up to.
type ledgerState struct {
	head ledgerHead
	size int64 // of the output
	done map[streamKey]connectors.Origin
	keys []streamKey // of done, in the order of their first appearance
}

type streamKey struct {
	stream    string
	partition int32
}

func newLedgerState(head ledgerHead) *ledgerState {
	return &ledgerState{head: head, done: map[streamKey]connectors.Origin{}}
}

// move notes a position unless the stream is further already, and reports whether it
// was noted.
func (s *ledgerState) move(o connectors.Origin) bool {
	k := streamKey{o.Stream, o.Partition}
	old, known := s.done[k]
	if known && o.Next <= old.Next {
		return false
	}
	if !known {
		s.keys = append(s.keys, k)
	}
	o.Row = 0 // the rows of a record stand in one write: it is done
	s.done[k] = o
	return true
}

// origins lists all positions.
func (s *ledgerState) origins() []connectors.Origin {
	out := make([]connectors.Origin, 0, len(s.keys))
	for _, k := range s.keys {
		out = append(out, s.done[k])
	}
	return out
}

// entry makes the entry for an output of size bytes and the given positions.
func entry(size int64, at []connectors.Origin) ledgerEntry {
	e := ledgerEntry{Size: size, At: make([]position, len(at))}
	for i, o := range at {
		e.At[i] = position{o.Stream, o.Partition, o.Offset, o.Next, o.Mark}
	}
	return e
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendLine encodes one line of a ledger.
func appendLine(to []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	to = fmt.Appendf(to, "%08x ", crc32.Checksum(text, castagnoli))
	return append(append(to, text...), '\n'), nil
}

// parseLedger adds up a whole ledger. A last line that was torn by a crash is left
// out; anything else that is wrong is an error.
func parseLedger(data []byte) (*ledgerState, error) {
	var state *ledgerState
	for number := 1; len(data) > 0; number++ {
		text, rest, _ := bytes.Cut(data, []byte("\n"))
		next, err := decodeLine(text, state)
		if err != nil && state != nil && len(rest) == 0 {
			return state, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		state, data = next, rest
	}
	if state == nil {
		return nil, errors.New("it is empty")
	}
	return state, nil
}

// decodeLine applies one line to the state, or makes the state from the first one. It
// changes the state only when the line is good.
func decodeLine(line []byte, state *ledgerState) (*ledgerState, error) {
	if len(line) < 10 || line[8] != ' ' {
		return nil, errors.New("no checksum")
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	text := line[9:]
	if err != nil || uint32(sum) != crc32.Checksum(text, castagnoli) {
		return nil, errors.New("the checksum does not match")
	}
	if state == nil {
		var head ledgerHead
		if err := json.Unmarshal(text, &head); err != nil {
			return nil, err
		}
		if head.Version != ledgerVersion {
			return nil, fmt.Errorf("version %d is not known, only %d", head.Version, ledgerVersion)
		}
		return newLedgerState(head), nil
	}
	var e ledgerEntry
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	if e.Size < state.size {
		return nil, fmt.Errorf("size %d after %d", e.Size, state.size)
	}
	state.size = e.Size
	for _, p := range e.At {
		state.move(connectors.Origin{Stream: p.Stream, Partition: p.Partition, Offset: p.Offset, Next: p.Next, Mark: p.Mark})
	}
	return state, nil
}

// ledger is an open ledger file. The goroutine that writes the output owns it.
type ledger struct {
	path    string
	file    *os.File
	state   *ledgerState
	length  int64 // bytes of the file
	rewrite int64 // length at which the file is written anew, shorter
	sync    bool
}

// createLedger puts a fresh ledger, or a shorter form of an old one, in place
// atomically.
func createLedger(path string, state *ledgerState, sync bool) (*ledger, error) {
	content, err := appendLine(nil, state.head)
	if err == nil {
		content, err = appendLine(content, entry(state.size, state.origins()))
	}
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	f, err := replaceFile(path, content)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	length := int64(len(content))
	return &ledger{path: path, file: f, state: state, length: length, rewrite: max(compactBytes, 4*length), sync: sync}, nil
}

// readLedger reads the ledger at path; the state is nil if there is none.
func readLedger(path string) (*ledgerState, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if info.Size() > maxLedgerBytes {
		return nil, fmt.Errorf("ledger %s has %d bytes, more than %d: %w", path, info.Size(), maxLedgerBytes, ErrRefused)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	state, err := parseLedger(data)
	if err != nil {
		return nil, fmt.Errorf("ledger %s is damaged (%w): %w; start over with the overwrite option", path, err, ErrRefused)
	}
	return state, nil
}

// line encodes "size bytes of output hold everything up to these origins".
func (l *ledger) line(size int64, done []connectors.Origin) ([]byte, error) {
	for _, o := range done {
		if !utf8.ValidString(o.Stream) || !utf8.ValidString(o.Mark) {
			return nil, fmt.Errorf("ledger %s: stream %q is not UTF-8", l.path, o.Stream)
		}
	}
	line, err := appendLine(nil, entry(size, done))
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", l.path, err)
	}
	return line, nil
}

// add appends what line made of the same size and origins.
func (l *ledger) add(line []byte, size int64, done []connectors.Origin) error {
	if _, err := l.file.Write(line); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if l.sync {
		if err := l.file.Sync(); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	l.length += int64(len(line))
	l.state.size = size
	for _, o := range done {
		l.state.move(o)
	}
	if l.length < l.rewrite {
		return nil
	}
	shorter, err := createLedger(l.path, l.state, l.sync)
	if err != nil {
		return err
	}
	old := l.file
	*l = *shorter
	return old.Close()
}

// replaceFile writes content beside path, flushes it, renames it over path, and
// returns it open for appending. The lock on the output keeps others away.
func replaceFile(path string, content []byte) (_ *os.File, err error) {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return f, nil
}

// syncDir makes names in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
