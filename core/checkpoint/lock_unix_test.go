//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// TestLockOfKilledProcess runs this test in a second process, which takes the lock and
// is killed.
func TestLockOfKilledProcess(t *testing.T) {
	if dir := os.Getenv("CHECKPOINT_TEST_LOCK"); dir != "" {
		if _, err := OpenStore(dir); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		io.Copy(io.Discard, os.Stdin) // until killed, or the first process ends
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockOfKilledProcess$")
	cmd.Env = append(os.Environ(), "CHECKPOINT_TEST_LOCK="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("locked"))
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "locked" {
		t.Errorf("the other process says %q, %v", line, err)
	}
	if _, err := OpenStore(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("while it lives: error %v, want ErrLocked", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatalf("after it was killed: %v", err)
	}
	s.Close()
}
