// Package oracle reads golden vectors: what the published implementation computed for
// small networks, and the tolerances at which an implementation in float32 must agree.
// The tests of core/model, core/decode and core/train run every case they know.
//
// The environment variable A3_ORACLE names the folder that holds manifest.json; a
// relative path counts from the repository's root. Without it the cases in
// core/internal/oracle/testdata are used: see the README there.
package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
)

// Set is one folder of golden vectors.
type Set struct {
	Dir   string
	Cases []Case `json:"cases"`
	Files []struct {
		Path   string `json:"path"`
		Bytes  int64  `json:"bytes"`
		SHA256 string `json:"sha256"`
	} `json:"files"`
}

// Case is one case of the manifest.
type Case struct {
	Name     string `json:"case"`
	Kind     string `json:"kind"` // forward_backward, two_stream, dynamic, filters, train
	Dir      string `json:"dir"`
	Model    string `json:"model"`
	Residual string `json:"residual"`
}

// Root returns the repository's root.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// folder returns the folder that a value of A3_ORACLE names.
func folder(value string) string {
	switch {
	case value == "":
		return filepath.Join(Root(), "core", "internal", "oracle", "testdata")
	case filepath.IsAbs(value):
		return value
	}
	return filepath.Join(Root(), value)
}

// Open reads the manifest and checks every file's digest.
func Open(t testing.TB) *Set {
	t.Helper()
	s, err := read(folder(os.Getenv("A3_ORACLE")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(dir string) (*Set, error) {
	s := &Set{Dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, fmt.Errorf("golden vectors: %w", err)
	}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("golden vectors in %s: %w", dir, err)
	}
	if len(s.Cases) == 0 || len(s.Files) == 0 {
		return nil, fmt.Errorf("golden vectors in %s: the manifest lists %d cases and %d files", dir, len(s.Cases), len(s.Files))
	}
	for _, f := range s.Files {
		b, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			return nil, fmt.Errorf("golden file: %w", err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.SHA256 {
			return nil, fmt.Errorf("golden file %s does not have the digest of the manifest", f.Path)
		}
	}
	return s, nil
}

// Each runs f for every case of the given kinds, and fails if there is none.
func (s *Set) Each(t *testing.T, f func(t *testing.T, c Case), kinds ...string) {
	t.Helper()
	cases := s.of(kinds...)
	if len(cases) == 0 {
		t.Fatalf("%s holds no case of kind %v", s.Dir, kinds)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { f(t, c) })
	}
}

// of returns the cases of the given kinds.
func (s *Set) of(kinds ...string) (cases []Case) {
	for _, c := range s.Cases {
		if slices.Contains(kinds, c.Kind) {
			cases = append(cases, c)
		}
	}
	return cases
}

// ReadJSON decodes a file.
func ReadJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Load builds the case's model on the given kernels, in float32 and to be trained.
func (s *Set) Load(t testing.TB, c Case, k *kernels.Kernels) *model.Model {
	t.Helper()
	return s.LoadType(t, c, k, kernels.Float32)
}

// LoadType is Load for another compute type. A model of int8 is only read.
func (s *Set) LoadType(t testing.TB, c Case, k *kernels.Kernels, typ kernels.Type) *model.Model {
	t.Helper()
	dir := filepath.Join(s.Dir, c.Model)
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	llama, err := checkpoint.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	llama.Residual = c.Residual
	weights := OpenTensors(t, filepath.Join(dir, "model.safetensors"))
	var m *model.Model
	if typ == kernels.Int8 {
		m, err = model.Load(model.ConfigOf(llama), weights.File, k, typ)
	} else {
		m, err = model.LoadTrainable(model.ConfigOf(llama), weights.File, k, typ, model.Trained{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Tensors is a safetensors file of a case.
type Tensors struct{ *checkpoint.File }

// OpenTensors opens a file for the duration of the test.
func OpenTensors(t testing.TB, path string) Tensors {
	t.Helper()
	f, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Tensors{f}
}

// Floats returns a tensor in float64, and its shape.
func (f Tensors) Floats(t testing.TB, name string) ([]float64, []int) {
	t.Helper()
	info, err := f.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, info.Len())
	if err := f.Float64(name, out); err != nil {
		t.Fatal(err)
	}
	return out, info.Shape
}

// Ints returns an integer tensor as int32, and its shape.
func (f Tensors) Ints(t testing.TB, name string) ([]int32, []int) {
	t.Helper()
	info, err := f.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	wide := make([]int64, info.Len())
	if err := f.Int64(name, wide); err != nil {
		t.Fatal(err)
	}
	out := make([]int32, len(wide))
	for i, v := range wide {
		out[i] = int32(v)
	}
	return out, info.Shape
}

// Worst keeps the largest error/tolerance ratio of a kind of comparison.
type Worst struct {
	ratio float64
	where string
	count int
}

// Compare fails the test at the first element farther than atol from what is wanted,
// and remembers the largest ratio.
func Compare[F float32 | float64](t testing.TB, w *Worst, what string, got []F, want []float64, atol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i, g := range got {
		ratio := math.Abs(float64(g)-want[i]) / atol
		if !(ratio <= 1) {
			t.Fatalf("%s element %d: got %v, want %v, %.3g times the tolerance %g", what, i, g, want[i], ratio, atol)
		}
		w.count++
		if ratio > w.ratio {
			w.ratio, w.where = ratio, what
		}
	}
}

func (w *Worst) String() string {
	return fmt.Sprintf("%d values, worst error/tolerance %.3f (%s)", w.count, w.ratio, w.where)
}
