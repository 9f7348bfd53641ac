package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func encodeTensors(t *testing.T, metadata map[string]string, tensors ...Tensor) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func parseTensors(t *testing.T, tensors ...Tensor) *File {
	t.Helper()
	f, err := Parse(encodeTensors(t, nil, tensors...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mixedTensors() []Tensor {
	return []Tensor{
		{Name: "b", DType: BF16, Shape: []int{3}, F32: []float32{1, 2.5, -3}},
		{Name: "a", DType: F32, Shape: []int{2, 2}, F32: []float32{1, 2, 3, 4}},
		{Name: "z", DType: I64, Shape: []int{1}, I64: []int64{-5}},
		{Name: "scalar", DType: F32, F32: []float32{7}},
		{Name: "none", DType: F32, Shape: []int{0, 3}},
		{Name: `quote " < ä` + "\n", DType: BF16, Shape: []int{1}, F32: []float32{8}},
	}
}

func TestWriteIsReadBack(t *testing.T) {
	metadata := map[string]string{"format": "pt", "<note>": "ä\t"}
	f, err := Parse(encodeTensors(t, metadata, mixedTensors()...))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Metadata(); len(got) != 2 || got["format"] != "pt" || got["<note>"] != "ä\t" {
		t.Errorf("metadata is %q", got)
	}
	if got, want := len(f.Names()), len(mixedTensors()); got != want || !slices.IsSorted(f.Names()) {
		t.Errorf("names are %q", f.Names())
	}
	for _, want := range mixedTensors() {
		info, err := f.Info(want.Name)
		if err != nil || info.DType != want.DType || !slices.Equal(info.Shape, want.Shape) {
			t.Errorf("%q is %v, %v", want.Name, info, err)
		}
		if want.DType == I64 {
			got := make([]int64, info.Len())
			if err := f.Int64(want.Name, got); err != nil || !slices.Equal(got, want.I64) {
				t.Errorf("%q holds %v, %v", want.Name, got, err)
			}
			continue
		}
		got := make([]float32, info.Len())
		if err := f.Float32(want.Name, got); err != nil || !slices.Equal(got, want.F32) {
			t.Errorf("%q holds %v, %v", want.Name, got, err)
		}
	}
}

// The same tensors give the same bytes in any order; data begins at a multiple of 8.
func TestWriteIsDeterministic(t *testing.T) {
	metadata := map[string]string{"c": "1", "b": "2", "a": "3"}
	want := encodeTensors(t, metadata, mixedTensors()...)
	for range 10 {
		tensors := mixedTensors()
		slices.Reverse(tensors)
		if got := encodeTensors(t, metadata, tensors...); !bytes.Equal(got, want) {
			t.Fatalf("another order gives\n%q, want\n%q", got, want)
		}
	}
	if n := binary.LittleEndian.Uint64(want); n%8 != 0 {
		t.Errorf("the header has %d bytes, not a multiple of 8", n)
	}
}

func TestWriteKeepsBits(t *testing.T) {
	want := []float32{math.Float32frombits(0x7fc00123), float32(math.Inf(-1)), math.Float32frombits(1 << 31), math.SmallestNonzeroFloat32}
	f := parseTensors(t, Tensor{Name: "w", DType: F32, Shape: []int{4}, F32: want})
	got := make([]float32, 4)
	if err := f.Float32("w", got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("element %d is %#08x, want %#08x", i, math.Float32bits(got[i]), math.Float32bits(want[i]))
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	ok := Tensor{Name: "w", DType: F32, Shape: []int{1}, F32: []float32{1}}
	for _, c := range []struct {
		name    string
		tensors []Tensor
		meta    map[string]string
		want    string
	}{
		{"duplicate", []Tensor{ok, ok}, nil, `tensor "w": occurs twice`},
		{"duplicate of another type", []Tensor{ok, {Name: "w", DType: I64, Shape: []int{1}, I64: []int64{1}}}, nil, "occurs twice"},
		{"empty name", []Tensor{{DType: F32, Shape: []int{0}}}, nil, "name: not usable"},
		{"reserved name", []Tensor{{Name: "__metadata__", DType: F32, Shape: []int{0}}}, nil, "name: not usable"},
		{"invalid name", []Tensor{{Name: "\xff", DType: F32, Shape: []int{0}}}, nil, "name: not usable"},
		{"no dtype", []Tensor{{Name: "w", Shape: []int{1}, F32: []float32{1}}}, nil, `dtype: "" cannot be written`},
		{"F16", []Tensor{{Name: "w", DType: F16, Shape: []int{1}, F32: []float32{1}}}, nil, `dtype: "F16" cannot be written`},
		{"too few", []Tensor{{Name: "w", DType: F32, Shape: []int{2}, F32: []float32{1}}}, nil, "needs 2 elements, got 1"},
		{"wrong slice", []Tensor{{Name: "w", DType: F32, Shape: []int{1}, I64: []int64{1}}}, nil, "needs 1 elements, got 0 (and 1 of another type)"},
		{"both slices", []Tensor{{Name: "w", DType: F32, Shape: []int{1}, F32: []float32{1}, I64: []int64{1}}}, nil, "and 1 of another type"},
		{"negative", []Tensor{{Name: "w", DType: F32, Shape: []int{-1}}}, nil, "dimension 0 is -1"},
		{"metadata", nil, map[string]string{"k": "\xff"}, `metadata "k": not valid UTF-8`},
	} {
		var out bytes.Buffer
		err := Write(&out, c.tensors, c.meta)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: %d bytes were written before the error", c.name, out.Len())
		}
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	for _, v := range []float32{1, 2} {
		if err := WriteFile(path, []Tensor{{Name: "w", DType: F32, Shape: []int{1}, F32: []float32{v}}}, nil); err != nil {
			t.Fatal(err)
		}
		if got := readOne(t, path); got != v {
			t.Errorf("the file holds %g, want %g", got, v)
		}
	}
	if err := WriteFile(path, []Tensor{{}}, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
	if got := readOne(t, path); got != 2 {
		t.Errorf("after a refused write the file holds %g, want 2", got)
	}
	if names := listDir(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the directory holds %q, want the file alone", names)
	}
	if err := WriteFile(filepath.Join(path, "x"), nil, nil); err == nil {
		t.Error("writing below a file succeeds")
	}
	if err := WriteFile(filepath.Join(t.TempDir(), "no", "x"), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing into no directory: error %v", err)
	}
}

// For every operation that can fail, the old file or the new one is there, and no other.
func TestWriteFileSurvivesFailures(t *testing.T) {
	write := func(d disk, path string, v float32) error {
		return writeAside(d, path, func(w io.Writer) error {
			return Write(w, []Tensor{{Name: "w", DType: F32, Shape: []int{1}, F32: []float32{v}}}, nil)
		})
	}
	for _, mode := range faultModes {
		for n := 1; ; n++ {
			path := filepath.Join(t.TempDir(), "w.safetensors")
			if err := write(newFaultDisk(t, failOnce, 0), path, 1); err != nil {
				t.Fatal(err)
			}
			d := newFaultDisk(t, mode, n)
			err := write(d, path, 2)
			d.powerLoss(t)
			got := readOne(t, path)
			if err == nil && got != 2 || got != 1 && got != 2 {
				t.Errorf("%s at operation %d, error %v: the file holds %g", mode, n, err, got)
			}
			if !d.hit {
				if n < 5 {
					t.Errorf("%s: only %d operations", mode, n-1)
				}
				break
			}
			if err == nil {
				t.Errorf("%s at operation %d is not reported", mode, n)
			}
		}
	}
}

func readOne(t *testing.T, path string) float32 {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var v [1]float32
	if err := f.Float32("w", v[:]); err != nil {
		t.Fatal(err)
	}
	return v[0]
}

func listDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
