package checkpoint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func newModel(t *testing.T) NewModel {
	t.Helper()
	return NewModel{
		Config:    parse(t, smallConfig),
		Weights:   []Tensor{{Name: "w", DType: BF16, Shape: []int{2}, F32: []float32{1, 2}}},
		Tokenizer: []byte(`{"version":"1.0"}`),
		Card:      "# A model\n",
	}
}

func TestModelRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	if err := WriteModel(context.Background(), dir, newModel(t)); err != nil {
		t.Fatal(err)
	}
	if got, want := listDir(t, dir), []string{"card.md", "config.json", "model.safetensors", "tokenizer.json"}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	if got := listDir(t, filepath.Dir(dir)); len(got) != 1 {
		t.Errorf("beside the directory are %q", got)
	}
	m, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Config.VocabSize != 61 || m.Card != "# A model\n" || string(m.Tokenizer) != `{"version":"1.0"}` {
		t.Errorf("read back %+v", m)
	}
	var got [2]float32
	if err := m.Weights.Float32("w", got[:]); err != nil || got != [2]float32{1, 2} {
		t.Errorf("weights are %v, %v", got, err)
	}
	if m.Weights.Metadata()["format"] != "pt" {
		t.Error("transformers would refuse the file: its metadata has no format")
	}
	if err := WriteModel(context.Background(), dir, newModel(t)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writing over a model: error %v", err)
	}
}

// The digest is what sha256sum gives, and changes with each file that it covers.
func TestModelDigest(t *testing.T) {
	weights := encodeTensors(t, nil, newModel(t).Weights...)
	fsys := fstest.MapFS{
		"config.json":       {Data: []byte(smallConfig)},
		"model.safetensors": {Data: weights},
		"tokenizer.json":    {Data: []byte("{}")},
		"card.md":           {Data: []byte("text")},
	}
	var lines strings.Builder
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(fsys[name].Data), name)
	}
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(lines.String())))
	if got := digestFS(t, fsys); got != want {
		t.Errorf("digest is %s, want %s", got, want)
	}
	seen := map[string]string{want: "all"}
	for name, content := range map[string][]byte{
		"config.json":    []byte(smallConfig + " "),
		"tokenizer.json": []byte("{} "),
		"model.safetensors": encodeTensors(t, nil,
			Tensor{Name: "w", DType: BF16, Shape: []int{2}, F32: []float32{1, 3}}),
	} {
		old := fsys[name]
		fsys[name] = &fstest.MapFile{Data: content}
		got := digestFS(t, fsys)
		if other, ok := seen[got]; ok {
			t.Errorf("changing %s gives the same digest as %s", name, other)
		}
		seen[got] = name
		fsys[name] = old
	}
	fsys["card.md"] = &fstest.MapFile{Data: []byte("other")}
	if got := digestFS(t, fsys); got != want {
		t.Error("the card changes the digest")
	}
	delete(fsys, "tokenizer.json")
	if got := digestFS(t, fsys); seen[got] != "" {
		t.Errorf("without a tokenizer the digest is that of %s", seen[got])
	}
}

func TestModelDigestSharded(t *testing.T) {
	fsys := fstest.MapFS{
		"config.json":     {Data: []byte(smallConfig)},
		"m-2.safetensors": shardFile(t, "a", 1),
		"m-1.safetensors": shardFile(t, "b", 2),
		indexName:         indexFile(`{"weight_map":{"a":"m-2.safetensors","b":"m-1.safetensors"}}`),
	}
	var lines strings.Builder
	for _, name := range []string{"config.json", "m-1.safetensors", "m-2.safetensors", indexName} {
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(fsys[name].Data), name)
	}
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(lines.String())))
	if got := digestFS(t, fsys); got != want {
		t.Errorf("digest is %s, want %s", got, want)
	}
}

func digestFS(t *testing.T, fsys fs.FS) string {
	t.Helper()
	m, err := OpenModelFS(fsys)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	d, err := m.Digest(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestOpenModelRefuses(t *testing.T) {
	weights := encodeTensors(t, nil)
	for _, c := range []struct {
		fsys fstest.MapFS
		want string
	}{
		{fstest.MapFS{}, "config.json"},
		{fstest.MapFS{"config.json": {Data: []byte(smallConfig)}}, "model.safetensors"},
		{fstest.MapFS{"config.json": {Data: []byte("{}")}, "model.safetensors": {Data: weights}}, "vocab_size: is missing"},
		{fstest.MapFS{"config.json": {Data: []byte(smallConfig)}, "model.safetensors": {Data: weights[:9]}}, "read model.safetensors"},
		{fstest.MapFS{"config.json": {Data: []byte(smallConfig)}, "model.safetensors": {Data: weights}, "card.md": {Data: make([]byte, maxCardBytes+1)}}, "card.md: larger than"},
	} {
		if _, err := OpenModelFS(c.fsys); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	dir := t.TempDir()
	if _, err := OpenModel(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("empty directory: error %v", err)
	}
}

func TestWriteModelSurvivesFailures(t *testing.T) {
	for _, mode := range faultModes {
		for n := 1; ; n++ {
			dir := filepath.Join(t.TempDir(), "model")
			d := newFaultDisk(t, mode, n)
			err := writeModel(context.Background(), d, dir, newModel(t))
			d.powerLoss(t)
			if _, statErr := os.Stat(dir); statErr == nil || err == nil {
				m, openErr := OpenModel(dir)
				if openErr != nil {
					t.Fatalf("%s at operation %d, error %v: %v", mode, n, err, openErr)
				}
				var got [2]float32
				if err := m.Weights.Float32("w", got[:]); err != nil || got != [2]float32{1, 2} {
					t.Errorf("%s at operation %d: weights are %v, %v", mode, n, got, err)
				}
				m.Close()
			}
			if !d.hit {
				break
			}
			if err == nil {
				t.Errorf("%s at operation %d is not reported", mode, n)
			}
			// The next attempt is not in the way of the remains of this one.
			if _, statErr := os.Stat(dir); statErr != nil {
				if err := writeModel(context.Background(), newFaultDisk(t, failOnce, 0), dir, newModel(t)); err != nil {
					t.Errorf("%s at operation %d: the next attempt: %v", mode, n, err)
				}
			}
		}
	}
}

func TestWriteModelEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	if err := WriteModel(ctx, filepath.Join(dir, "model"), newModel(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if names := listDir(t, dir); len(names) > 0 {
		t.Errorf("%q are left", names)
	}
}
