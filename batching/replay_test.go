package batching

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
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

// recordingBytes returns one file of a recording.
func recordingBytes(t testing.TB, mem memory.Allocator, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, n)
	record(t, dir, batches, RecorderOptions{Mem: mem})
	blob, err := os.ReadFile(filepath.Join(dir, recordingName(0)))
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// replayBytes reads all batches of a file and returns how many there were.
func replayBytes(blob []byte, mem memory.Allocator) (int, error) {
	r, err := openRecording(bytes.NewReader(blob), int64(len(blob)), mem)
	if err != nil {
		return 0, err
	}
	defer r.close()
	for n := 0; ; n++ {
		b, err := r.next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		b.Release()
	}
}

// seal gives changed bytes a checksum that is right, so that the layers below it are
// tested.
func seal(blob []byte) []byte {
	blob = slices.Clone(blob)
	if at := len(blob) - len(recordingMagic) - 4; at >= 0 {
		binary.LittleEndian.PutUint32(blob[at:], crc32.Checksum(blob[:at], castagnoli()))
	}
	return blob
}

func TestReplayDamage(t *testing.T) {
	mem := checked(t)
	blob := recordingBytes(t, mem, 3)
	if n, err := replayBytes(seal(blob), mem); n != 3 || err != nil {
		t.Fatalf("undamaged: %d batches, %v", n, err)
	}
	for cut := 0; cut < len(blob); cut += 7 {
		if _, err := replayBytes(blob[:cut], mem); err == nil || !strings.Contains(err.Error(), "truncated") {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	for at := 0; at < len(blob); at += 11 {
		flipped := slices.Clone(blob)
		flipped[at] ^= 0x10
		if _, err := replayBytes(flipped, mem); err == nil {
			t.Fatalf("byte %d flipped: no error", at)
		}
		for _, mask := range []byte{0x10, 0x90, 0xef} { // lengths that are large, and negative
			flipped[at] = blob[at] ^ mask
			_, _ = replayBytes(seal(flipped), mem) // may be another valid file; must not panic or leak
		}
	}
	replaced := func(old, new string) []byte {
		if !bytes.Contains(blob, []byte(old)) || len(old) != len(new) {
			t.Fatalf("%q cannot stand for %q", new, old)
		}
		i := bytes.LastIndex(blob, []byte(old)) // in the footer
		return seal(slices.Replace(slices.Clone(blob), i, i+len(old), []byte(new)...))
	}
	for want, damaged := range map[string][]byte{
		"version 7; this program reads": replaced(`"version":1`, `"version":7`),
		`schema "trainimg"`:             replaced(`"training"`, `"trainimg"`),
		"fewer batches than the footer": replaced(`"count":3`, `"count":4`),
		"more than the 2 batches":       replaced(`"count":3`, `"count":2`),
		"step 0 where step 1 should be": replaced(`"first":0`, `"first":1`),
		"over the budget of 20":         replaced(`"budget":40`, `"budget":20`),
		"footer: invalid character":     replaced(`"vocab":100`, `"vocab":010`),
		"unknown field":                 replaced(`"count"`, `"couns"`),
	} {
		if _, err := replayBytes(damaged, mem); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

// TestReplayHostile: files whose checksum is right but whose batches are not.
func TestReplayHostile(t *testing.T) {
	mem := checked(t)
	good := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 1)[0].Record()

	// with returns a file of the good batch with one column replaced.
	with := func(column int, data arrow.Array) []byte {
		defer data.Release()
		columns := slices.Clone(good.Columns())
		columns[column] = data
		rec := array.NewRecord(good.Schema(), columns, good.NumRows())
		defer rec.Release()
		return file(t, rec)
	}
	ints := func(change func(i int, row []int32) []int32, column int) arrow.Array {
		b := array.NewListBuilder(mem, arrow.PrimitiveTypes.Int32)
		defer b.Release()
		l := good.Column(column).(*array.List)
		for i := range l.Len() {
			start, end := l.ValueOffsets(i)
			appendInt32s(b, change(i, slices.Clone(l.ListValues().(*array.Int32).Int32Values()[start:end])))
		}
		arr := b.NewListArray()
		defer arr.Release()
		data := array.NewData(listOfInt32(), arr.Len(), arr.Data().Buffers(), arr.Data().Children(), 0, 0)
		defer data.Release()
		return array.MakeFromData(data)
	}
	set := func(p int, value int32) func(int, []int32) []int32 {
		return func(i int, row []int32) []int32 {
			if i == 1 {
				row[p] = value
			}
			return row
		}
	}
	after := func(text string) arrow.Array {
		b := array.NewStringBuilder(mem)
		defer b.Release()
		for range good.NumRows() {
			b.Append(text)
		}
		return b.NewArray()
	}
	empty := good.NewSlice(0, 0)
	defer empty.Release()
	for want, blob := range map[string][]byte{
		"row 1: token 100 at position 2":  with(trainTokens, ints(set(2, testVocab), trainTokens)),
		"row 1: token -1 at position 2":   with(trainTokens, ints(set(2, -1), trainTokens)),
		"row 1: it starts with token 7":   with(trainTokens, ints(set(0, 7), trainTokens)),
		"row 1: group -1 at position 1":   with(trainGroup, ints(set(1, -1), trainGroup)),
		"row 0: 2 tokens, ":               with(trainTokens, ints(func(_ int, row []int32) []int32 { return row[:2] }, trainTokens)),
		"cursor: ":                        with(trainAfter, after(`{"step":1,"what":2}`)),
		"cursor: there is more":           with(trainAfter, after(`{"step":1} {}`)),
		"batch of step 0: it has no rows": file(t, empty),
	} {
		if _, err := replayBytes(blob, mem); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

// file returns a recording of one record, whatever is in it.
func file(t testing.TB, rec arrow.Record) []byte {
	t.Helper()
	var blob bytes.Buffer
	w := ipc.NewWriter(&blob, ipc.WithSchema(rec.Schema()))
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	foot := footer{Schema: "training", Version: version, Count: 1, Recipe: testRecipe()}
	if err := foot.appendTail(&blob, crc32.Checksum(blob.Bytes(), castagnoli())); err != nil {
		t.Fatal(err)
	}
	return blob.Bytes()
}

// peak is an allocator that notes the most that was ever taken.
type peak struct {
	*memory.CheckedAllocator
	most int
}

func (p *peak) Allocate(size int) []byte {
	b := p.CheckedAllocator.Allocate(size)
	p.most = max(p.most, p.CurrentAlloc())
	return b
}

// FuzzReplay: whatever the bytes, with a right checksum or not, replay ends in an error
// or in valid batches; it never panics, leaks or takes more memory than the file is worth.
func FuzzReplay(f *testing.F) {
	blob := recordingBytes(f, memory.NewGoAllocator(), 2)
	f.Add(blob)
	f.Add(blob[:len(blob)/2])
	f.Add([]byte(nil))
	f.Add([]byte(recordingMagic))
	for at := 8; at < len(blob); at += len(blob) / 16 {
		garbled := slices.Clone(blob)
		garbled[at] ^= 0xff
		f.Add(garbled)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		for _, data := range [][]byte{blob, seal(blob)} {
			mem := &peak{CheckedAllocator: memory.NewCheckedAllocator(memory.NewGoAllocator())}
			n, err := replayBytes(data, mem)
			if err == nil && n == 0 {
				t.Error("no batch and no error")
			}
			mem.AssertSize(t, 0)
			if limit := 2*len(data) + 1<<17; mem.most > limit {
				t.Errorf("%d bytes allocated for a file of %d", mem.most, len(data))
			}
		}
	})
}

// TestGoldenFile: files of this version are read for ever, and a batch is what it was.
func TestGoldenFile(t *testing.T) {
	mem, dir := checked(t), filepath.Join("testdata", "v1")
	batches := corpusBatches(t, testCorpus(t, testDocuments(3)), 0, testRecipe(), LoaderOptions{Mem: mem}, 9)
	text := func(batches []*TrainingBatch) string {
		var b strings.Builder
		for _, batch := range batches {
			fmt.Fprintf(&b, "step %d, stage %d, weight %g, after %+v\n", batch.Step(), batch.Stage(), batch.Weight(), batch.After())
			for i, s := range batch.Segments() {
				fmt.Fprintf(&b, "  %+v\n    tokens %3d\n    group  %3d\n    weight %3g\n", batch.Row(i), s.Tokens, s.Group, s.Weight)
			}
		}
		return b.String()
	}
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
	if got := text(take(t, openReplay(t, dir, mem), 0, 10)); got != string(want) {
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
