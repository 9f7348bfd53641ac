package file

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/any-order/a3/connectors"
)

// item is one record, with the reason when it could not be read whole.
type item struct {
	rec connectors.Record
	err error
}

// stream reads the records of one open input. One goroutine uses it at a time.
type stream struct {
	name   string
	format Format // never FormatAuto
	limit  int    // bytes a record
	r      *bufio.Reader
	plain  *os.File // the file behind r when it is regular and not compressed, else nil
	packed bool
	end    func() // releases the decoder; may be nil

	offset int64  // plain bytes read so far
	line   int64  // lines read so far
	last   byte   // the last of the plain bytes read
	mark   string // recognises the input by its first record; "" before that
}

const bufferBytes = 64 << 10

// newStream starts reading raw. file is raw's regular file, nil for a pipe.
func newStream(name string, o SourceOptions, raw io.Reader, file *os.File) (*stream, error) {
	buffered := bufio.NewReaderSize(raw, bufferBytes)
	plain, packed, end, err := decompress(name, buffered)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	s := &stream{name: name, format: o.Format.of(name), limit: o.MaxRecordBytes, r: buffered, packed: packed, end: end}
	if packed {
		s.r = bufio.NewReaderSize(plain, bufferBytes)
	} else {
		s.plain = file
	}
	return s, nil
}

// next returns the next record, or io.EOF.
func (s *stream) next() (item, error) {
	if s.format == FormatText {
		return s.document()
	}
	if s.offset == 0 {
		s.skipByteOrderMark()
	}
	for {
		line, n, last, long, err := readLine(s.r, s.limit)
		s.offset += n
		if err == io.EOF {
			return item{}, err
		}
		if err != nil {
			return item{}, fmt.Errorf("read %s, line %d: %w", s.name, s.line+1, err)
		}
		s.line++
		s.last = last
		if !long && isBlank(line) {
			continue
		}
		it := s.item(line)
		if long {
			it.err = fmt.Errorf("%w: the line is longer than %d bytes: split it, or raise the limit of a record", connectors.ErrRejected, s.limit)
		}
		return it, nil
	}
}

// skipByteOrderMark drops the three bytes that some editors put before the first
// line; no JSON reader takes them.
func (s *stream) skipByteOrderMark() {
	if head, _ := s.r.Peek(3); string(head) == "\xef\xbb\xbf" {
		n, _ := s.r.Discard(3)
		s.offset += int64(n)
	}
}

// document returns the whole input as one record, the first time; empty ones are
// skipped.
func (s *stream) document() (item, error) {
	if s.offset > 0 {
		return item{}, io.EOF
	}
	data, n, long, err := readWhole(s.r, s.limit)
	s.offset = n
	if err != nil {
		return item{}, fmt.Errorf("read %s: %w", s.name, err)
	}
	if n == 0 {
		return item{}, io.EOF
	}
	s.line = 1
	it := s.item(data)
	if long {
		it.err = fmt.Errorf("%w: the document has %d bytes, more than %d: split it, or raise the limit of a record", connectors.ErrRejected, n, s.limit)
	}
	return it, nil
}

// item wraps the record that ends at the current position.
func (s *stream) item(value []byte) item {
	if s.mark == "" {
		sum := sha256.Sum256(value)
		s.mark = "first:" + hex.EncodeToString(sum[:8])
	}
	rec := connectors.Record{
		Origin: connectors.Origin{
			Stream: s.name, Partition: connectors.NoPartition,
			Offset: s.line, Next: s.offset, Mark: s.mark,
		},
		Value: value,
	}
	if s.format != FormatJSONL {
		rec.Headers = []connectors.Header{{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeText)}}
	}
	return item{rec: rec}
}

// recognise reads the first record and refuses the input when it is not the one that
// the position was taken in.
func (s *stream) recognise(done connectors.Origin) error {
	first, err := s.next()
	if err == io.EOF {
		return fmt.Errorf("input %s is empty, but %d bytes of it are done: it is not the same input; start over or put it back", s.name, done.Next)
	}
	if err != nil {
		return err
	}
	if done.Mark != "" && first.rec.Origin.Mark != done.Mark {
		return fmt.Errorf("input %s begins with another record than it did when %d bytes of it were done: start over or put it back", s.name, done.Next)
	}
	if done.Next < s.offset || s.format == FormatText && done.Next != s.offset {
		return fmt.Errorf("input %s: position %d is not behind a record: start over", s.name, done.Next)
	}
	return nil
}

// resume goes on behind the record at done.
func (s *stream) resume(done connectors.Origin) error {
	if err := s.recognise(done); err != nil {
		return err
	}
	if s.format == FormatText {
		return nil
	}
	if done.Next > s.offset {
		if err := s.skipTo(done.Next); err != nil {
			return err
		}
	}
	s.line = done.Offset
	return s.finishLine()
}

// skipTo moves to the plain byte offset next, having read the byte before it.
func (s *stream) skipTo(next int64) error {
	shrank := func(has int64) error {
		return fmt.Errorf("input %s has %d bytes, but %d of it are done: it has shrunk; start over or put it back", s.name, has, next)
	}
	if s.plain != nil {
		info, err := s.plain.Stat()
		if err != nil {
			return fmt.Errorf("input %s: %w", s.name, err)
		}
		if info.Size() < next {
			return shrank(info.Size())
		}
		if _, err := s.plain.Seek(next-1, io.SeekStart); err != nil {
			return fmt.Errorf("input %s: %w", s.name, err)
		}
		s.r.Reset(s.plain)
		s.offset = next - 1
	}
	skipped, err := io.CopyN(io.Discard, s.r, next-1-s.offset)
	s.offset += skipped
	if err == nil {
		s.last, err = s.r.ReadByte()
	}
	if err == io.EOF {
		return shrank(s.offset)
	}
	if err != nil {
		return fmt.Errorf("read %s at byte %d: %w", s.name, s.offset, err)
	}
	s.offset = next
	return nil
}

// finishLine takes the line break that a last line without one has got since. A line
// that was continued instead is another record than the one that is done.
func (s *stream) finishLine() error {
	if s.last == '\n' {
		return nil
	}
	rest, err := s.r.Peek(2)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read %s at byte %d: %w", s.name, s.offset, err)
	}
	for _, lineBreak := range []string{"\n", "\r\n"} {
		if bytes.HasPrefix(rest, []byte(lineBreak)) {
			n, _ := s.r.Discard(len(lineBreak))
			s.offset += int64(n)
			return nil
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("input %s, line %d: byte %d is not behind a line break: the input has changed; start over or put it back", s.name, s.line, s.offset)
	}
	return nil
}

// close releases the decoder; the file belongs to the opener.
func (s *stream) close() {
	if s.end != nil {
		s.end()
	}
}
