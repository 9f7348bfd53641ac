//go:build unix

package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCloseRemovesSockets(t *testing.T) {
	o := options(t)
	o.TempDir = shortTempDir(t)
	p := open(t, "faulty", o)
	if len(entries(t, o.TempDir)) != 1 {
		t.Errorf("folders %v, want one", entries(t, o.TempDir))
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if left := entries(t, o.TempDir); len(left) > 0 {
		t.Errorf("Close leaves %v", left)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := fill(t.Context(), p.Strategy(), 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after Close returns %v", err)
	}
}

// shortTempDir returns a folder whose path leaves room for sockets: t.TempDir holds
// the test's name.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "a3t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	e, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRunDirs: folders of dead hosts go, those of living ones stay.
func TestRunDirs(t *testing.T) {
	parent := shortTempDir(t)
	live, err := newRunDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(parent, "a3-plugins-123")
	fresh := filepath.Join(parent, "a3-plugins-456") // its lock is about to be made
	foreign := filepath.Join(parent, "something-else")
	for _, dir := range []string{stale, fresh, foreign} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{lockName, "plugin123"} {
		if err := os.WriteFile(filepath.Join(stale, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other, err := newRunDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale folder: %v", err)
	}
	for _, dir := range []string{live.path, fresh, foreign, other.path} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", dir, info.Mode())
		}
	}
	if err := errors.Join(live.remove(), other.remove()); err != nil {
		t.Error(err)
	}
	if _, err := newRunDir(filepath.Join(parent, strings.Repeat("x", 80))); err == nil {
		t.Error("a folder that does not exist is accepted")
	}
	long := filepath.Join(parent, strings.Repeat("x", 80))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newRunDir(long); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long path: %v", err)
	}
}

// Hosts that come and go at once do not get in each other's way.
func TestRunDirsAtOnce(t *testing.T) {
	parent := shortTempDir(t)
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() {
			for range 100 {
				dir, err := newRunDir(parent)
				if err == nil {
					err = dir.remove()
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
