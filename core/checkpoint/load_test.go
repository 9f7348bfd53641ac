package checkpoint

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRestoreRefuses(t *testing.T) {
	s := quickStore(t, t.TempDir())
	save(t, s, 1)
	c, err := Load(context.Background(), s.path("step-00000001"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tc := range []struct {
		change func(params []Param) []Param
		want   string
	}{
		{func(p []Param) []Param { return p[:2] }, `the checkpoint has tensor "frozen", the model does not`},
		{func(p []Param) []Param { return append(p, p[0]) }, "occurs twice"},
		{func(p []Param) []Param { return append(p, Param{Name: "new"}) }, `no tensor "new"`},
		{func(p []Param) []Param { p[1].Shape = []int{2, 3}; return p }, "shape: the checkpoint has [3 2], the model [2 3]"},
		{func(p []Param) []Param { p[1].Value = p[1].Value[:5]; return p }, "has 6 elements, the destination 5"},
		{func(p []Param) []Param { p[0].V = nil; return p }, `tensor "v.model.norm.weight": shape [4] has 4 elements, the destination 0`},
		{func(p []Param) []Param { p[0].M, p[0].V = nil, nil; return p }, `has tensor "m.model.norm.weight", the model does not`},
		{func(p []Param) []Param { p[2].M, p[2].V = []float32{0}, []float32{0}; return p }, `no tensor "m.frozen"`},
	} {
		params := tc.change(emptyLike(stateAt(t, 1).Params))
		if err := c.Restore(params); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one with %q", err, tc.want)
		}
		for _, p := range params {
			for _, v := range p.Value {
				if v != 0 {
					t.Fatalf("%s was written before the error", p.Name)
				}
			}
		}
	}
}

// damages returns ways to damage a checkpoint.
func damages() map[string]func(dir string) error {
	cut := func(name string) func(string) error {
		return func(dir string) error { return os.Truncate(filepath.Join(dir, name), 20) }
	}
	flip := func(name string, at func(size int) int) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text[at(len(text))] ^= 4
			return os.WriteFile(path, text, 0o666)
		}
	}
	all := make(map[string]func(string) error)
	for _, name := range []string{"manifest.json", "config.json", "model.safetensors", "optimizer.safetensors", "tokenizer.json"} {
		all["no "+name] = func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
		all["cut "+name] = cut(name)
		all["bit in the middle of "+name] = flip(name, func(size int) int { return size / 2 })
		all["last bit of "+name] = flip(name, func(size int) int { return size - 1 })
	}
	all["empty"] = func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o777)) }
	all["name of another step"] = func(dir string) error {
		return errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(filepath.Join(filepath.Dir(dir), "step-00000001"))))
	}
	return all
}

func TestDamagedCheckpointsArePassedOver(t *testing.T) {
	for kind, damage := range damages() {
		s := quickStore(t, t.TempDir())
		save(t, s, 1, 2, 3)
		if err := damage(s.path("step-00000003")); err != nil {
			t.Fatal(err)
		}
		for _, resume := range []func(context.Context) (*Checkpoint, []*TornError, error){
			func(ctx context.Context) (*Checkpoint, []*TornError, error) { return Latest(ctx, s.dir) },
			s.Resume,
		} {
			c, torn, err := resume(context.Background())
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if len(torn) != 1 || torn[0].Dir != s.path("step-00000003") || c.Manifest.Step != 2 {
				t.Errorf("%s: resumed step %d, torn %v", kind, c.Manifest.Step, torn)
			}
			checkState(t, c)
			c.Close()
		}
		// Resume has made room: training passes the step again.
		if names := listDir(t, s.dir); !slices.Contains(names, "torn-step-00000003") {
			t.Errorf("%s: the damaged one is not set aside: %q", kind, names)
		}
		save(t, s, 3)
		if err := damage(s.path("step-00000003")); err != nil {
			t.Fatal(err)
		}
		c, _, err := s.Resume(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if names := listDir(t, s.dir); !slices.Contains(names, "torn-step-00000003-2") {
			t.Errorf("%s: the second damaged one is not set aside: %q", kind, names)
		}
	}
}

// What is not damage must not be passed over: falling back would lose work.
func TestLatestStopsAtWhatItCannotJudge(t *testing.T) {
	s := quickStore(t, t.TempDir())
	save(t, s, 1, 2)
	if err := os.WriteFile(s.path("step-00000002/manifest.json"), signed(t, `"version": 1`, `"version": 2`), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, torn, err := Latest(context.Background(), s.dir); !errors.Is(err, ErrVersion) || len(torn) > 0 {
		t.Errorf("a newer version: torn %v, error %v", torn, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, torn, err := Latest(ctx, s.dir); err == nil || len(torn) > 0 {
		t.Errorf("cancelled: torn %v, error %v", torn, err)
	}
}

// When all are damaged, training must not begin anew in silence, this time or the next.
func TestAllDamaged(t *testing.T) {
	s := quickStore(t, t.TempDir())
	save(t, s, 1)
	if err := os.Remove(s.path("step-00000001/model.safetensors")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, torn, err := s.Resume(context.Background())
		if err == nil || errors.Is(err, ErrNoCheckpoint) || len(torn) != 1 {
			t.Errorf("torn %v, error %v", torn, err)
		}
	}
}

func TestLoadOfNothing(t *testing.T) {
	var torn *TornError
	if _, err := Load(context.Background(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) || errors.As(err, &torn) {
		t.Errorf("missing directory: error %v", err)
	}
	if _, _, err := Latest(context.Background(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing store: error %v", err)
	}
}
