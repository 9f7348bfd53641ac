package file

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
)

// job is what a pipeline does, as small as can be: each record of the inputs comes
// out in capitals, those that hold "poison" go nowhere. It stops after writes
// batches (never if negative) without closing the sink.
func job(src *Source, sink *Sink, writes int, progress func()) error {
	ctx := context.Background()
	done, err := sink.Resume()
	if err != nil {
		return err
	}
	if err := src.Seek(done); err != nil {
		return err
	}
	for ; writes != 0; writes-- {
		ds, err := src.Read(ctx, 3)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var out []connectors.Record
		var origins []connectors.Origin
		for _, d := range ds {
			origins = append(origins, d.Origin)
			if d.Err == nil && !bytes.Contains(d.Value, []byte("poison")) {
				out = append(out, connectors.Record{Origin: d.Origin, Value: bytes.ToUpper(d.Value)})
			}
		}
		if err := sink.Write(ctx, out); err != nil {
			return err
		}
		if err := sink.Advance(ctx, origins); err != nil {
			return err
		}
		for _, d := range ds {
			d.Settle(nil)
		}
		progress()
	}
	return nil
}

func nothing() {}

// inputs writes two files, one of them packed, with blank lines and poison at the end.
func inputs(t *testing.T, dir string, lines int) (paths []string, want []string) {
	t.Helper()
	var a, b strings.Builder
	for i := range lines {
		fmt.Fprintf(&a, "a line %d\n", i)
		fmt.Fprintf(&b, "b line %d\r\n\r\n", i)
		want = append(want, fmt.Sprintf("A LINE %d", i))
	}
	for i := range lines {
		want = append(want, fmt.Sprintf("B LINE %d", i))
	}
	a.WriteString("poison")
	b.WriteString("poison\n")
	return []string{
		put(t, dir, "a.jsonl", []byte(a.String())),
		put(t, dir, "b.jsonl.gz", gzipped(t, b.String()[:10], b.String()[10:])),
	}, want
}

func wantLines(t *testing.T, what, path string, want []string) {
	t.Helper()
	if got := plainLines(t, path); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("%s: %d lines, want %d\n%s", what, len(got), len(want), strings.Join(got, "|"))
	}
}

// What a crash can leave: any whole number of batches done, the next one
// written in any part, the next line of the ledger written in any part behind it.
func TestEveryCrashGoesOnToTheSameOutput(t *testing.T) {
	for _, name := range []string{"out.jsonl", "out.jsonl.gz", "out.jsonl.zst"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			paths, want := inputs(t, dir, 5)
			out := filepath.Join(dir, name)
			unsynced := func(o *SinkOptions) { o.Sync = SyncOnClose }
			state := func(writes int) (output, ledger []byte) {
				os.Remove(out)
				sink := mustSink(t, out, unsynced)
				if err := job(sourceOf(t, nil, paths...), sink, writes, nothing); err != nil {
					t.Fatal(err)
				}
				crash(sink)
				output, _ = os.ReadFile(out)
				ledger, _ = os.ReadFile(out + LedgerSuffix)
				return output, ledger
			}
			tried := 0
			goOn := func(output, ledger []byte) {
				t.Helper()
				put(t, dir, name, output)
				put(t, dir, name+LedgerSuffix, ledger)
				sink := mustSink(t, out, unsynced)
				src := sourceOf(t, nil, paths...)
				if err := job(src, sink, -1, nothing); err != nil {
					t.Fatal(err)
				}
				src.Close(t.Context())
				sink.Close(t.Context())
				wantLines(t, fmt.Sprintf("from %d bytes of output, %d of ledger", len(output), len(ledger)), out, want)
				tried++
			}
			for writes := range 4 {
				output, ledger := state(writes)
				nextOutput, nextLedger := state(writes + 1)
				for n := len(output); n <= len(nextOutput); n += 7 {
					goOn(nextOutput[:n], ledger)
				}
				for n := len(ledger); n <= len(nextLedger); n += 31 {
					goOn(nextOutput, nextLedger[:n])
				}
			}
			if tried < 20 { // the steps skip some: each state costs a dozen flushes
				t.Fatalf("only %d states were tried", tried)
			}
		})
	}
}

func TestACompleteJobRunAgainDoesNothing(t *testing.T) {
	dir := t.TempDir()
	paths, want := inputs(t, dir, 4)
	out := filepath.Join(dir, "out.jsonl")
	for round := range 3 {
		sink := mustSink(t, out, nil)
		batches := 0
		if err := job(sourceOf(t, nil, paths...), sink, -1, func() { batches++ }); err != nil {
			t.Fatal(err)
		}
		sink.Close(t.Context())
		wantLines(t, "round", out, want)
		if round > 0 && batches > 0 {
			t.Fatalf("round %d did %d batches", round, batches)
		}
	}
	// What the input gains is done, with its line number.
	f, _ := os.OpenFile(paths[0], os.O_APPEND|os.O_WRONLY, 0)
	io.WriteString(f, "\n\nnew\n")
	f.Close()
	src, sink := sourceOf(t, nil, paths...), mustSink(t, out, nil)
	if err := job(src, sink, -1, nothing); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "with a new line", out, append(want, "NEW"))
	if got := src.Acknowledged()[0]; got.Offset != 7 {
		t.Errorf("the new line has number %d, want 7", got.Offset)
	}
}

func TestChangedInputsAreRefused(t *testing.T) {
	for what, spoil := range map[string]func(t *testing.T, dir string, paths []string) []string{
		"has shrunk": func(t *testing.T, dir string, paths []string) []string {
			os.Truncate(paths[0], 30)
			return paths
		},
		"begins with another record": func(t *testing.T, dir string, paths []string) []string {
			content, _ := os.ReadFile(paths[0])
			put(t, dir, "a.jsonl", append([]byte("X"), content[1:]...))
			return paths
		},
		"is not behind a line break": func(t *testing.T, dir string, paths []string) []string {
			f, _ := os.OpenFile(paths[0], os.O_APPEND|os.O_WRONLY, 0)
			io.WriteString(f, " and more\n")
			f.Close()
			return paths
		},
		"is empty": func(t *testing.T, dir string, paths []string) []string {
			os.Truncate(paths[0], 0)
			return paths
		},
		"not among the inputs": func(t *testing.T, dir string, paths []string) []string { return paths[1:] },
		"b.jsonl.gz begins with": func(t *testing.T, dir string, paths []string) []string {
			put(t, dir, "b.jsonl.gz", gzipped(t, "z\n"))
			return paths
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			paths, _ := inputs(t, dir, 4)
			out := filepath.Join(dir, "out.jsonl")
			sink := mustSink(t, out, nil)
			if err := job(sourceOf(t, nil, paths...), sink, -1, nothing); err != nil {
				t.Fatal(err)
			}
			sink.Close(t.Context())
			paths = spoil(t, dir, paths)
			err := job(sourceOf(t, nil, paths...), mustSink(t, out, nil), -1, nothing)
			if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "start over") {
				t.Fatalf("error %v, want %q and the remedy", err, what)
			}
		})
	}
}

// A packed input tells its length only when it is read to the end.
func TestAPackedInputThatShrankIsRefused(t *testing.T) {
	path := put(t, t.TempDir(), "a.gz", gzipped(t, "a\nb\n"))
	src := sourceOf(t, nil, path)
	first, err := readAll(src)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Dir(path), "a.gz", gzipped(t, "a\n"))
	src = sourceOf(t, nil, path)
	if err := src.Seek([]connectors.Origin{first[1].Origin}); err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(src); err == nil || !strings.Contains(err.Error(), "has shrunk") {
		t.Errorf("error %v", err)
	}
}

func TestTextFilesResume(t *testing.T) {
	dir := t.TempDir()
	a, b := put(t, dir, "a.txt", []byte("one\ntwo")), put(t, dir, "b.txt", []byte("three"))
	src := sourceOf(t, nil, a, b)
	ds, err := src.Read(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ds[0].Settle(nil)
	src = sourceOf(t, nil, a, b)
	if err := src.Seek([]connectors.Origin{ds[0].Origin}); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(src); err != nil || listing(got) != "1:5 \"three\"\n" {
		t.Errorf("%v\n%s", err, listing(got))
	}
	put(t, dir, "a.txt", []byte("one\ntwo and more"))
	if err := sourceOf(t, nil, a, b).Seek([]connectors.Origin{ds[0].Origin}); err == nil {
		t.Error("a document that has changed is taken for the same")
	}
}

func TestSeekRefusesPositionsOfOthers(t *testing.T) {
	path := put(t, t.TempDir(), "a.jsonl", []byte("{}\n"))
	for _, o := range []connectors.Origin{
		{Stream: path, Partition: 0, Offset: 1, Next: 3},
		{Stream: path, Partition: connectors.NoPartition, Offset: 1, Next: -3},
		{Stream: path, Partition: connectors.NoPartition, Offset: 1, Next: 2},
	} {
		if err := sourceOf(t, nil, path).Seek([]connectors.Origin{o}); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	src := sourceOf(t, nil, path)
	readAll(src)
	if src.Seek(nil) == nil {
		t.Error("Seek after Read is accepted")
	}
}

// workerDir names the folder of the job that the test binary, run again as a child
// process, works on until it is killed or done.
const workerDir = "A3_TEST_FILE_WORKER"

func work(dir string) int {
	in := DefaultSourceOptions()
	in.Paths = []string{filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl.gz")}
	out := DefaultSinkOptions()
	out.Path, out.Run = filepath.Join(dir, "out.jsonl.zst"), testRun
	src, err := OpenSource(in)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sink, err := OpenSink(out)
	if err == nil {
		err = job(src, sink, -1, func() { fmt.Println("batch") })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Real processes, killed without warning after a few batches each, until one is done.
func TestKilledProcessesFinishTheJob(t *testing.T) {
	dir := t.TempDir()
	_, want := inputs(t, dir, 60)
	killed := 0
	for round := 1; ; round++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), workerDir+"="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		batches := bufio.NewScanner(stdout)
		for n := 0; n < 5+round && batches.Scan(); n++ {
		}
		cmd.Process.Kill()
		io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err == nil {
			break
		}
		if stderr.Len() > 0 {
			t.Fatalf("worker %d: %s", round, stderr.String())
		}
		killed++
	}
	wantLines(t, fmt.Sprintf("after %d kills", killed), filepath.Join(dir, "out.jsonl.zst"), want)
	if killed == 0 {
		t.Error("no worker was killed before the end")
	}
}
