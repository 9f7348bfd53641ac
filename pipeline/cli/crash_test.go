package cli_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/pipeline/cli"
)

// Guarantee 4 for files: however often a job is killed, and wherever, the output is in
// the end the one of a job that was left alone.
func TestKilledJobsGoOn(t *testing.T) {
	needUnix(t)
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(1500)
	for i := 50; i < len(docs); i += 100 {
		docs[i] = `{"id": "bad"}` // the ledger passes over them too
	}
	in := writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs))
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for _, name := range []string{"out.jsonl", "out.jsonl.gz"} {
		args := []string{"infill", "--quiet", "--model", model, "--strategy", "ar", in, "-o"}
		alone := filepath.Join(dir, "alone-"+name)
		if r := run(t, nil, append(args, alone)...); r.code != cli.ExitFailed { // for the bad ones
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		size := int64(len(readFile(t, alone)))
		want := unpacked(t, alone)

		out := filepath.Join(dir, name)
		kills, torn := 0, 0
		for left := 6; ; left-- {
			cmd := process(t, append(args, out)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if left > 0 {
				growBy(out, rng.Int64N(size/5))
				_ = cmd.Process.Kill() // it may have ended
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) && err != nil {
				t.Fatal(err)
			}
			if killed := exit != nil && exit.ExitCode() == -1; !killed {
				break
			}
			kills++
			if n := int64(len(readFile(t, out))); n > 0 && n < size {
				torn++
			}
		}
		if got := unpacked(t, out); got != want {
			t.Errorf("%s: after %d kills, other bytes:\n%s", name, kills, firstDifference(lines(want), lines(got)))
		}
		if torn == 0 {
			t.Errorf("%s: none of %d kills came in the middle", name, kills)
		}
	}
}

// unpacked reads a file. Where the members of a compressed one are cut is chance.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	packed := readFile(t, path)
	if !strings.HasSuffix(path, ".gz") {
		return packed
	}
	r, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// growBy waits until a file has grown by some bytes, or a while.
func growBy(path string, bytes int64) {
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	end := size() + bytes
	for start := time.Now(); size() < end && time.Since(start) < 5*time.Second; {
		time.Sleep(100 * time.Microsecond)
	}
}

func TestRunAgain(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(100)
	in, out := writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs)), filepath.Join(dir, "out.jsonl")
	job := func(more ...string) result {
		return run(t, nil, append([]string{"infill", "--in-process", "--model", model, in, "-o", out}, more...)...)
	}
	if r := job(); r.code != cli.ExitOK || !strings.Contains(r.stderr, "100 records") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	want := readFile(t, out)
	same := func(what string) {
		t.Helper()
		if got := readFile(t, out); got != want {
			t.Errorf("%s: other bytes:\n%s", what, firstDifference(lines(want), lines(got)))
		}
	}

	if r := job(); r.code != cli.ExitOK || !strings.HasPrefix(r.stderr, "0 records") {
		t.Errorf("a complete job again: exit code %d\n%s", r.code, r.stderr)
	}
	same("a complete job again")

	writeFile(t, out, want+`{"id": "torn`)
	if r := job(); r.code != cli.ExitOK {
		t.Errorf("a torn last line: exit code %d\n%s", r.code, r.stderr)
	}
	same("a torn last line")

	writeFile(t, in, text(documents(103)))
	if r := job(); r.code != cli.ExitOK || !strings.HasPrefix(r.stderr, "3 records") {
		t.Errorf("an input that has grown: exit code %d\n%s", r.code, r.stderr)
	}
	if got := lines(readFile(t, out)); len(got) != 103 || text(got[:100]) != want {
		t.Errorf("an input that has grown: %d lines", len(got))
	}
	want = readFile(t, out)

	for what, flags := range map[string][]string{
		"another strategy":    {"--strategy", "ar"},
		"another parameter":   {"--strategy", "confidence:size=2"},
		"another seed":        {"--seed", "9"},
		"another temperature": {"--temperature", "0.5"},
	} {
		r := job(flags...)
		if r.code != cli.ExitUsage || !strings.Contains(r.stderr, "was made by another run") || !strings.Contains(r.stderr, "overwrite") {
			t.Errorf("%s: exit code %d\n%s", what, r.code, r.stderr)
		}
		same(what)
	}
	if r := job("--strategy", "ar", "--overwrite"); r.code != cli.ExitOK || !strings.HasPrefix(r.stderr, "103 records") {
		t.Errorf("overwriting: exit code %d\n%s", r.code, r.stderr)
	}
	if readFile(t, out) == want {
		t.Error("overwriting with another strategy changed nothing")
	}

	if err := os.Remove(out + file.LedgerSuffix); err != nil {
		t.Fatal(err)
	}
	if r := job("--strategy", "ar"); r.code != cli.ExitUsage || !strings.Contains(r.stderr, "has no ledger") {
		t.Errorf("an output of unknown origin: exit code %d\n%s", r.code, r.stderr)
	}
}

// The number of threads, the bounds of a batch, and where the strategy runs are no part
// of a run's identity: the job may go on with others.
func TestGoOnWithOtherBounds(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	in, out := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl")
	docs := documents(30)
	for i, flags := range [][]string{{"--in-process"}, {"--threads", "1"}, {"--batch", "2", "--rows", "9"}} {
		writeFile(t, in, text(docs[:10*(i+1)]))
		succeed(t, append([]string{"infill", "--quiet", "--model", model, in, "-o", out}, flags...)...)
	}
	if want := succeed(t, "infill", "--quiet", "--in-process", "--model", model, in); readFile(t, out) != want {
		t.Errorf("other bytes:\n%s", firstDifference(lines(want), lines(readFile(t, out))))
	}
}

// A termination signal lets the process finish what it has read; the same command then
// goes on.
func TestGracefulStop(t *testing.T) {
	needUnix(t)
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(40)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		out := filepath.Join(dir, signal.String()+".jsonl")
		args := []string{"infill", "--quiet", "--model", model, "-o", out}
		cmd := process(t, args...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stdin, text(docs[:15])); err != nil {
			t.Fatal(err)
		}
		growBy(out, 1)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != cli.ExitStopped {
			t.Fatalf("%v: %v\n%s", signal, err, &stderr)
		}
		if !strings.Contains(stderr.String(), "the same command goes on from there") {
			t.Errorf("%v: said %q", signal, &stderr)
		}
		begun := lines(readFile(t, out))

		r := run(t, strings.NewReader(text(docs)), args...)
		if r.code != cli.ExitOK {
			t.Fatalf("%v: the second run: exit code %d\n%s", signal, r.code, r.stderr)
		}
		want := run(t, strings.NewReader(text(docs)), "infill", "--quiet", "--model", model).stdout
		if got := readFile(t, out); got != want {
			t.Errorf("%v: other bytes:\n%s", signal, firstDifference(lines(want), lines(got)))
		}
		if !slices.Equal(begun, lines(want)[:len(begun)]) {
			t.Errorf("%v: the first run left\n%s", signal, text(begun))
		}
	}
}

// What is said of going on is true: standard output has no memory.
func TestStoppedWithoutMemory(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	stop := make(chan struct{})
	close(stop)
	for output, resumable := range map[string]bool{"-": false, filepath.Join(dir, "out.jsonl"): true} {
		stdin, typing := io.Pipe() // nobody types
		defer typing.Close()
		var stderr bytes.Buffer
		code := cli.Run(bounded(t), cli.Env{
			Args:  []string{"infill", "--in-process", "--model", model, "-o", output},
			Stdin: stdin, Stdout: io.Discard, Stderr: &stderr, Stop: stop,
		})
		if code != cli.ExitStopped || !strings.Contains(stderr.String(), "stopped before the end of the input; what was begun is written") {
			t.Errorf("output %s: exit code %d\n%s", output, code, &stderr)
		}
		if said := strings.Contains(stderr.String(), "goes on from there"); said != resumable {
			t.Errorf("output %s: said\n%s", output, &stderr)
		}
	}
}

// The second signal ends the process at once.
func TestSecondSignal(t *testing.T) {
	needUnix(t)
	cmd := process(t, "train", "-o", t.TempDir(), "-")
	stdin, err := cmd.StdinPipe() // never closed: reading never ends
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stderr := newLineCounter()
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "no record\n"); err != nil {
		t.Fatal(err)
	}
	stderr.wait(t, 1) // a complaint: signals are handled
	for n := range 2 {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			stderr.wait(t, 2)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != cli.ExitStopped {
		t.Errorf("%v\n%s", err, stderr.text())
	}
}

func needUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals to send to another process")
	}
}
