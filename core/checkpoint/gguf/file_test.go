package gguf

import (
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
)

// golden was written by the reference implementation; testdata/golden.py says how.
const golden = "testdata/golden.gguf"

func openGolden(t *testing.T) *File {
	t.Helper()
	f, err := Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Each type, bit for bit as the reference implementation dequantises it.
func TestDequantise(t *testing.T) {
	f := openGolden(t)
	types := 0
	for _, name := range f.Names() {
		if strings.HasSuffix(name, ".expected") {
			continue
		}
		types++
		info, err := f.Info(name)
		if err != nil || info.Type.String() != name || !slices.Equal(info.Shape, []int{3, 512}) {
			t.Fatalf("%s: %+v, %v", name, info, err)
		}
		want := values(t, f, name+".expected")
		got := values(t, f, name)
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("%s: element %d is %x, want %x", name, i, got[i], want[i])
			}
		}
	}
	if types != 13 {
		t.Errorf("%d types were compared, want 13", types)
	}
}

func values(t *testing.T, f *File, name string) []float32 {
	t.Helper()
	info, err := f.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, info.Len())
	if err := f.Float32At(name, 0, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Any part of a tensor is that part of the whole, with borders inside blocks too, from a
// file that is mapped, in memory, or neither.
func TestFloat32At(t *testing.T) {
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	inMemory, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	unmapped := openUnmapped(t, golden)
	for _, name := range []string{"F32", "F16", "Q4_1", "Q6_K"} {
		want := values(t, openGolden(t), name)
		for _, f := range []*File{inMemory, unmapped} {
			for _, part := range [][2]int{{0, 0}, {0, 1}, {31, 33}, {1, 1536}, {255, 257}, {256, 512}, {700, 1400}, {1535, 1536}, {1536, 1536}} {
				got := make([]float32, part[1]-part[0])
				if err := f.Float32At(name, part[0], got); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want[part[0]:part[1]]) {
					t.Errorf("%s: elements %v differ", name, part)
				}
			}
		}
	}
	for _, part := range [][2]int{{-1, 1}, {1536, 1}, {0, 1537}, {1, 1536}} {
		err := inMemory.Float32At("F32", part[0], make([]float32, part[1]))
		if err == nil || !strings.Contains(err.Error(), "has 1536 elements") {
			t.Errorf("%d elements from %d on: error %v", part[1], part[0], err)
		}
	}
	if err := inMemory.Float32At("x", 0, nil); err == nil || !strings.Contains(err.Error(), `no tensor "x"`) {
		t.Errorf("a tensor that is not there: error %v", err)
	}
}

// A tensor that takes several pieces of a file which is not mapped.
func TestFloat32AtPieces(t *testing.T) {
	const blocks = 3*pieceBytes/34 + 5
	data := make([]byte, blocks*34)
	for i := range data {
		if data[i] = byte(i % 251); i%34 < 2 {
			data[i] = 0x3c * byte(i%34) // the scale is 1
		}
	}
	file := gguftest.New().Tensor("w", uint32(Q8_0), 0, 32*blocks).File(data)
	path := filepath.Join(t.TempDir(), "w.gguf")
	if err := os.WriteFile(path, file, 0o666); err != nil {
		t.Fatal(err)
	}
	got := values(t, openUnmapped(t, path), "w")
	for i, v := range got {
		if want := float32(int8(data[i/32*34+2+i%32])); v != want {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
}

// openUnmapped opens a file as a system does that cannot map it.
func openUnmapped(t *testing.T, path string) *File {
	t.Helper()
	handle, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := open(struct {
		fs.File
		io.ReaderAt
	}{handle, handle})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if f.bytes.View() != nil {
		t.Fatal("the fallback is not what is tested")
	}
	return f
}
