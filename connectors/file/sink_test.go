package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/conntest"
)

const testRun = "model 1, seed 2"

func sinkAt(t *testing.T, path string, change func(*SinkOptions)) (*Sink, error) {
	t.Helper()
	o := DefaultSinkOptions()
	o.Path, o.Run = path, testRun
	if change != nil {
		change(&o)
	}
	s, err := OpenSink(o)
	if err == nil {
		t.Cleanup(func() { s.Close(context.Background()) })
	}
	return s, err
}

func mustSink(t *testing.T, path string, change func(*SinkOptions)) *Sink {
	t.Helper()
	s, err := sinkAt(t, path, change)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crash drops the files as the end of the process does: nothing more is written.
func crash(s *Sink) {
	s.closed = true
	s.file.Close()
	s.ledger.file.Close()
}

// plainLines reads an output as another program would.
func plainLines(t *testing.T, path string) []string {
	t.Helper()
	src := sourceOf(t, func(o *SourceOptions) { o.Format = FormatTextLines }, path)
	ds, err := readAll(src)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range ds {
		out = append(out, string(d.Value))
	}
	return out
}

func TestSinkSuite(t *testing.T) {
	for _, name := range []string{"out.jsonl", "out.jsonl.gz", "out.jsonl.zst"} {
		for _, policy := range []Sync{SyncEachWrite, SyncOnClose} {
			conntest.RunSink(t, func(t *testing.T) conntest.Output {
				path := filepath.Join(t.TempDir(), name)
				return conntest.Output{
					Open: func(t *testing.T) connectors.Sink {
						return mustSink(t, path, func(o *SinkOptions) { o.Sync = policy })
					},
					Crash:  func(_ *testing.T, s connectors.Sink) { crash(s.(*Sink)) },
					Values: func(t *testing.T) []string { return plainLines(t, path) },
				}
			})
		}
	}
}

func rec(line int64, value string) connectors.Record {
	return connectors.Record{
		Origin: connectors.Origin{Stream: "in", Partition: connectors.NoPartition, Offset: line, Next: line * 10},
		Value:  []byte(value),
	}
}

func TestSinkRefusesWhatItMustNotTouch(t *testing.T) {
	written := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		s := mustSink(t, path, nil)
		if err := s.Write(t.Context(), []connectors.Record{rec(1, "a"), rec(2, "b")}); err != nil {
			t.Fatal(err)
		}
		s.Close(t.Context())
		return path
	}
	cases := map[string]struct {
		spoil  func(t *testing.T, path string)
		change func(*SinkOptions)
		want   string
	}{
		"another run":       {nil, func(o *SinkOptions) { o.Run = "seed 3" }, "another run"},
		"no ledger":         {func(t *testing.T, p string) { os.Remove(p + LedgerSuffix) }, nil, "has no ledger"},
		"changed":           {func(t *testing.T, p string) { os.Truncate(p, 1) }, nil, "changed by another program"},
		"other compression": {nil, func(o *SinkOptions) { o.Compression = CompressionGzip }, "compression none, not gzip"},
		"damaged ledger": {func(t *testing.T, p string) {
			b, _ := os.ReadFile(p + LedgerSuffix)
			b[20] ^= 1
			os.WriteFile(p+LedgerSuffix, b, 0o644)
		}, nil, "damaged"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := written(t)
			if c.spoil != nil {
				c.spoil(t, path)
			}
			before, _ := os.ReadFile(path)
			_, err := sinkAt(t, path, c.change)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "overwrite option") {
				t.Fatalf("error %v, want %q and the remedy", err, c.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("a refused output was changed")
			}
			s := mustSink(t, path, func(o *SinkOptions) {
				if c.change != nil {
					c.change(o)
				}
				o.Overwrite = true
			})
			if got, err := s.Resume(); err != nil || len(got) != 0 {
				t.Errorf("an overwritten output resumes at %v, %v", got, err)
			}
			if after, _ := os.ReadFile(path); len(after) != 0 {
				t.Errorf("an overwritten output holds %q", after)
			}
		})
	}
}

func TestSinkInUseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	mustSink(t, path, nil)
	if _, err := sinkAt(t, path, func(o *SinkOptions) { o.Overwrite = true }); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second writer: %v", err)
	}
}

func TestSinkStartsOverWhenTheOutputWasRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := mustSink(t, path, nil)
	s.Write(t.Context(), []connectors.Record{rec(1, "a")})
	s.Close(t.Context())
	os.Remove(path)
	if got, err := mustSink(t, path, func(o *SinkOptions) { o.Run = "other" }).Resume(); err != nil || len(got) != 0 {
		t.Errorf("resumes at %v, %v", got, err)
	}
}

func TestSinkTakesAnEmptyFile(t *testing.T) {
	path := put(t, t.TempDir(), "out.jsonl", nil)
	if err := mustSink(t, path, nil).Write(t.Context(), []connectors.Record{rec(1, "a")}); err != nil {
		t.Error(err)
	}
}

func TestTombstonesWriteNothingButCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := mustSink(t, path, nil)
	tombstone := rec(2, "")
	tombstone.Value = nil
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "a"), tombstone}); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Resume(); len(got) != 1 || got[0].Offset != 2 {
		t.Errorf("resumes at %v", got)
	}
	if got, _ := os.ReadFile(path); string(got) != "a\n" {
		t.Errorf("output %q", got)
	}
}

func TestBadRecordsLeaveTheOutputAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := mustSink(t, path, nil)
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "a"), rec(2, "b\nc")}); err == nil || !strings.Contains(err.Error(), "in:2 holds a line break") {
		t.Errorf("a line break: %v", err)
	}
	bad := rec(1, "a")
	bad.Origin.Stream = "\xff"
	if err := s.Write(t.Context(), []connectors.Record{bad}); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("a stream that JSON cannot carry: %v", err)
	}
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "a")}); err != nil {
		t.Errorf("a good batch behind: %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "a\n" {
		t.Errorf("output %q", got)
	}
}

func TestStdoutHasNoLedger(t *testing.T) {
	var out bytes.Buffer
	s := mustSink(t, "-", func(o *SinkOptions) { o.Stdout = &out })
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "a")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Advance(t.Context(), []connectors.Origin{rec(2, "").Origin}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Resume(); err != nil || got != nil {
		t.Errorf("resumes at %v, %v", got, err)
	}
	s.Close(t.Context())
	if out.String() != "a\n" {
		t.Errorf("output %q", out.String())
	}
}

func TestNamedPipeOutputHasNoLedger(t *testing.T) {
	path := namedPipe(t)
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(path)
		got <- string(b)
	}()
	s := mustSink(t, path, nil)
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "a")}); err != nil {
		t.Fatal(err)
	}
	s.Close(t.Context())
	if g := <-got; g != "a\n" {
		t.Errorf("the reader got %q", g)
	}
	if _, err := os.Stat(path + LedgerSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ledger of a pipe: %v", err)
	}
}

// failing refuses its n-th write, having taken half of it.
type failing struct {
	io.Writer
	n int
}

func (f *failing) Write(b []byte) (int, error) {
	if f.n--; f.n == 0 {
		n, _ := f.Writer.Write(b[:len(b)/2])
		return n, errors.New("no space left")
	}
	return f.Writer.Write(b)
}

func TestStdoutErrorsLast(t *testing.T) {
	var out bytes.Buffer
	s := mustSink(t, "-", func(o *SinkOptions) { o.Stdout = &failing{&out, 2} })
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "a")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Write(t.Context(), []connectors.Record{rec(2, "b")}); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("error %v", err)
		}
	}
}

// faulty is an output whose next write or flush fails.
type faulty struct {
	output
	write, sync error
}

func (f *faulty) Write(b []byte) (int, error) {
	if err := f.write; err != nil {
		f.write = nil
		n, _ := f.output.Write(b[:len(b)/2])
		return n, err
	}
	return f.output.Write(b)
}

func (f *faulty) Sync() error {
	if err := f.sync; err != nil {
		f.sync = nil
		return err
	}
	return f.output.Sync()
}

// A full disk: half of the batch is there, and is cut; when there is room again, the
// same batch goes on.
func TestAFailedWriteIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := mustSink(t, path, nil)
	if err := s.Write(t.Context(), []connectors.Record{rec(1, "one")}); err != nil {
		t.Fatal(err)
	}
	s.file = &faulty{output: s.file, write: errors.New("no space left")}
	if err := s.Write(t.Context(), []connectors.Record{rec(2, "two")}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("error %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "one\n" {
		t.Fatalf("output %q", got)
	}
	if err := s.Write(t.Context(), []connectors.Record{rec(2, "two")}); err != nil {
		t.Fatal(err)
	}
	crash(s)
	if got, _ := mustSink(t, path, nil).Resume(); len(got) != 1 || got[0].Offset != 2 {
		t.Errorf("resumes at %v", got)
	}
	if got, _ := os.ReadFile(path); string(got) != "one\ntwo\n" {
		t.Errorf("output %q", got)
	}
}

// After a failed flush nobody knows what is on the disk, and a second one may say yes
// for no reason: the sink is done, and a new one cuts what the ledger does not know.
func TestAFailedFlushEndsTheSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s := mustSink(t, path, nil)
	s.file = &faulty{output: s.file, sync: errors.New("disk gone")}
	for range 2 {
		if err := s.Write(t.Context(), []connectors.Record{rec(1, "one")}); err == nil || !strings.Contains(err.Error(), "disk gone") {
			t.Fatalf("error %v", err)
		}
	}
	crash(s)
	if got, _ := mustSink(t, path, nil).Resume(); len(got) != 0 {
		t.Errorf("resumes at %v", got)
	}
	if got, _ := os.ReadFile(path); len(got) != 0 {
		t.Errorf("output %q", got)
	}
}
