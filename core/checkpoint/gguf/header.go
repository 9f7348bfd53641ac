package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/any-order/a3/core/checkpoint/internal/mapped"
)

// Limits on what a file may claim, far above what is in use.
const (
	maxKeys        = 1 << 16
	maxTensors     = 1 << 16
	maxNameBytes   = 1<<16 - 1 // of a key or the name of a tensor
	maxStringBytes = 16 << 20
	maxElements    = 1 << 24 // of an array
	maxHeaderBytes = 256 << 20
	maxAlignment   = 1 << 20
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	alignmentKey     = "general.alignment"
)

// read reads and checks a header. Afterwards every value and every tensor is known to
// lie in the file.
func read(b *mapped.File) (*File, error) {
	c := &cursor{size: b.Size()}
	c.r = bufio.NewReaderSize(io.NewSectionReader(b, 0, min(b.Size(), maxHeaderBytes)), 64<<10)
	f := &File{bytes: b, meta: &Metadata{bytes: b, values: make(map[string]value)}, tensors: make(map[string]tensor)}
	if err := f.readHeader(c); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	align, err := f.meta.alignment()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	start := roundUp(c.at, align)
	if len(f.tensors) > 0 && start > c.size {
		return nil, fmt.Errorf("header: it ends at byte %d of %d, so that there is no data: the file is cut", c.at, c.size)
	}
	return f, f.place(start, align)
}

func roundUp(n, multiple int64) int64 { return (n + multiple - 1) / multiple * multiple }

func (f *File) readHeader(c *cursor) error {
	var start [4]byte
	if err := c.bytes(start[:]); err != nil {
		return err
	}
	if string(start[:]) != magic {
		return fmt.Errorf("begins with %q, want %q: not a GGUF file", start, magic)
	}
	var err error
	if f.version, err = c.uint32(); err != nil {
		return err
	}
	switch {
	case f.version == 1:
		return errors.New("version 1 is not supported: convert the file with a llama.cpp of 2023 or later")
	case f.version&0xffff == 0:
		return errors.New("the file is big-endian, which is not supported: convert it with gguf-convert-endian")
	case f.version != 2 && f.version != 3:
		return fmt.Errorf("version %d, this program reads 2 and 3", f.version)
	}
	tensors, err := c.count("tensors", maxTensors, 8+4+8+4+8)
	if err != nil {
		return err
	}
	keys, err := c.count("keys", maxKeys, 8+4+1)
	if err != nil {
		return err
	}
	for range keys {
		if err := f.meta.read(c); err != nil {
			return err
		}
	}
	for range tensors {
		if err := f.readTensor(c); err != nil {
			return err
		}
	}
	return nil
}

// cursor reads a header from its beginning on.
type cursor struct {
	r    *bufio.Reader
	at   int64 // bytes read so far
	size int64 // of the file
}

// need refuses to go on when n more bytes are not there.
func (c *cursor) need(n uint64) error {
	switch {
	case n > uint64(c.size-c.at):
		return fmt.Errorf("needs %d bytes at %d, but the file has %d: it is cut", n, c.at, c.size)
	case n > uint64(maxHeaderBytes-c.at):
		return fmt.Errorf("exceeds the limit of %d bytes", maxHeaderBytes)
	}
	return nil
}

func (c *cursor) bytes(b []byte) error {
	if err := c.need(uint64(len(b))); err != nil {
		return err
	}
	n, err := io.ReadFull(c.r, b)
	c.at += int64(n)
	return err
}

// skip passes over n bytes that need has seen.
func (c *cursor) skip(n int64) error {
	for n > 0 {
		k, err := c.r.Discard(int(min(n, 1<<30)))
		c.at += int64(k)
		n -= int64(k)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cursor) uint32() (uint32, error) {
	var b [4]byte
	err := c.bytes(b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

func (c *cursor) uint64() (uint64, error) {
	var b [8]byte
	err := c.bytes(b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// count reads a number of things that take at least so many bytes each.
func (c *cursor) count(what string, limit, each uint64) (uint64, error) {
	n, err := c.uint64()
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, fmt.Errorf("%d %s, at most %d are supported", n, what, limit)
	}
	if err := c.need(n * each); err != nil {
		return 0, fmt.Errorf("%d %s: %w", n, what, err)
	}
	return n, nil
}

// length reads the length of a string.
func (c *cursor) length(limit uint64) (uint64, error) {
	n, err := c.uint64()
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, fmt.Errorf("a string of %d bytes, at most %d are supported", n, limit)
	}
	return n, c.need(n)
}

// name reads the name of a key or tensor.
func (c *cursor) name() (string, error) {
	n, err := c.length(maxNameBytes)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	if err := c.bytes(b); err != nil {
		return "", err
	}
	if n == 0 || !utf8.Valid(b) {
		return "", fmt.Errorf("the name %s is empty or not valid UTF-8", quote(string(b)))
	}
	return string(b), nil
}
