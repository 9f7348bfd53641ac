package batching

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files in testdata")

// record writes batches to a recording.
func record(t testing.TB, dir string, batches []*TrainingBatch, opts RecorderOptions) {
	t.Helper()
	r, err := NewRecorder(dir, testRecipe(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := r.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func openReplay(t testing.TB, dir string, mem memory.Allocator) *Replay {
	t.Helper()
	r, err := OpenReplay(dir, mem)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRecordAndReplay(t *testing.T) {
	mem := checked(t)
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 25)
	for _, perFile := range []int{0, 1, 10, 25} {
		dir := filepath.Join(t.TempDir(), "recording")
		record(t, dir, batches, RecorderOptions{Mem: mem, PerFile: perFile})
		r := openReplay(t, dir, mem)
		replayed := take(t, r, 0, 1000)
		sameBatches(t, replayed, batches)
		if r.First() != 0 {
			t.Errorf("First = %d", r.First())
		}
		sameBatches(t, take(t, r, 13, 1), batches[13:14]) // any step, backwards too
		sameBatches(t, take(t, r, 4, 3), batches[4:7])
		for i, b := range replayed {
			if got, want := fmt.Sprint(b.After()), fmt.Sprint(batches[i].After()); got != want {
				t.Fatalf("batch %d: cursor %s, want %s", i, got, want)
			}
		}
	}
}

// TestReplayReleasedElsewhere: batches outlive the replay, and may be released by
// another goroutine while it reads on.
func TestReplayReleasedElsewhere(t *testing.T) {
	mem, dir := checked(t), t.TempDir()
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 20)
	record(t, dir, batches, RecorderOptions{Mem: mem})
	r, trained := openReplay(t, dir, mem), make(chan *TrainingBatch, 3)
	done := make(chan float64)
	go func() {
		var sum float64
		for b := range trained {
			sum += b.Weight()
			b.Release()
		}
		done <- sum
	}()
	var want float64
	for step := range batches {
		b, err := r.Next(context.Background(), step)
		if err != nil {
			t.Fatal(err)
		}
		want += b.Weight()
		trained <- b
	}
	r.Close()
	close(trained)
	if got := <-done; got != want {
		t.Errorf("weights sum to %g, want %g", got, want)
	}
}

// TestResumeRecording: a run that goes on from a checkpoint replaces what the run
// before it had recorded behind that checkpoint.
func TestResumeRecording(t *testing.T) {
	mem, dir := checked(t), t.TempDir()
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 30)
	record(t, dir, batches[:20], RecorderOptions{Mem: mem, PerFile: 8}) // 0-7, 8-15, 16-19

	if _, err := NewRecorder(dir, testRecipe(), RecorderOptions{}); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a new run into a used directory: %v", err)
	}
	// Killed while it wrote: a temporary file stays.
	torn := filepath.Join(dir, recordingName(20)+temporarySuffix)
	if err := os.WriteFile(torn, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	record(t, dir, batches[12:18], RecorderOptions{Mem: mem, From: 12}) // within 8-15
	firsts, err := recordingFiles(dir)
	if err != nil || !slices.Equal(firsts, []int{0, 8, 12}) {
		t.Errorf("files begin at %v, %v", firsts, err)
	}
	if _, err := os.Stat(torn); !os.IsNotExist(err) {
		t.Errorf("the torn file: %v", err)
	}
	sameBatches(t, take(t, openReplay(t, dir, mem), 0, 100), batches[:18])
	record(t, dir, nil, RecorderOptions{Mem: mem, From: 8})
	sameBatches(t, take(t, openReplay(t, dir, mem), 0, 100), batches[:8])
}

func TestRecorderFlushAndErrors(t *testing.T) {
	mem, dir := checked(t), t.TempDir()
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 4)
	r, err := NewRecorder(dir, testRecipe(), RecorderOptions{Mem: mem})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil { // nothing yet: no file
		t.Fatal(err)
	}
	for _, b := range batches[:2] {
		if err := r.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	sameBatches(t, take(t, openReplay(t, dir, mem), 0, 9), batches[:2]) // while the recorder is open
	if err := r.Write(batches[2]); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the error stays
		if err := r.Write(batches[0]); err == nil || !strings.Contains(err.Error(), "step 3 is next") {
			t.Errorf("Write of the wrong step = %v", err)
		}
	}
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "step 3 is next") {
		t.Errorf("Close behind an error = %v", err)
	}
	if err := r.Write(batches[3]); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Write behind Close = %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, %v; want what was flushed alone", len(entries), err)
	}
	for want, opts := range map[string]RecorderOptions{"negative": {PerFile: -1}} {
		if _, err := NewRecorder(t.TempDir(), testRecipe(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewRecorder(%+v) = %v", opts, err)
		}
	}
}

func TestReplayGapsAndEnds(t *testing.T) {
	mem, dir := checked(t), t.TempDir()
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 9)
	if _, err := OpenReplay(dir, mem); err == nil || !strings.Contains(err.Error(), "no recorded batches") {
		t.Errorf("OpenReplay of an empty directory = %v", err)
	}
	record(t, dir, batches[1:], RecorderOptions{Mem: mem, PerFile: 3, From: 1}) // 1-3, 4-6, 7-8
	if err := os.Remove(filepath.Join(dir, recordingName(4))); err != nil {
		t.Fatal(err)
	}
	r := openReplay(t, dir, mem)
	take(t, r, 1, 3)
	for step, want := range map[int]string{0: "before the recording's first, 1", 4: "steps 4 to 6 are missing", 9: "EOF"} {
		if _, err := r.Next(context.Background(), step); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Next(%d) = %v, want an error with %q", step, err, want)
		}
	}
	sameBatches(t, take(t, r, 7, 9), batches[7:]) // an error is not the end
	if err := os.Rename(filepath.Join(dir, recordingName(7)), filepath.Join(dir, recordingName(5))); err != nil {
		t.Fatal(err)
	}
	if _, err := openReplay(t, dir, mem).Next(context.Background(), 5); err == nil || !strings.Contains(err.Error(), "begins with step 7") {
		t.Errorf("a renamed file: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Next(ctx, 1); err != context.Canceled {
		t.Errorf("Next under an ended context = %v", err)
	}
}

// text describes batches for people.
func text(batches []*TrainingBatch) string {
	var b strings.Builder
	for _, batch := range batches {
		fmt.Fprintf(&b, "step %d, stage %d, weight %g, after %+v\n", batch.Step(), batch.Stage(), batch.Weight(), batch.After())
		for i, s := range batch.Segments() {
			fmt.Fprintf(&b, "  %+v\n    tokens %3d\n    group  %3d\n    weight %3g\n", batch.Row(i), s.Tokens, s.Group, s.Weight)
			if s.Next {
				fmt.Fprintln(&b, "    next")
			}
		}
	}
	return b.String()
}

// TestGoldenFile: files of this version are read for ever, and a batch is what it was.
func TestGoldenFile(t *testing.T) {
	mem, dir := checked(t), filepath.Join("testdata", "v2")
	batches := corpusBatches(t, testCorpus(t, testDocuments(3)), 0, testRecipe(), LoaderOptions{Mem: mem}, 16)
	golden := filepath.Join(dir, "batches.txt")
	if *rewrite {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		record(t, dir, batches, RecorderOptions{Mem: mem})
		if err := os.WriteFile(golden, []byte(text(batches)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(batches); got != string(want) {
		t.Errorf("the batches have changed (run with -rewrite to accept):\n%s", got)
	}
	if !strings.Contains(string(want), "next\n") {
		t.Error("no row of the golden file scores its content stream")
	}
	if got := text(take(t, openReplay(t, dir, mem), 0, 100)); got != string(want) {
		t.Errorf("the golden file reads as\n%s", got)
	}
	// Any Arrow reader reads it, and finds the recipe.
	blob, err := os.ReadFile(filepath.Join(dir, recordingName(0)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ipc.NewReader(bytes.NewReader(blob), ipc.WithAllocator(mem))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Release()
	n := 0
	for ; plain.Next(); n++ {
		if !sameRecord(plain.Record(), batches[n].Record()) {
			t.Errorf("batch %d differs", n)
		}
	}
	if plain.Err() != nil || n != len(batches) {
		t.Errorf("a plain reader finds %d batches, %v", n, plain.Err())
	}
}

// TestGoldenVersion1: a file of version 1 is read, as batches of this version that can be
// recorded again.
func TestGoldenVersion1(t *testing.T) {
	mem, dir := checked(t), filepath.Join("testdata", "v1")
	want, err := os.ReadFile(filepath.Join(dir, "batches.txt"))
	if err != nil {
		t.Fatal(err)
	}
	batches := take(t, openReplay(t, dir, mem), 0, 100)
	if got := text(batches); got != string(want) {
		t.Errorf("the golden file of version 1 reads as\n%s", got)
	}
	again := t.TempDir()
	record(t, again, batches, RecorderOptions{Mem: mem})
	if got := text(take(t, openReplay(t, again, mem), 0, 100)); got != string(want) {
		t.Errorf("recorded again it reads as\n%s", got)
	}
}
