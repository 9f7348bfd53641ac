package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/any-order/a3/core/checkpoint/internal/mapped"
)

// The names of a model's weights.
const (
	weightsName = "model.safetensors"
	indexName   = "model.safetensors.index.json"
)

// File is a safetensors file, or the files of a sharded model, open for reading. Its
// header has been checked; data is read when asked for. The methods may be called
// concurrently, except Close.
type File struct {
	// Finite makes Float32 and Float64 refuse NaN and infinities. Set it before the
	// first read.
	Finite bool

	shards   []*shard
	tensors  map[string]entry
	names    []string // sorted
	metadata map[string]string
}

// shard is one file of bytes.
type shard struct {
	name string // base name, for errors and digests
	*mapped.File
}

// Open opens a safetensors file. If path is a directory, it opens the directory's
// model.safetensors or, without one, the shards that model.safetensors.index.json
// lists. Close releases it.
func Open(path string) (*File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open weights: %w", err)
	}
	if st.IsDir() {
		f, err := openWeights(os.DirFS(path))
		if err != nil {
			return nil, fmt.Errorf("open weights in %s: %w", path, err)
		}
		return f, nil
	}
	handle, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open weights: %w", err)
	}
	f, err := newFile(filepath.Base(path), handle)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// Parse reads a safetensors file that is in memory, such as an embedded model. The
// File refers to data, which must not change.
func Parse(data []byte) (*File, error) {
	return singleFile(&shard{"data", mapped.Of(data)})
}

// openWeights opens the weights of a model directory, in one file or sharded.
func openWeights(fsys fs.FS) (*File, error) {
	handle, err := fsys.Open(weightsName)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := openSharded(fsys)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("neither %s nor %s can be read: %w", weightsName, indexName, err)
		}
		return f, err
	}
	if err != nil {
		return nil, err
	}
	f, err := newFile(weightsName, handle)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", weightsName, err)
	}
	return f, nil
}

// newFile takes the handle over: it is closed by File.Close, or at once on an error.
func newFile(name string, handle fs.File) (*File, error) {
	s, err := newShard(name, handle)
	if err != nil {
		return nil, err
	}
	f, err := singleFile(s)
	if err != nil {
		s.Close()
		return nil, err
	}
	return f, nil
}

func singleFile(s *shard) (*File, error) {
	h, err := readHeader(s.File)
	if err != nil {
		return nil, err
	}
	return &File{
		shards:   []*shard{s},
		tensors:  h.tensors,
		names:    sortedKeys(h.tensors),
		metadata: h.metadata,
	}, nil
}

// newShard takes the handle over.
func newShard(name string, handle fs.File) (*shard, error) {
	f, err := mapped.New(handle)
	if err != nil {
		return nil, err
	}
	return &shard{name, f}, nil
}

// Close releases the file. Slices that Bytes returned are invalid afterwards.
func (f *File) Close() error {
	var errs []error
	for _, s := range f.shards {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Names returns the tensor names, sorted.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Has reports whether there is a tensor of that name.
func (f *File) Has(name string) bool {
	_, ok := f.tensors[name]
	return ok
}

// Info describes a tensor.
func (f *File) Info(name string) (Info, error) {
	e, err := f.entry(name)
	if err != nil {
		return Info{}, err
	}
	return Info{DType: e.DType, Shape: slices.Clone(e.Shape)}, nil
}

// Metadata returns a copy of the header's __metadata__. Of a sharded model it is
// that of all shards; where they differ, the first one's.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Bytes returns the little-endian bytes of a tensor. They must not be changed and are
// valid until Close. Where files can be mapped no copy is made; then, if another
// process cuts the file short, touching the lost part kills this one: replace a
// model's files, as this package does, never write into them.
func (f *File) Bytes(name string) ([]byte, error) {
	e, err := f.entry(name)
	if err != nil {
		return nil, err
	}
	s := f.shards[e.shard]
	if view := s.View(); view != nil {
		return view[e.begin:e.end:e.end], nil
	}
	b := make([]byte, e.end-e.begin)
	if _, err := s.ReadAt(b, e.begin); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", quote(name), err)
	}
	return b, nil
}

func (f *File) entry(name string) (entry, error) {
	e, ok := f.tensors[name]
	if !ok {
		return entry{}, fmt.Errorf("there is no tensor %s", quote(name))
	}
	return e, nil
}
