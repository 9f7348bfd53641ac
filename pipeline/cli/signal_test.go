package cli_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/any-order/a3/pipeline/cli"
)

// The first signal drains: what was read comes out, then the job ends.
func TestFirstSignalDrains(t *testing.T) {
	needUnix(t)
	cmd := process(t, "infill", "--quiet", "--in-process", "--model", tinyModel(t))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := newLineCounter(), newLineCounter()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, text(documents(20))); err != nil {
		t.Fatal(err)
	}
	stdout.wait(t, 1) // the others are read, or on their way
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd); code != cli.ExitStopped {
		t.Errorf("exit code %d", code)
	}
	if got := stderr.text(); !strings.Contains(got, "a3: finishing what has been begun; once more ends at once\n") ||
		!strings.Contains(got, "a3: stopped before the end of the input") {
		t.Errorf("said %s", got)
	}
	if out := stdout.text(); !strings.HasSuffix(out, "}\n") {
		t.Errorf("the output ends in the middle of a record: %s", out)
	}
}

// The second one ends a job at once, also one that cannot drain: nobody reads its output.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	needUnix(t)
	cmd := process(t, "infill", "--quiet", "--in-process", "--strategy", "ar", "--model", tinyModel(t))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	unread, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	stderr := newLineCounter()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout.Close() // the process has its own
	fed := make(chan struct{})
	go func() { // it takes more than its window holds only if somebody reads
		defer close(fed)
		_, _ = io.WriteString(stdin, text(documents(3000))) // fails when the process ends
	}()
	one := make([]byte, 1)
	if _, err := io.ReadFull(unread, one); err != nil { // it writes
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, 1)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd); code != cli.ExitStopped {
		t.Errorf("exit code %d", code)
	}
	<-fed
}

// exitOf waits for a process and returns its exit code.
func exitOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return 0
}
