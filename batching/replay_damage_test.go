package batching

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
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
		"version 7; this program reads": replaced(`"version":2`, `"version":7`),
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
	batches := corpusBatches(t, testCorpus(t, testDocuments(12)), 0, testRecipe(), LoaderOptions{Mem: mem}, 6)
	good, permuted := batches[0].Record(), batches[5].Record()

	// withOf returns a file of a batch with one column replaced, with of the good one.
	withOf := func(rec arrow.Record, column int, data arrow.Array) []byte {
		defer data.Release()
		columns := slices.Clone(rec.Columns())
		columns[column] = data
		changed := array.NewRecord(rec.Schema(), columns, rec.NumRows())
		defer changed.Release()
		return file(t, changed)
	}
	with := func(column int, data arrow.Array) []byte { return withOf(good, column, data) }
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
	weights := func(first, second float32) arrow.Array {
		b := array.NewListBuilderWithField(mem, arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Float32})
		defer b.Release()
		l := good.Column(trainWeight).(*array.List)
		for i := range l.Len() {
			start, end := l.ValueOffsets(i)
			row := slices.Clone(l.ListValues().(*array.Float32).Float32Values()[start:end])
			row[0], row[1] = first, second
			appendFloat32s(b, row)
		}
		return b.NewArray()
	}
	flags := array.NewBooleanBuilder(mem)
	defer flags.Release()
	for range permuted.NumRows() {
		flags.Append(true)
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
		"weight NaN at position 1":        with(trainWeight, weights(0, float32(math.NaN()))),
		"weight +Inf at position 1":       with(trainWeight, weights(0, float32(math.Inf(1)))),
		"weight -1 at position 1":         with(trainWeight, weights(0, -1)),
		"want BOS, 1, of weight 0":        with(trainWeight, weights(1, 1)),
		"cursor: there is more":           with(trainAfter, after(`{"step":1} {}`)),
		"batch of step 0: it has no rows": file(t, empty),
		"row 0: the loss of the next tok": withOf(permuted, trainNext, flags.NewArray()),
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
	old, err := os.ReadFile(filepath.Join("testdata", "v1", recordingName(0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(old)
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
