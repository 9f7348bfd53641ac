package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// stateAt is a state whose every number follows from the step.
func stateAt(t *testing.T, step int64) *State {
	t.Helper()
	ramp := func(n int, from float32) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = from + float32(i)/8 + float32(step)
		}
		return values
	}
	return &State{
		Manifest: Manifest{
			Step: step, Seed: 7, Curriculum: "ltr:100",
			Cursor:  json.RawMessage(fmt.Sprintf(`{"document":%d}`, 10*step)),
			Offsets: map[string]int64{"docs/0": 100 * step},
			Losses:  map[string]float64{"train": 8 / float64(step), "eval": math.Abs(float64(step) - 3)},
			Trainer: json.RawMessage(`{"lr":0.001}`), MicroBatch: 8, Shards: 4,
			Compute: "f32", CPULevel: "portable", Tool: "a3 test",
		},
		Config:    parse(t, smallConfig),
		Tokenizer: []byte(`{"version":"1.0"}`),
		Params: []Param{
			{Name: "model.norm.weight", Shape: []int{4}, Value: ramp(4, 0), M: ramp(4, 100), V: ramp(4, 200)},
			{Name: "model.embed_tokens.weight", Shape: []int{3, 2}, Value: ramp(6, 300), M: ramp(6, 400), V: ramp(6, 500)},
			{Name: "frozen", Shape: []int{1}, Value: ramp(1, 600)},
		},
	}
}

// emptyLike returns params with slices of the same sizes, to be filled.
func emptyLike(params []Param) []Param {
	out := slices.Clone(params)
	for i, p := range out {
		out[i].Value = make([]float32, len(p.Value))
		if p.M != nil {
			out[i].M, out[i].V = make([]float32, len(p.M)), make([]float32, len(p.V))
		}
	}
	return out
}

// checkState fails unless c holds exactly the state of its step.
func checkState(t *testing.T, c *Checkpoint) {
	t.Helper()
	want := stateAt(t, c.Manifest.Step)
	got := emptyLike(want.Params)
	if err := c.Restore(got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want.Params) {
		t.Errorf("step %d: parameters are %v, want %v", c.Manifest.Step, got, want.Params)
	}
	m := *c.Manifest
	m.Files, m.Digest = nil, Digest{}
	if !reflect.DeepEqual(m, want.Manifest) {
		t.Errorf("manifest is %+v, want %+v", m, want.Manifest)
	}
	if !reflect.DeepEqual(c.Config, want.Config) || string(c.Tokenizer) != string(want.Tokenizer) {
		t.Errorf("step %d: configuration or tokenizer differ", c.Manifest.Step)
	}
}

// quickStore opens a store whose syncs only take note.
func quickStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := openStore(dir, newFaultDisk(t, failOnce, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func save(t *testing.T, s *Store, steps ...int64) {
	t.Helper()
	for _, step := range steps {
		if _, err := s.Save(context.Background(), stateAt(t, step)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSaveAndResume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Resume(context.Background()); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("a new run: error %v, want ErrNoCheckpoint", err)
	}
	for _, step := range []int64{0, 5, 1200} {
		if step == 0 { // its losses would not be finite
			continue
		}
		path, err := s.Save(context.Background(), stateAt(t, step))
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(dir, fmt.Sprintf("step-%08d", step)); path != want {
			t.Errorf("saved in %s, want %s", path, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenStore(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, torn, err := s.Resume(context.Background())
	if err != nil || len(torn) > 0 || c.Manifest.Step != 1200 {
		t.Fatalf("resumed %v, torn %v, error %v", c, torn, err)
	}
	defer c.Close()
	checkState(t, c)
	if names := listDir(t, dir); !slices.Equal(names, []string{".lock", "step-00000005", "step-00001200"}) {
		t.Errorf("the directory holds %q", names)
	}
	// A checkpoint is a model directory too.
	m, err := OpenModel(filepath.Join(dir, "step-00001200"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !m.Weights.Has("model.norm.weight") {
		t.Errorf("the model's tensors are %q", m.Weights.Names())
	}
}

// The same state gives the same bytes and digest, wherever and whenever it is saved.
func TestSaveIsReproducible(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		s := quickStore(t, t.TempDir())
		st := stateAt(t, 3)
		if i == 1 {
			slices.Reverse(st.Params)
		}
		path, err := s.Save(context.Background(), st)
		if err != nil {
			t.Fatal(err)
		}
		dirs[i] = path
	}
	for _, name := range listDir(t, dirs[0]) {
		a, _ := os.ReadFile(filepath.Join(dirs[0], name))
		b, _ := os.ReadFile(filepath.Join(dirs[1], name))
		if len(a) == 0 || string(a) != string(b) {
			t.Errorf("%s differs between two saves of one state", name)
		}
	}
}

func TestSaveAgain(t *testing.T) {
	s := quickStore(t, t.TempDir())
	save(t, s, 1, 2, 2) // the second time it is there already
	changed := stateAt(t, 2)
	changed.Params[0].Value[0]++
	if _, err := s.Save(context.Background(), changed); !errors.Is(err, ErrNotNewest) {
		t.Errorf("another state of the same step: error %v, want ErrNotNewest", err)
	}
	if _, err := s.Save(context.Background(), stateAt(t, 1)); !errors.Is(err, ErrNotNewest) {
		t.Errorf("an older step: error %v, want ErrNotNewest", err)
	}
	if names := listDir(t, s.dir); !slices.Equal(names, []string{".lock", "step-00000001", "step-00000002"}) {
		t.Errorf("the directory holds %q", names)
	}
}

func TestSaveRefuses(t *testing.T) {
	s := quickStore(t, t.TempDir())
	for _, c := range []struct {
		change func(st *State)
		want   string
	}{
		{func(st *State) { st.Params[0].Value[2] = float32(math.NaN()) }, `model.safetensors: tensor "model.norm.weight": element 2 is NaN`},
		{func(st *State) { st.Params[0].V[1] = float32(math.Inf(1)) }, `optimizer.safetensors: tensor "v.model.norm.weight": element 1 is +Inf`},
		{func(st *State) { st.Params[0].M = nil }, `tensor "m.model.norm.weight": shape [4] of F32 needs 4 elements, got 0`},
		{func(st *State) { st.Params[0].Shape = []int{5} }, "needs 5 elements, got 4"},
		{func(st *State) { st.Params[1].Name = st.Params[0].Name }, "occurs twice"},
		{func(st *State) { st.Config.VocabSize = 0 }, "vocab_size: 0"},
		{func(st *State) { st.Manifest.Step = -1 }, "step: -1"},
		{func(st *State) { st.Manifest.Losses["x"] = math.NaN() }, `"x" is NaN`},
	} {
		st := stateAt(t, 1)
		c.change(st)
		if _, err := s.Save(context.Background(), st); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Save(ctx, stateAt(t, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	if names := listDir(t, s.dir); !slices.Equal(names, []string{".lock"}) {
		t.Errorf("refused saves leave %q", names)
	}
}

func TestPrune(t *testing.T) {
	for _, c := range []struct {
		keep Retention
		want []int64
	}{
		{Retention{Last: 1}, []int64{7}},
		{Retention{Last: 2}, []int64{6, 7}},
		{Retention{Last: 2, Best: "eval"}, []int64{3, 6, 7}}, // |step-3| is least at 3
		{Retention{Last: 2, Best: "train"}, []int64{6, 7}},   // 8/step is least at 7
		{Retention{Last: 1, Best: "other"}, []int64{7}},
		{Retention{Last: 9}, []int64{1, 3, 6, 7}},
	} {
		s := quickStore(t, t.TempDir())
		save(t, s, 1, 3, 6, 7)
		removed, err := s.Prune(c.keep)
		if err != nil {
			t.Fatal(err)
		}
		left, err := listSteps(s.dir)
		if err != nil || !slices.Equal(left, c.want) || len(removed) != 4-len(left) {
			t.Errorf("%+v leaves %v (%v), want %v; removed %q", c.keep, left, err, c.want, removed)
		}
	}
	s := quickStore(t, t.TempDir())
	if _, err := s.Prune(Retention{}); err == nil {
		t.Error("keeping none is accepted")
	}
}

// A damaged checkpoint is not the one that justifies removing a good one.
func TestPruneDoesNotCountDamaged(t *testing.T) {
	s := quickStore(t, t.TempDir())
	save(t, s, 1, 2, 3)
	if err := os.Truncate(s.path("step-00000003/model.safetensors"), 9); err != nil {
		t.Fatal(err)
	}
	removed, err := s.Prune(Retention{Last: 1})
	if err != nil || !slices.Equal(removed, []string{s.path("step-00000001")}) {
		t.Errorf("removed %q, %v", removed, err)
	}
	if left, _ := listSteps(s.dir); !slices.Equal(left, []int64{2, 3}) {
		t.Errorf("left are %v", left)
	}
}

func TestStoreIsExclusive(t *testing.T) {
	dir := t.TempDir()
	s := quickStore(t, dir)
	if _, err := OpenStore(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a second trainer: error %v, want ErrLocked", err)
	}
	save(t, s, 1) // reading needs no lock
	c, _, err := Latest(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.Close()
	again, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
