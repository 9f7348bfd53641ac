package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// The ways to open a file agree: mapped, by ReadAt alone, from a file system without
// random access, and in memory.
func TestOpenAgrees(t *testing.T) {
	text := encodeTensors(t, map[string]string{"k": "v"}, mixedTensors()...)
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
	want, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	unmapped, err := newFile("x", struct {
		fs.File
		io.ReaderAt
	}{handle, handle})
	if err != nil {
		t.Fatal(err)
	}
	handle, err = os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sequential, err := newFile("x", struct{ fs.File }{handle})
	if err != nil {
		t.Fatal(err)
	}
	if unmapped.shards[0].View() != nil || sequential.shards[0].View() == nil {
		t.Fatal("the fallbacks are not what is tested")
	}
	for name, f := range map[string]*File{"opened": opened, "unmapped": unmapped, "sequential": sequential} {
		if !slices.Equal(f.Names(), want.Names()) || f.Metadata()["k"] != "v" {
			t.Errorf("%s: names %q, metadata %q", name, f.Names(), f.Metadata())
		}
		for _, tensor := range want.Names() {
			a, err := f.Bytes(tensor)
			b, _ := want.Bytes(tensor)
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: tensor %q is %x, %v, want %x", name, tensor, a, err, b)
			}
			if cap(a) != len(a) {
				t.Errorf("%s: tensor %q: appending would reach the next tensor", name, tensor)
			}
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
	if err := opened.Float32("a", make([]float32, 4)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading after Close: error %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.safetensors")
	if err := os.WriteFile(bad, []byte("not a safetensors file"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(bad); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("error %v does not name the file", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: error %v", err)
	}
	if _, err := Open(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), weightsName) {
		t.Errorf("directory without weights: error %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, weightsName), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory in the place of weights: error %v", err)
	}
	if _, err := Open(os.DevNull); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("device: error %v", err)
	}
}

// A file that is cut while it is open gives an error: reads do not go through the
// mapping, where the process would be killed.
func TestReadOfCutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	n := 1 << 16
	if err := WriteFile(path, []Tensor{{Name: "w", DType: F32, Shape: []int{n}, F32: make([]float32, n)}}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Float32("w", make([]float32, n)); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), `"w"`) {
		t.Errorf("error %v", err)
	}
}

func TestConcurrentReads(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	if err := WriteFile(path, mixedTensors(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				got := make([]float32, 4)
				if err := f.Float32("a", got); err != nil || !slices.Equal(got, []float32{1, 2, 3, 4}) {
					t.Errorf("read %v, %v", got, err)
				}
			}
		})
	}
	group.Wait()
}

func shardFile(t *testing.T, name string, value float32) *fstest.MapFile {
	return &fstest.MapFile{Data: encodeTensors(t, map[string]string{"format": "pt", "of": name},
		Tensor{Name: name, DType: F32, Shape: []int{1}, F32: []float32{value}})}
}

func indexFile(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestSharded(t *testing.T) {
	dir := t.TempDir()
	fsys := fstest.MapFS{
		"m-1.safetensors": shardFile(t, "a", 1),
		"m-2.safetensors": shardFile(t, "b", 2),
		indexName:         indexFile(`{"metadata":{"total_size":8},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}`),
	}
	if err := os.CopyFS(dir, fsys); err != nil {
		t.Fatal(err)
	}
	onDisk, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer onDisk.Close()
	inMemory, err := openWeights(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{onDisk, inMemory} {
		if !slices.Equal(f.Names(), []string{"a", "b"}) {
			t.Errorf("names are %q", f.Names())
		}
		if m := f.Metadata(); m["format"] != "pt" || m["of"] != "a" {
			t.Errorf("metadata is %q, want that of the first shard", m)
		}
		for name, want := range map[string]float32{"a": 1, "b": 2} {
			var got [1]float32
			if err := f.Float32(name, got[:]); err != nil || got[0] != want {
				t.Errorf("%s is %v, %v", name, got, err)
			}
		}
	}
}

func TestShardedRefuses(t *testing.T) {
	for _, c := range []struct{ index, want string }{
		{`{"weight_map":{"a":"../m.safetensors"}}`, `tensor "a": shard "../m.safetensors": want the plain name`},
		{`{"weight_map":{"a":"/etc/m.safetensors"}}`, "want the plain name"},
		{`{"weight_map":{"a":"sub/m.safetensors"}}`, "want the plain name"},
		{`{"weight_map":{"a":"sub\\m.safetensors"}}`, "want the plain name"},
		{`{"weight_map":{"a":"..safetensors"}}`, "want the plain name"},
		{`{"weight_map":{"a":"model.safetensors.index.json"}}`, "want the plain name"},
		{`{"weight_map":{"a":""}}`, "want the plain name"},
		{`{"weight_map":{"a":1}}`, `tensor "a": want string`},
		{`{"weight_map":{"a":"m.safetensors","a":"m.safetensors"}}`, `"a" occurs twice`},
		{`{"weight_map":[]}`, "want a JSON object"},
		{`{}`, "weight_map: is missing"},
		{`{"weight_map":`, "cut off"},
		{`{"weight_map":{"a":"none.safetensors"}}`, "shard none.safetensors"},
		{`{"weight_map":{"x":"m.safetensors"}}`, `shard m.safetensors: tensor "x" is missing`},
		{`{"weight_map":{"a":"m.safetensors","b":"n.safetensors"}}`, `shard n.safetensors: tensor "a" should not be here`},
		{`{"weight_map":{"a":"bad.safetensors"}}`, "shard bad.safetensors: header"},
	} {
		_, err := openWeights(fstest.MapFS{
			"m.safetensors":   shardFile(t, "a", 1),
			"bad.safetensors": &fstest.MapFile{Data: []byte("bad")},
			"n.safetensors": &fstest.MapFile{Data: encodeTensors(t, nil,
				Tensor{Name: "a", DType: F32, F32: []float32{1}}, Tensor{Name: "b", DType: F32, F32: []float32{1}})},
			indexName: indexFile(c.index),
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.index, err, c.want)
		}
	}
}
