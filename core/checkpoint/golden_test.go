package checkpoint

import (
	"bytes"
	"context"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of the current version anew")

// The golden files of a version are what it wrote. When the format changes, its
// version does, a folder is added and the old ones stay: they must always be readable.
const goldenV1 = "testdata/v1"

// goldenTensors has each type that is written, at odd sizes.
func goldenTensors() []Tensor {
	return []Tensor{
		{Name: "bf16", DType: BF16, Shape: []int{3}, F32: []float32{1, -2.5, 3.14159}},
		{Name: "f32", DType: F32, Shape: []int{2, 2}, F32: []float32{1, -2.5, 3.14159, 0x1p-149}},
		{Name: "i64", DType: I64, Shape: []int{2}, I64: []int64{-1, 1 << 62}},
		{Name: "scalar", DType: F32, F32: []float32{7}},
	}
}

// TestGolden writes what the golden files hold and compares, byte for byte.
func TestGolden(t *testing.T) {
	dir := t.TempDir()
	err := WriteFile(filepath.Join(dir, "tensors.safetensors"), goldenTensors(), map[string]string{"format": "pt", "note": "golden"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, 3)
	s.Close()
	if err := os.Remove(filepath.Join(dir, "run", lockName)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.RemoveAll(goldenV1); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(goldenV1, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	got, want := readTree(t, dir), readTree(t, goldenV1)
	if !slices.Equal(sortedKeys(got), sortedKeys(want)) {
		t.Fatalf("written are %q, golden are %q", sortedKeys(got), sortedKeys(want))
	}
	for _, name := range sortedKeys(want) {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s: written is\n%q, golden is\n%q", name, got[name], want[name])
		}
	}
}

// TestGoldenIsRead reads the golden files of version 1.
func TestGoldenIsRead(t *testing.T) {
	f, err := Open(goldenV1 + "/tensors.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string][]float32{
		"f32": {1, -2.5, 3.14159, 0x1p-149}, "scalar": {7},
		"bf16": {1, -2.5, 3.140625}, // the nearest of 8 bits
	}
	for name, want := range want {
		got := make([]float32, len(want))
		if err := f.Float32(name, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v, %v, want %v", name, got, err, want)
		}
	}
	var ids [2]int64
	if err := f.Int64("i64", ids[:]); err != nil || ids != [2]int64{-1, 1 << 62} {
		t.Errorf("i64 is %v, %v", ids, err)
	}
	if f.Metadata()["note"] != "golden" {
		t.Errorf("metadata is %q", f.Metadata())
	}
	c, err := Load(context.Background(), goldenV1+"/run/step-00000003")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	checkState(t, c)
	// Fixed here as well, so that a change of what it covers is seen.
	if want := "e72368541a2dd82800ae48fdecfa58975a4e21e9edfd0f4f7c7c5ee81f133a4f"; c.Manifest.Digest.String() != want {
		t.Errorf("digest is %s, want %s", c.Manifest.Digest, want)
	}
}

// TestOracle opens every safetensors file and configuration of a folder of golden
// vectors, which another implementation wrote, and writes them again.
func TestOracle(t *testing.T) {
	dir := os.Getenv("A3_ORACLE")
	switch {
	case dir == "":
		dir = filepath.Join("..", "internal", "oracle", "testdata")
	case !filepath.IsAbs(dir):
		dir = filepath.Join("..", "..", dir) // relative to the repository's root
	}
	var files, configs int
	for name, text := range readTree(t, dir) {
		switch {
		case strings.HasSuffix(name, ".safetensors"):
			files++
			f, err := Open(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
				continue
			}
			f.Finite = true
			rewrite(t, f)
			f.Close()
		case filepath.Base(name) == configName:
			configs++
			c, err := ParseConfig(text)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if _, err := c.Encode(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if files == 0 || configs == 0 {
		t.Errorf("%s holds %d safetensors files and %d configurations", dir, files, configs)
	}
	t.Logf("%d files, %d configurations", files, configs)
}

// rewrite reads every tensor that can be written, writes it and compares the bytes.
func rewrite(t *testing.T, f *File) {
	t.Helper()
	var tensors []Tensor
	for _, name := range f.Names() {
		info, err := f.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		tensor := Tensor{Name: name, DType: info.DType, Shape: info.Shape}
		switch info.DType {
		case F32, BF16:
			tensor.F32 = make([]float32, info.Len())
			err = f.Float32(name, tensor.F32)
		case I64:
			tensor.I64 = make([]int64, info.Len())
			err = f.Int64(name, tensor.I64)
		default:
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, tensor)
	}
	again := parseTensors(t, tensors...)
	for _, tensor := range tensors {
		want, err := f.Bytes(tensor.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Bytes(tensor.Name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("tensor %q is written as other bytes than were read: %v", tensor.Name, err)
		}
	}
}

// readTree returns the content of every file below dir by its path.
func readTree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	fsys := os.DirFS(dir)
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		all[name], err = fs.ReadFile(fsys, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
