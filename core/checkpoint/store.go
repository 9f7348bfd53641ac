package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrLocked means that another trainer uses the directory.
var ErrLocked = errors.New("another process is training in this directory")

// ErrNotNewest means that a save would not become the newest checkpoint, so that the
// next start would resume from another one.
var ErrNotNewest = errors.New("the directory has a checkpoint of this or a later step")

// Names in a store besides step-NNNNNNNN.
const (
	lockName      = ".lock"
	savingPrefix  = ".saving-"  // being written
	removedPrefix = ".removed-" // being removed
	tornPrefix    = "torn-"     // damaged, set aside by Resume for a human to look at
)

// Store is a directory of checkpoints of one training run, owned by one process. Its
// methods must not be called concurrently.
type Store struct {
	dir  string
	disk disk
	lock io.Closer
}

// State is what Save writes.
type State struct {
	Manifest  Manifest // Files and Digest are ignored: Save finds them
	Config    *LlamaConfig
	Tokenizer []byte // content of tokenizer.json; nil writes none
	Params    []Param
}

// OpenStore takes possession of dir, which is created if need be, and removes what
// interrupted saves and removals left. It is ErrLocked while another process has it.
func OpenStore(dir string) (*Store, error) { return openStore(dir, osDisk{}) }

func openStore(dir string, d disk) (*Store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("open checkpoints: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("open checkpoints in %s: %w", dir, err)
	}
	s := &Store{dir: dir, disk: d, lock: lock}
	if err := s.clean(); err != nil {
		return nil, errors.Join(fmt.Errorf("open checkpoints in %s: %w", dir, err), lock.Close())
	}
	return s, nil
}

// clean removes unfinished work and makes the directory itself durable.
func (s *Store) clean() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), savingPrefix) || strings.HasPrefix(e.Name(), removedPrefix) {
			if err := s.disk.RemoveAll(s.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return s.disk.SyncDir(filepath.Dir(filepath.Clean(s.dir)))
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// Close gives the directory up.
func (s *Store) Close() error { return s.lock.Close() }

// Resume is Latest for the owner: damaged checkpoints newer than the one returned are
// renamed to torn-step-NNNNNNNN, so that training can pass their steps again.
func (s *Store) Resume(ctx context.Context) (c *Checkpoint, torn []*TornError, err error) {
	c, torn, err = Latest(ctx, s.dir)
	if err != nil {
		return nil, torn, err // all damaged: nothing is moved, so that the next start sees them too
	}
	for _, t := range torn {
		if err := s.setAside(filepath.Base(t.Dir)); err != nil {
			return nil, torn, errors.Join(fmt.Errorf("set %s aside: %w", t.Dir, err), c.Close())
		}
	}
	return c, torn, nil
}

func (s *Store) setAside(name string) error {
	to := s.path(tornPrefix + name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		to = s.path(fmt.Sprintf("%s%s-%d", tornPrefix, name, n))
	}
	if err := s.disk.Rename(s.path(name), to); err != nil {
		return err
	}
	return s.disk.SyncDir(s.dir)
}

// Save writes a checkpoint and returns its directory. When it returns without an error
// the checkpoint is durable; with one, those before are as they were. Saving a state
// again that is there already does nothing. Weights and moments must be finite.
func (s *Store) Save(ctx context.Context, st *State) (string, error) {
	dir, err := s.save(ctx, st)
	if err != nil {
		return "", fmt.Errorf("save step %d in %s: %w", st.Manifest.Step, s.dir, err)
	}
	return dir, nil
}

func (s *Store) save(ctx context.Context, st *State) (string, error) {
	m := st.Manifest
	if err := m.validate(); err != nil { // before a name is made of the step
		return "", err
	}
	final := s.path(stepName(m.Step))
	steps, err := listSteps(s.dir)
	if err != nil {
		return "", err
	}
	if n := len(steps); n > 0 && steps[n-1] > m.Step {
		return "", fmt.Errorf("%w: %d: resume from it or use another directory", ErrNotNewest, steps[n-1])
	}
	aside, err := newAsideDir(s.disk, s.path(savingPrefix+stepName(m.Step)))
	if err != nil {
		return "", err
	}
	if err := st.addTo(ctx, aside, &m); err != nil {
		return "", aside.discard(err)
	}
	if slices.Contains(steps, m.Step) {
		return final, aside.discard(s.sameState(ctx, final, m.Digest))
	}
	if err := aside.publish(final); err != nil {
		return "", aside.discard(err)
	}
	return final, nil
}

// sameState checks that the checkpoint of the same step is the one being saved. That
// it can be read does not mean that its name is durable: the save before may have
// ended between the two.
func (s *Store) sameState(ctx context.Context, dir string, digest Digest) error {
	c, err := Load(ctx, dir)
	if err != nil {
		return err
	}
	if c.Manifest.Digest != digest {
		return errors.Join(fmt.Errorf("%w, with another content: use another directory", ErrNotNewest), c.Close())
	}
	return errors.Join(c.Close(), s.disk.SyncDir(s.dir))
}

// addTo writes the files, the manifest last.
func (st *State) addTo(ctx context.Context, aside *asideDir, m *Manifest) error {
	var weights, moments []Tensor
	for _, p := range st.Params {
		weights = append(weights, Tensor{Name: p.Name, DType: F32, Shape: p.Shape, F32: p.Value})
		if p.M != nil || p.V != nil {
			moments = append(moments,
				Tensor{Name: firstMoment + p.Name, DType: F32, Shape: p.Shape, F32: p.M},
				Tensor{Name: secondMoment + p.Name, DType: F32, Shape: p.Shape, F32: p.V})
		}
	}
	model := NewModel{Config: st.Config, Weights: weights, Tokenizer: st.Tokenizer}
	if err := model.addTo(ctx, aside); err != nil {
		return err
	}
	if err := aside.add(ctx, optimizerName, func(w io.Writer) error {
		return writeTensors(w, moments, nil, true)
	}); err != nil {
		return err
	}
	m.Files = aside.sums
	text, err := m.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", manifestName, err)
	}
	return aside.addBytes(ctx, manifestName, text)
}

// Retention says which checkpoints to keep.
type Retention struct {
	Last int    // how many of the newest; at least 1
	Best string // also the one with the smallest loss of this name; empty for none
}

// Prune removes the checkpoints that keep does not name and returns their directories.
// Damaged ones are neither counted nor removed. Digests of weights are not checked.
func (s *Store) Prune(keep Retention) (removed []string, err error) {
	if keep.Last < 1 {
		return nil, fmt.Errorf("prune %s: keep the last %d: want at least 1", s.dir, keep.Last)
	}
	steps, err := listSteps(s.dir)
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	var good []*Manifest
	for _, step := range steps {
		if m := s.glance(step); m != nil {
			good = append(good, m)
		}
	}
	best := -1
	for i, m := range good {
		loss, ok := m.Losses[keep.Best]
		if ok && keep.Best != "" && (best < 0 || loss < good[best].Losses[keep.Best]) {
			best = i
		}
	}
	for i, m := range good {
		if i == best || i >= len(good)-keep.Last {
			continue
		}
		name := stepName(m.Step)
		if err := s.remove(name); err != nil {
			return removed, fmt.Errorf("prune %s: %w", s.path(name), err)
		}
		removed = append(removed, s.path(name))
	}
	return removed, nil
}

// glance returns the manifest of a step if it is intact and the sizes of its files are
// right, else nil.
func (s *Store) glance(step int64) *Manifest {
	dir := s.path(stepName(step))
	text, err := readCapped(os.DirFS(dir), manifestName, maxManifestBytes)
	if err != nil {
		return nil
	}
	m, err := parseManifest(text)
	if err != nil || m.Step != step {
		return nil
	}
	for name, sum := range m.Files {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Size() != sum.Size {
			return nil
		}
	}
	return m
}

// remove renames a checkpoint away first, so that half of one is never seen under its
// name.
func (s *Store) remove(name string) error {
	to := s.path(removedPrefix + name)
	if err := s.disk.RemoveAll(to); err != nil {
		return err
	}
	if err := s.disk.Rename(s.path(name), to); err != nil {
		return err
	}
	if err := s.disk.SyncDir(s.dir); err != nil {
		return err
	}
	return s.disk.RemoveAll(to)
}
