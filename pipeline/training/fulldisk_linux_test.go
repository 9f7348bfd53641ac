package training_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/any-order/a3/pipeline/training"
)

// A disk that fills up while a run trains ends it; its last checkpoint is good, and once
// there is room the same command goes on to the same end.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no file system can be mounted here: %v; the checkpoints' own tests have a disk that fills up", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	base := t.TempDir()
	mustRun(t, newJob(t, base, nil))

	filler := filepath.Join(dir, "filler")
	saved := ""
	_, err := newJob(t, dir, func(j *training.Job) {
		j.Report = func(p training.Progress) {
			if p.Saved != "" && saved == "" {
				saved = p.Saved
				fill(t, filler)
			}
		}
	}).Run(t.Context())
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the last checkpoint, "+saved+", is as it was: free some space and run the same command again") {
		t.Fatalf("error %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if out := mustRun(t, newJob(t, dir, nil)); out.Resumed != 4 {
		t.Errorf("went on from step %d, want 4", out.Resumed)
	}
	wantSame(t, "after the disk was full", left(t, base), left(t, dir))
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
