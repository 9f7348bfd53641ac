package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/any-order/a3/core/checkpoint/internal/mapped"
)

// File is a GGUF file, open for reading. Its header has been checked; data is read when
// asked for. The methods may be called concurrently, except Close.
type File struct {
	bytes   *mapped.File
	version uint32
	meta    *Metadata
	tensors map[string]tensor
	names   []string // in the order of the file
}

// Info describes a tensor.
type Info struct {
	Type  Type
	Shape []int // row-major, as elsewhere: the last index runs fastest; the file has them reversed
	Bytes int64 // what it takes in the file
}

// Len returns the number of elements.
func (i Info) Len() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// Open opens a file. Close releases it.
func Open(path string) (*File, error) {
	handle, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := open(handle)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// open takes the handle over.
func open(handle fs.File) (*File, error) {
	b, err := mapped.New(handle)
	if err != nil {
		return nil, err
	}
	f, err := read(b)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return f, nil
}

// Parse reads a file that is in memory. The File refers to data, which must not change.
func Parse(data []byte) (*File, error) { return read(mapped.Of(data)) }

// Close releases the file.
func (f *File) Close() error { return f.bytes.Close() }

// Version returns the version of the format: 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Metadata returns the keys and values of the header. It reads from the file, so that it
// ends with it.
func (f *File) Metadata() *Metadata { return f.meta }

// Names returns the names of the tensors in the order of the file.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Has reports whether there is a tensor of that name.
func (f *File) Has(name string) bool {
	_, ok := f.tensors[name]
	return ok
}

// Info describes a tensor.
func (f *File) Info(name string) (Info, error) {
	t, ok := f.tensors[name]
	if !ok {
		return Info{}, fmt.Errorf("there is no tensor %s", quote(name))
	}
	info := t.Info
	info.Shape = slices.Clone(info.Shape)
	return info, nil
}

// pieceBytes is how much of a tensor is read at a time where the file is not mapped.
const pieceBytes = 256 << 10

// Float32At stores the elements of a tensor from first on, as many as dst has, as the
// reference implementation dequantises them: to float32, every product and sum rounded.
func (f *File) Float32At(name string, first int, dst []float32) error {
	t, ok := f.tensors[name]
	if !ok {
		return fmt.Errorf("there is no tensor %s", quote(name))
	}
	if n := t.Len(); first < 0 || first > n-len(dst) {
		return fmt.Errorf("tensor %s: shape %v has %d elements, not %d from element %d on", quote(name), t.Shape, n, len(dst), first)
	}
	l := t.Type.layout()
	perPiece := pieceBytes / l.bytes
	var buf []byte
	for len(dst) > 0 {
		block := first / l.elements
		blocks := min(perPiece, (first+len(dst)-1)/l.elements+1-block)
		raw, err := f.slice(&buf, t.begin+int64(block*l.bytes), blocks*l.bytes)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", quote(name), err)
		}
		n := l.decode(dst, raw, first-block*l.elements)
		first, dst = first+n, dst[n:]
	}
	return nil
}

// slice returns n bytes at an offset, through buf where the file is not in memory.
func (f *File) slice(buf *[]byte, at int64, n int) ([]byte, error) {
	if view := f.bytes.View(); view != nil {
		return view[at : at+int64(n)], nil
	}
	*buf = slices.Grow((*buf)[:0], n)[:n]
	_, err := f.bytes.ReadAt(*buf, at)
	return *buf, err
}

// quote shows a name that a file gave, cut to a length that fits an error.
func quote(s string) string {
	const limit = 100
	if len(s) > limit {
		return fmt.Sprintf("%q...", s[:limit])
	}
	return fmt.Sprintf("%q", s)
}
