// Package ipcguard reads Arrow IPC streams that nobody vouches for: recordings that may be
// damaged, and what anyone may send.
//
// Arrow's own reader allocates whatever length a message claims, and so does its schema
// decoder for counts in the schema. Here no message is larger than what has been read of
// it, its buffers are no larger than its body, and a schema is read without allocating by
// its counts.
package ipcguard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// messages reads the messages of an Arrow IPC stream with bounded allocations. The
// stream's schema message is passed over: the caller states the schema that the stream
// must have, and every array is checked against that.
type messages struct {
	r       io.Reader
	schema  *ipc.Message // handed out in place of the stream's
	started bool
	current *ipc.Message
	refs    int
	ledger  *Ledger
}

// NewReader returns an Arrow reader of the record batches in r, which must be
// of the schema. Its buffers come from l. Arrays of a damaged message may be shorter than
// they claim: looking into them may panic.
func NewReader(r io.Reader, schema *arrow.Schema, l *Ledger) (*ipc.Reader, error) {
	var blob bytes.Buffer
	if err := ipc.NewWriter(&blob, ipc.WithSchema(schema)).Close(); err != nil {
		return nil, err
	}
	own := ipc.NewMessageReader(&blob)
	defer own.Release()
	message, err := own.Message()
	if err != nil {
		return nil, err
	}
	message.Retain()
	m := &messages{r: r, schema: message, refs: 1, ledger: l}
	reader, err := ipc.NewReaderFromMessageReader(m, ipc.WithAllocator(l))
	if err != nil {
		m.Release()
	}
	return reader, err
}

// Message implements ipc.MessageReader.
func (m *messages) Message() (*ipc.Message, error) {
	m.drop()
	message, err := m.read()
	if err != nil {
		return nil, err
	}
	if !m.started {
		m.started = true
		message.Release()
		return m.schema, nil
	}
	m.current = message
	m.ledger.allow(message.BodyLen())
	return message, nil
}

// read reads one message. io.EOF is the end marker; a stream that just ends is an error.
func (m *messages) read() (_ *ipc.Message, err error) {
	meta, err := readHeader(m.r)
	if err != nil {
		return nil, err
	}
	defer func() { // the header is decoded lazily, without checks of its own
		if p := recover(); p != nil {
			err = fmt.Errorf("message header: %v", p)
		}
	}()
	if t := root(meta); t.byte(messageHeaderType) == headerRecordBatch && t.table(messageHeader).has(batchCompression) {
		return nil, errors.New("the batch is compressed; write it without (the broker's own compression serves as well)")
	}
	header := ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(nil))
	defer header.Release()
	body, err := readExactly(m.r, header.BodyLen())
	if err != nil {
		return nil, fmt.Errorf("message body: %w", err)
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

// readHeader reads the header of a message, without its body. io.EOF is the end marker.
func readHeader(r io.Reader) ([]byte, error) {
	var prefix [8]byte // 0xFFFFFFFF, length of the header
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, fmt.Errorf("the stream has no end marker: %w", noEOF(err))
	}
	if binary.LittleEndian.Uint32(prefix[:]) != 0xFFFFFFFF {
		return nil, errors.New("no message where one should start")
	}
	length := int32(binary.LittleEndian.Uint32(prefix[4:]))
	if length == 0 {
		return nil, io.EOF
	}
	meta, err := readExactly(r, int64(length))
	if err != nil {
		return nil, fmt.Errorf("message header: %w", err)
	}
	return meta, nil
}

// readExactly reads n bytes. Its memory grows with what is there, not with n.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("length %d", n)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, n); err != nil {
		return nil, fmt.Errorf("%d of %d bytes: %w", b.Len(), n, noEOF(err))
	}
	return b.Bytes(), nil
}

// noEOF keeps an end where none should be from passing as an orderly one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (m *messages) drop() {
	if m.current != nil {
		m.current.Release()
		m.current = nil
	}
}

// Retain implements ipc.MessageReader.
func (m *messages) Retain() { m.refs++ }

// Release implements ipc.MessageReader.
func (m *messages) Release() {
	if m.refs--; m.refs == 0 {
		m.drop()
		m.schema.Release()
	}
}

// Ledger is an allocator that bounds what one message may take, and knows what is
// taken: Arrow's decoder panics on damaged input and leaves its buffers behind.
type Ledger struct {
	mem memory.Allocator

	mu    sync.Mutex // batches are released on other goroutines than the reading one
	left  int64      // bytes that may yet be allocated for the current message
	fresh map[*byte][]byte
}

// errOverBody is the panic value of a message that wants more memory than it brings.
var errOverBody = errors.New("the sizes of the message's buffers are not those of its body")

// NewLedger returns a ledger over an allocator.
func NewLedger(mem memory.Allocator) *Ledger {
	return &Ledger{mem: mem, fresh: map[*byte][]byte{}}
}

// allow starts the account of a message: its buffers are copies of parts of its body,
// each rounded up by the allocator.
func (l *Ledger) allow(body int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = 2*body + 1<<16
	clear(l.fresh)
}

// Abandon frees what has been allocated for the current message and not been freed.
func (l *Ledger) Abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.fresh {
		l.mem.Free(b)
	}
	clear(l.fresh)
}

// Allocate implements memory.Allocator. It panics when the account has too little.
func (l *Ledger) Allocate(size int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if size < 0 || int64(size) > l.left {
		panic(errOverBody)
	}
	l.left -= int64(size)
	b := l.mem.Allocate(size)
	if cap(b) > 0 {
		l.fresh[&b[:1][0]] = b
	}
	return b
}

// Reallocate implements memory.Allocator.
func (l *Ledger) Reallocate(size int, b []byte) []byte {
	grown := l.Allocate(size)
	copy(grown, b)
	l.Free(b)
	return grown
}

// Free implements memory.Allocator.
func (l *Ledger) Free(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(b) > 0 {
		delete(l.fresh, &b[:1][0])
	}
	l.mem.Free(b)
}
