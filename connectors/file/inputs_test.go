package file

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPathsAndGlobs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.jsonl", "a.jsonl", "sub/deep/c.jsonl", "out.jsonl", "out.jsonl" + LedgerSuffix, "odd[1].jsonl", "x.csv"} {
		put(t, dir, name, []byte("{}\n"))
	}
	in := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(dir, names[i])
		}
		return names
	}
	exclude := func(o *SourceOptions) { o.Exclude = in("out.jsonl", "not there") }
	src := sourceOf(t, exclude, in("x.csv", "**/*.jsonl", "a.jsonl*")...)
	want := in("x.csv", "a.jsonl", "b.jsonl", "odd[1].jsonl", "sub/deep/c.jsonl")
	if got := src.Paths(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("paths %v\nwant %v", got, want)
	}
	if got := sourceOf(t, nil, in("odd[1].jsonl")...).Paths(); len(got) != 1 {
		t.Errorf("a file with pattern characters in its name: %v", got)
	}
	if got := sourceOf(t, nil, in("*")...).Paths(); len(got) != 5 {
		t.Errorf("ledgers are inputs: %v", got)
	}

	for what, paths := range map[string][]string{
		"no input file matches":     in("*.parquet"),
		"no such file":              in("missing.jsonl"),
		"is a directory":            in("sub"),
		"is also the output":        in("out.jsonl"),
		"given twice":               in("a.jsonl", "a.jsonl"),
		"standard input is given":   {"-", "-"},
		"no input paths":            {},
		"an input path is empty":    {""},
		"syntax error in pattern":   in("[a-"),
		"is not UTF-8: rename":      {"\xff.jsonl"},
		"input - needs a standard ": {"-"},
	} {
		o := DefaultSourceOptions()
		o.Paths = paths
		exclude(&o)
		if what[0] != 'i' || !strings.Contains(what, "needs") {
			o.Stdin = strings.NewReader("")
		}
		if _, err := OpenSource(o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v: error %v, want %q", paths, err, what)
		}
	}
}

// A read that was cancelled while a pipe was silent loses nothing of what comes then.
func TestPipeGoesOnAfterCancel(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	src := sourceOf(t, func(o *SourceOptions) { o.Stdin = r }, "-")
	io.WriteString(w, "one\ntw")
	if ds, err := src.Read(t.Context(), 5); err != nil || listing(ds) != "1:4 \"one\"\n" {
		t.Fatalf("%v\n%s", err, listing(ds))
	}
	ctx, cancel := context.WithCancel(t.Context())
	read := make(chan error)
	go func() {
		_, err := src.Read(ctx, 5)
		read <- err
	}()
	cancel()
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled read: %v", err)
	}
	io.WriteString(w, "o\nthree")
	w.Close()
	ds, err := readAll(src)
	if err != nil || listing(ds) != "2:8 \"two\"\n3:13 \"three\"\n" {
		t.Fatalf("%v\n%s", err, listing(ds))
	}
}

func TestNamedPipeIsReadLikeStdin(t *testing.T) {
	path := namedPipe(t)
	go func() {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		w.Write(gzipped(t, "a\nb\n"))
		w.Close()
	}()
	ds, err := readAll(sourceOf(t, nil, path))
	if err != nil || listing(ds) != "1:2 \"a\"\n2:4 \"b\"\n" {
		t.Fatalf("%v\n%s", err, listing(ds))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []SourceOptions{
		{Paths: []string{"a"}, MaxRecordBytes: 0},
		{Paths: []string{"a"}, MaxRecordBytes: 2 << 30},
		{Paths: []string{"a"}, MaxRecordBytes: 1, Format: 9},
	} {
		if o.Validate() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, o := range []SinkOptions{
		{}, {Path: "-"}, {Path: "a", Compression: 9}, {Path: "a", Sync: 9}, {Path: "a" + LedgerSuffix}, {Path: "a", Run: "\xff"},
	} {
		if o.Validate() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for f := FormatAuto; f <= FormatTextLines; f++ {
		if got, err := ParseFormat(f.String()); err != nil || got != f {
			t.Errorf("format %v: %v %v", f, got, err)
		}
	}
	if _, err := ParseFormat("csv"); err == nil || !strings.Contains(err.Error(), "jsonl") {
		t.Errorf("unknown format: %v", err)
	}
}
