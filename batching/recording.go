package batching

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A recording is a directory of files, each a run of consecutive batches:
//
//	Arrow IPC stream: schema, one record batch a step, end marker
//	footer            JSON
//	length            uint32, of the footer
//	checksum          uint32, CRC-32C of all bytes before it
//	magic             "A3BATCH\n"
//
// All integers are little-endian. Any Arrow reader reads such a file, for it stops
// at the end marker. The checksum is verified before anything is decoded.

const (
	recordingMagic  = "A3BATCH\n"
	recordingPrefix = "batches-"
	recordingSuffix = ".arrows"
	temporarySuffix = ".tmp"
	tailSize        = 4 + 4 + len(recordingMagic)
	maxFooter       = 1 << 20
)

// footer says what a file of a recording holds.
type footer struct {
	Schema  string `json:"schema"` // "training"
	Version int    `json:"version"`
	First   int    `json:"first"` // the first batch's step
	Count   int    `json:"count"` // number of batches
	Recipe  Recipe `json:"recipe"`
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendTail writes the footer and all that is behind it. sum is the checksum of the
// bytes so far.
func (f footer) appendTail(w io.Writer, sum uint32) error {
	blob, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	if len(blob) > maxFooter {
		return fmt.Errorf("footer: %d bytes are over the limit of %d; the curriculum is too long", len(blob), maxFooter)
	}
	tail := binary.LittleEndian.AppendUint32(blob, uint32(len(blob)))
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Update(sum, castagnoli(), tail))
	_, err = w.Write(append(tail, recordingMagic...))
	return err
}

// readFooter verifies a file of the given size and returns its footer and the size of
// the Arrow stream before it.
func readFooter(r io.ReaderAt, size int64) (f footer, stream int64, err error) {
	tail := make([]byte, tailSize)
	if size < int64(len(tail)) {
		return f, 0, fmt.Errorf("%d bytes are too few for a recording; the file is truncated", size)
	}
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil {
		return f, 0, err
	}
	if string(tail[8:]) != recordingMagic {
		return f, 0, fmt.Errorf("it does not end in %q; the file is truncated or no recording", recordingMagic)
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	stream = size - int64(tailSize) - length
	if length > maxFooter || stream < 0 {
		return f, 0, fmt.Errorf("footer of %d bytes in a file of %d; the file is damaged", length, size)
	}
	sum := crc32.New(castagnoli())
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, size-int64(tailSize)+4)); err != nil {
		return f, 0, err
	}
	if got, want := sum.Sum32(), binary.LittleEndian.Uint32(tail[4:]); got != want {
		return f, 0, fmt.Errorf("checksum is %08x, want %08x; the file is damaged", got, want)
	}
	blob := make([]byte, length)
	if _, err := r.ReadAt(blob, stream); err != nil {
		return f, 0, err
	}
	// The version first, leniently: another version may have other fields.
	var kind struct {
		Schema  string `json:"schema"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(blob, &kind); err != nil {
		return f, 0, fmt.Errorf("footer: %w", err)
	}
	if kind.Schema != "training" || kind.Version < 1 || kind.Version > version {
		return f, 0, fmt.Errorf("it holds schema %q of version %d; this program reads training, versions 1 to %d", kind.Schema, kind.Version, version)
	}
	if err := decodeStrict(blob, &f); err != nil {
		return f, 0, fmt.Errorf("footer: %w", err)
	}
	if f.First < 0 || f.Count < 1 {
		return f, 0, fmt.Errorf("footer: first is %d and count %d", f.First, f.Count)
	}
	if err := f.Recipe.Validate(); err != nil {
		return f, 0, fmt.Errorf("footer: %w", err)
	}
	return f, stream, nil
}

func recordingName(first int) string {
	return fmt.Sprintf("%s%012d%s", recordingPrefix, first, recordingSuffix)
}

// recordingFiles returns the first steps of the files of a recording, ascending.
func recordingFiles(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var firsts []int
	for _, e := range entries {
		digits, isFile := strings.CutSuffix(strings.TrimPrefix(e.Name(), recordingPrefix), recordingSuffix)
		if first, err := strconv.Atoi(digits); isFile && err == nil && e.Name() == recordingName(first) {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
