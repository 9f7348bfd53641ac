package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

const (
	suffix     = ".a3-journal"
	nameFormat = "%08d" + suffix
	magic      = "a3jrnl1\n"

	kindBegin    = 'B'
	kindPause    = 'P'
	kindResult   = 'R'
	kindFailed   = 'F'
	kindAttempts = 'A'

	entryHead  = 4 + 4 + 1 + len(Key{}) // checksum, length, kind, key
	maxPayload = 1 << 30                // of an entry; more is damage
)

// segment is one file of a journal.
type segment struct {
	f      *os.File
	number int
	size   int64
}

func createSegment(path string, number int) (*segment, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteString(magic); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{f: f, number: number, size: int64(len(magic))}, nil
}

// openSegment reads a segment to its end, or to the first entry that is not whole.
func openSegment(path string, number int, entry func(s *segment, kind byte, key Key, offset int64, payload []byte)) (*segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s := &segment{f: f, number: number, size: info.Size()}
	err = readEntries(io.NewSectionReader(f, 0, s.size), s.size, func(kind byte, key Key, offset int64, payload []byte) {
		entry(s, kind, key, offset, payload)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return s, nil
}

// readEntries calls entry for each whole entry of a segment of so many bytes. The payload
// is valid until entry returns. A file of another kind is an error; damage is the end.
func readEntries(r io.Reader, size int64, entry func(kind byte, key Key, offset int64, payload []byte)) error {
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(r, start); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // the process died as it made the file
		}
		return err
	}
	if string(start) != magic {
		return errors.New("is no segment of a journal, or one of another version: remove it")
	}
	var payload []byte
	for at := int64(len(magic)); ; {
		var head [entryHead]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return ended(err)
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		kind, key := head[8], Key(head[9:])
		at += int64(len(head))
		if length > maxPayload || length > size-at || kind == kindResult && length < resultHead {
			return nil
		}
		if int64(cap(payload)) < length {
			payload = make([]byte, length)
		}
		payload = payload[:length]
		if _, err := io.ReadFull(r, payload); err != nil {
			return ended(err)
		}
		if crc32.Update(checksum(head[4:]), castagnoli(), payload) != binary.LittleEndian.Uint32(head[:]) {
			return nil
		}
		entry(kind, key, at, payload)
		at += length
	}
}

// ended forgives that a file ends, in the middle of an entry too.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// append writes an entry, in one call, and returns where its payload stands.
func (s *segment) append(kind byte, key Key, payload []byte) (offset int64, err error) {
	if len(payload) > maxPayload {
		return 0, fmt.Errorf("an entry of %d bytes is over %d", len(payload), maxPayload)
	}
	entry := make([]byte, 4, entryHead+len(payload))
	entry = binary.LittleEndian.AppendUint32(entry, uint32(len(payload)))
	entry = append(entry, kind)
	entry = append(entry, key[:]...)
	entry = append(entry, payload...)
	binary.LittleEndian.PutUint32(entry, checksum(entry[4:]))
	if _, err := s.f.WriteAt(entry, s.size); err != nil {
		return 0, err
	}
	offset = s.size + int64(entryHead)
	s.size += int64(len(entry))
	return offset, nil
}

func (s *segment) remove() error {
	return errors.Join(s.f.Close(), os.Remove(s.f.Name()))
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once, by the library

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }
