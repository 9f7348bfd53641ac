package checkpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
)

// disk is what writing needs of a file system. It is an interface so that tests can
// make the n-th operation fail and lose what was not synced.
type disk interface {
	Mkdir(dir string) error
	Create(name string) (diskFile, error) // name must not exist
	Rename(from, to string) error
	SyncDir(dir string) error // makes the entries of dir durable
	RemoveAll(name string) error
}

type diskFile interface {
	io.Writer
	Sync() error
	Close() error
}

// osDisk is the operating system's file system.
type osDisk struct{}

func (osDisk) Mkdir(dir string) error       { return os.Mkdir(dir, 0o777) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) RemoveAll(name string) error  { return os.RemoveAll(name) }

func (osDisk) Create(name string) (diskFile, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (osDisk) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; NTFS journals renames
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeAside writes a file under a temporary name, syncs it and renames it to path.
func writeAside(d disk, path string, write func(io.Writer) error) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	tmp := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64()))
	if err := createSynced(d, tmp, write); err != nil {
		return errors.Join(err, d.RemoveAll(tmp))
	}
	if err := d.Rename(tmp, path); err != nil {
		return errors.Join(err, d.RemoveAll(tmp))
	}
	return d.SyncDir(dir)
}

// createSynced creates a file whose content is durable when it returns. A file whose
// sync was refused is lost: the caller removes it, because a second sync may report
// success without having written.
func createSynced(d disk, name string, write func(io.Writer) error) error {
	f, err := d.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// FileSum is the size and digest of one file.
type FileSum struct {
	Size   int64  `json:"size"`
	SHA256 Digest `json:"sha256"`
}

// asideDir is a directory being written under a temporary name beside its final one.
type asideDir struct {
	disk disk
	path string
	sums map[string]FileSum // of the files written so far
}

// newAsideDir creates the directory, in place of what an interrupted attempt left.
func newAsideDir(d disk, path string) (*asideDir, error) {
	if err := d.RemoveAll(path); err != nil {
		return nil, err
	}
	if err := d.Mkdir(path); err != nil {
		return nil, err
	}
	return &asideDir{disk: d, path: path, sums: make(map[string]FileSum)}, nil
}

// add writes one file, durably, and notes its size and digest on the way. A large one
// is given up when ctx ends.
func (a *asideDir) add(ctx context.Context, name string, write func(io.Writer) error) error {
	sum := &summing{hash: sha256.New()}
	err := createSynced(a.disk, filepath.Join(a.path, name), func(w io.Writer) error {
		sum.w = contextWriter{ctx, w}
		return write(sum)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	a.sums[name] = FileSum{Size: sum.size, SHA256: Digest(sum.hash.Sum(nil))}
	return nil
}

func (a *asideDir) addBytes(ctx context.Context, name string, content []byte) error {
	return a.add(ctx, name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// publish makes the directory durable and gives it its final name, which must be free.
func (a *asideDir) publish(final string) error {
	if err := a.disk.SyncDir(a.path); err != nil {
		return err
	}
	if _, err := os.Lstat(final); err == nil {
		return fmt.Errorf("%s: %w", final, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := a.disk.Rename(a.path, final); err != nil {
		return err
	}
	return a.disk.SyncDir(filepath.Dir(final))
}

// discard removes the directory after err and returns err, with what went wrong then.
func (a *asideDir) discard(err error) error {
	return errors.Join(err, a.disk.RemoveAll(a.path))
}

// summing hashes and counts what it passes on.
type summing struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	return n, err
}
