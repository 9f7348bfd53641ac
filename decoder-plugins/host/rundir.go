package host

import (
	"fmt"
	"os"
	"path/filepath"
)

const (
	runDirPattern = "a3-plugins-*"
	lockName      = "lock"

	// maxSocketPath is the shortest limit of the systems we know (macOS, 104 with the
	// final zero); socketRoom is what go-plugin adds: "/plugin-dir" and "/plugin" with
	// up to ten digits each.
	maxSocketPath = 103
	socketRoom    = 38
)

// runDir is a private folder for the sockets of one Plugin, locked while in use.
type runDir struct {
	path string
	lock *os.File
}

// newRunDir makes a folder in parent ("" = the system's for temporary files) and
// removes those that dead hosts left there: a killed host cannot clean up.
func newRunDir(parent string) (*runDir, error) {
	if parent == "" {
		parent = os.TempDir()
		if len(parent)+len(runDirPattern)+10+socketRoom > maxSocketPath && filepath.Separator == '/' {
			parent = "/tmp" // some systems have a long name for it
		}
	}
	removeStale(parent)
	var err error
	for range 50 { // each hinders only while another host looks at it
		var dir *runDir
		if dir, err = lockedDir(parent); dir != nil {
			return dir, nil
		}
	}
	return nil, err
}

// lockedDir makes and locks one folder. It fails when a host that cleans up comes in
// between: it may take our lock file for stale after it was created and before it was
// locked.
func lockedDir(parent string) (*runDir, error) {
	path, err := os.MkdirTemp(parent, runDirPattern) // with mode 0700
	if err != nil {
		return nil, fmt.Errorf("make the folder for plugin sockets: %w", err)
	}
	if len(path)+socketRoom > maxSocketPath {
		_ = os.Remove(path)
		return nil, fmt.Errorf("the path %s is too long for unix sockets: choose a TempDir under 40 bytes", path)
	}
	lock, err := lockFile(filepath.Join(path, lockName), os.O_CREATE)
	if err == nil {
		if _, err = os.Stat(lock.Name()); err == nil {
			return &runDir{path: path, lock: lock}, nil
		}
		_ = lock.Close()
	}
	_ = os.RemoveAll(path)
	return nil, fmt.Errorf("lock the folder for plugin sockets: %w", err)
}

// remove deletes the folder and releases the lock.
func (d *runDir) remove() error {
	err := os.RemoveAll(d.path)
	_ = d.lock.Close()
	return err
}

// removeStale deletes run folders whose lock nobody holds.
func removeStale(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, runDirPattern)) // the pattern is valid
	for _, dir := range dirs {
		path := filepath.Join(dir, lockName)
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue
		}
		lock, err := lockFile(path, 0) // a new file would keep its owner from removing the folder
		if err != nil {
			continue // in use, not ours, or being made or removed right now
		}
		_ = os.RemoveAll(dir)
		_ = lock.Close()
	}
}
