package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/conntest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerDir); dir != "" {
		os.Exit(work(dir))
	}
	goleak.VerifyTestMain(m)
}

// put writes a file under a new or given directory and returns its path.
func put(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		io.WriteString(z, p)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zstded(t *testing.T, parts ...string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var b []byte
	for _, p := range parts {
		b = z.EncodeAll([]byte(p), b)
	}
	return b
}

func sourceOf(t *testing.T, change func(*SourceOptions), paths ...string) *Source {
	t.Helper()
	o := DefaultSourceOptions()
	o.Paths = paths
	if change != nil {
		change(&o)
	}
	src, err := OpenSource(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close(context.Background()) })
	return src
}

// readAll reads to the end, or to the error it returns.
func readAll(src *Source) ([]connectors.Delivery, error) {
	var all []connectors.Delivery
	for {
		ds, err := src.Read(context.Background(), 3)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, ds...)
	}
}

// listing shows deliveries as "line:next value", one a line.
func listing(ds []connectors.Delivery) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%d:%d %q", d.Origin.Offset, d.Origin.Next, d.Value)
		if d.Err != nil {
			b.WriteString(" !")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestSourceSuite(t *testing.T) {
	lines := func(values []string) string {
		if len(values) == 0 {
			return ""
		}
		return strings.Join(values, "\n") + "\n"
	}
	kinds := map[string]struct {
		name   string
		encode func(t *testing.T, text string) []byte
	}{
		"plain": {"in.jsonl", func(_ *testing.T, text string) []byte { return []byte(text) }},
		"gzip":  {"in.jsonl.gz", func(t *testing.T, text string) []byte { return gzipped(t, text) }},
		"zstd":  {"in.zst", func(t *testing.T, text string) []byte { return zstded(t, text) }},
		"crlf, no last line break": {"in.jsonl", func(_ *testing.T, text string) []byte {
			return []byte(strings.TrimSuffix(strings.ReplaceAll(text, "\n", "\r\n"), "\r\n"))
		}},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			conntest.RunSource(t, conntest.SourceSuite{Fill: func(t *testing.T, values []string) conntest.Input {
				path := put(t, t.TempDir(), kind.name, kind.encode(t, lines(values)))
				return reopening(func() *Source { return sourceOf(t, nil, path) })
			}})
		})
	}
	t.Run("stdin", func(t *testing.T) {
		conntest.RunSource(t, conntest.SourceSuite{
			Fill: func(t *testing.T, values []string) conntest.Input {
				return reopening(func() *Source {
					return sourceOf(t, func(o *SourceOptions) { o.Stdin = strings.NewReader(lines(values)) }, "-")
				})
			},
			Idle: func(t *testing.T) connectors.Source {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close(); w.Close() })
				return sourceOf(t, func(o *SourceOptions) { o.Stdin = r }, "-")
			},
		})
	})
}

// reopening seeks each new source behind what the one before acknowledged.
func reopening(open func() *Source) conntest.Input {
	var before *Source
	return conntest.Input{Open: func(t *testing.T) connectors.Source {
		src := open()
		if before != nil {
			if err := src.Seek(before.Acknowledged()); err != nil {
				t.Fatal(err)
			}
		}
		before = src
		return src
	}}
}

func TestWhatALineIs(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", ""},
		{"blank lines are skipped and counted", "\n\na\n \t\r\nb\n\n", "3:4 \"a\"\n5:10 \"b\"\n"},
		{"crlf and no last line break", "a\r\nb\r\nc", "1:3 \"a\"\n2:6 \"b\"\n3:7 \"c\"\n"},
		{"a lone return is content", "a\rb\nc\r", "1:4 \"a\\rb\"\n2:6 \"c\\r\"\n"},
		{"bytes pass", "\xff\x00\xfe\n", "1:4 \"\\xff\\x00\\xfe\"\n"},
		{"byte order mark", "\xef\xbb\xbf{}\n{}\n", "1:6 \"{}\"\n2:9 \"{}\"\n"},
		{"at the limit", "12345678\n12345678\r\n12345678", "1:9 \"12345678\"\n2:19 \"12345678\"\n3:27 \"12345678\"\n"},
		{"over the limit", "123456789\nb\n123456789\r\n1234567890123", "1:10 \"12345678\" !\n2:12 \"b\"\n3:23 \"12345678\" !\n4:36 \"12345678\" !\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := put(t, t.TempDir(), "in.jsonl", []byte(c.content))
			ds, err := readAll(sourceOf(t, func(o *SourceOptions) { o.MaxRecordBytes = 8 }, path))
			if err != nil {
				t.Fatal(err)
			}
			if got := listing(ds); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			for _, d := range ds {
				if d.Err != nil && !errors.Is(d.Err, connectors.ErrRejected) {
					t.Errorf("a record that is at fault: %v", d.Err)
				}
			}
		})
	}
}

// A line longer than every buffer: cut, reported, and the next line is whole.
func TestALongLineIsCutAndReadingGoesOn(t *testing.T) {
	long := strings.Repeat("x", 5*bufferBytes)
	path := put(t, t.TempDir(), "in.jsonl", []byte("a\n"+long+"\nb\n"))
	ds, err := readAll(sourceOf(t, func(o *SourceOptions) { o.MaxRecordBytes = 2*bufferBytes + 7 }, path))
	if err != nil || len(ds) != 3 {
		t.Fatalf("%d records, %v", len(ds), err)
	}
	if d := ds[1]; d.Err == nil || len(d.Value) != 2*bufferBytes+7 || d.Origin.Offset != 2 {
		t.Errorf("long line: %d bytes, %v, %v", len(d.Value), d.Origin, d.Err)
	}
	if d := ds[2]; d.Err != nil || string(d.Value) != "b" || d.Origin.Next != int64(len(long)+5) {
		t.Errorf("behind it: %q, %+v, %v", d.Value, d.Origin, d.Err)
	}
}

func TestTextFiles(t *testing.T) {
	dir := t.TempDir()
	text := "\xef\xbb\xbfOnce\r\n\nupon \xff a time"
	put(t, dir, "a.txt", []byte(text))
	put(t, dir, "b.TXT.gz", gzipped(t, "zip", "ped"))
	put(t, dir, "c.txt", nil)
	put(t, dir, "d.txt", []byte("0123456789012345678901234567890"))
	src := sourceOf(t, func(o *SourceOptions) { o.MaxRecordBytes = 30 }, filepath.Join(dir, "*"))
	ds, err := readAll(src)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("1:%d %q\n1:6 \"zipped\"\n1:31 \"012345678901234567890123456789\" !\n", len(text), text)
	if got := listing(ds); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, d := range ds {
		if len(d.Headers) != 1 || d.Headers[0].Name != connectors.HeaderContentType || string(d.Headers[0].Value) != connectors.ContentTypeText {
			t.Errorf("%v: headers %v", d.Origin, d.Headers)
		}
	}
	src = sourceOf(t, func(o *SourceOptions) { o.Format = FormatTextLines }, filepath.Join(dir, "a.txt"))
	if ds, err = readAll(src); err != nil || len(ds) != 2 || string(ds[0].Value) != "Once" || len(ds[1].Headers) != 1 {
		t.Errorf("as lines: %s %v", listing(ds), err)
	}
}

func TestCompressionIsSeenByNameAndByContent(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"named.gz": gzipped(t, "a\n", "b\n"), "gzip.jsonl": gzipped(t, "a\nb\n"),
		"named.zst": zstded(t, "a\n", "b\n"), "zstd.jsonl": zstded(t, "a\nb\n"),
		"skippable.zst": append([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, zstded(t, "a\nb\n")...),
	} {
		ds, err := readAll(sourceOf(t, nil, put(t, dir, name, content)))
		if err != nil || listing(ds) != "1:2 \"a\"\n2:4 \"b\"\n" {
			t.Errorf("%s: %v\n%s", name, err, listing(ds))
		}
	}
	for _, name := range []string{"empty.gz", "empty.zst"} {
		if ds, err := readAll(sourceOf(t, nil, put(t, dir, name, nil))); err != nil || len(ds) != 0 {
			t.Errorf("%s: %v %s", name, err, listing(ds))
		}
	}
}

// Records before the damage come; the cut one does not; the error names the place.
func TestDamagedCompressionIsAnError(t *testing.T) {
	dir := t.TempDir()
	whole := zstded(t, "a\nb\n", "c\n"+strings.Repeat("0123456789abcdef", 30))
	packed := gzipped(t, "a\nb\n", "c\n"+strings.Repeat("0123456789abcdef", 30))
	for name, content := range map[string][]byte{
		"cut.zst": whole[:len(whole)-3], "cut.gz": packed[:len(packed)-9],
	} {
		src := sourceOf(t, nil, put(t, dir, name, content))
		ds, err := readAll(src)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: error %v", name, err)
		}
		if len(ds) < 2 || len(ds) > 3 {
			t.Errorf("%s: records\n%s", name, listing(ds))
		}
		if _, again := src.Read(t.Context(), 1); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: the error does not last: %v", name, again)
		}
	}
	if _, err := readAll(sourceOf(t, nil, put(t, dir, "plain.gz", []byte("not packed\n")))); err == nil {
		t.Error("a .gz file that is no gzip is read")
	}
}

func TestOneReadHoldsABoundedNumberOfBytes(t *testing.T) {
	path := put(t, t.TempDir(), "in.jsonl", bytes.Repeat([]byte("0123456789\n"), 50))
	src := sourceOf(t, func(o *SourceOptions) { o.MaxRecordBytes = 35 }, path)
	if ds, err := src.Read(t.Context(), 50); err != nil || len(ds) != 4 {
		t.Fatalf("%d records, %v; want 4", len(ds), err)
	}
}
