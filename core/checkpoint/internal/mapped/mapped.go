// Package mapped reads files at any place, mapped into memory where the system can.
package mapped

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File is the content of a file. Its methods may be called concurrently, except Close.
type File struct {
	data   io.ReaderAt
	size   int64
	view   []byte // all bytes, when in memory or mapped; else nil
	mapped bool   // view is a mapping
	closer io.Closer
}

// Of returns a file whose content is in memory. data must not change.
func Of(data []byte) *File {
	return &File{data: bytes.NewReader(data), size: int64(len(data)), view: data}
}

// New takes the handle over: it is closed by Close, or at once on an error. Files of
// the operating system are mapped where it can; a file system without random access is
// read whole.
func New(handle fs.File) (*File, error) {
	st, err := handle.Stat()
	if err != nil {
		handle.Close()
		return nil, err
	}
	if !st.Mode().IsRegular() {
		handle.Close()
		return nil, fmt.Errorf("not a regular file but %s", st.Mode().Type())
	}
	if r, ok := handle.(io.ReaderAt); ok {
		f := &File{data: r, size: st.Size(), closer: handle}
		if file, ok := handle.(*os.File); ok {
			// A file system that refuses to map is no error: ReadAt does everything.
			f.view, _ = mapFile(file, f.size)
			f.mapped = f.view != nil
		}
		return f, nil
	}
	defer handle.Close()
	data, err := io.ReadAll(handle)
	if err != nil {
		return nil, err
	}
	return Of(data), nil
}

// Size returns the number of bytes.
func (f *File) Size() int64 { return f.size }

// View returns all bytes, or nil if they are neither in memory nor mapped. They must
// not be changed and are valid until Close. If another process cuts a mapped file
// short, touching the lost part kills this one.
func (f *File) View() []byte { return f.view }

// ReadAt fills b from offset at. It says so when the file ends before, which happens if
// it was cut after it was opened.
func (f *File) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.data.ReadAt(b, at)
	if n == len(b) {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("read %d bytes at %d: %w", len(b), at, err)
}

// Close releases the file.
func (f *File) Close() error {
	var err error
	if f.mapped {
		err = unmapFile(f.view)
		f.view, f.mapped = nil, false
	}
	if f.closer != nil {
		err = errors.Join(err, f.closer.Close())
	}
	return err
}
