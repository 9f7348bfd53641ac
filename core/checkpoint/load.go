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
	"strconv"
	"strings"
)

// Param is a parameter of the model with its master weights and Adam's moments, each
// row-major with as many elements as Shape multiplies to. The slices are the
// trainer's: Save reads them, Restore fills them.
type Param struct {
	Name  string
	Shape []int
	Value []float32
	M, V  []float32 // first and second moment; both nil for a parameter without them
}

// The names of the moments in optimizer.safetensors are those of the parameters behind
// these prefixes.
const (
	firstMoment  = "m."
	secondMoment = "v."
)

// Checkpoint is an open, verified checkpoint of a training run.
type Checkpoint struct {
	Dir       string
	Manifest  *Manifest
	Config    *LlamaConfig
	Tokenizer []byte // content of tokenizer.json; nil if there is none
	Weights   *File  // F32 master weights

	optimizer *File
}

// TornError means that a checkpoint is incomplete or damaged. It cannot be used; an
// older one may be good.
type TornError struct {
	Dir string
	Err error // what is wrong with it
}

func (e *TornError) Error() string { return fmt.Sprintf("checkpoint %s is damaged: %v", e.Dir, e.Err) }
func (e *TornError) Unwrap() error { return e.Err }

// ErrNoCheckpoint means that a directory holds no checkpoint: training begins anew.
var ErrNoCheckpoint = errors.New("no checkpoint")

// Load opens one checkpoint directory, such as "run/step-00001200", after checking the
// sizes and digests of all its files. The error is a *TornError if they do not match.
func Load(ctx context.Context, dir string) (*Checkpoint, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("load checkpoint: %w", err)
	}
	c := &Checkpoint{Dir: dir}
	if err := c.load(ctx); err != nil {
		c.Close()
		var torn *TornError
		if errors.As(err, &torn) {
			return nil, torn
		}
		return nil, fmt.Errorf("load checkpoint %s: %w", dir, err)
	}
	return c, nil
}

// torn marks err as damage. What does not tell of the content, such as a lack of
// permission or a newer version, passes: falling back would lose work.
func (c *Checkpoint) torn(err error) error {
	if err == nil || errors.Is(err, ErrVersion) {
		return err
	}
	return &TornError{Dir: c.Dir, Err: err}
}

func (c *Checkpoint) load(ctx context.Context) error {
	fsys := os.DirFS(c.Dir)
	text, err := c.read(fsys, manifestName, maxManifestBytes)
	if err != nil {
		return err
	}
	if c.Manifest, err = parseManifest(text); err != nil {
		return c.torn(fmt.Errorf("%s: %w", manifestName, err))
	}
	if name := filepath.Base(c.Dir); isStepName(name) && name != stepName(c.Manifest.Step) {
		return c.torn(fmt.Errorf("%s: step: %d, but the directory is %s", manifestName, c.Manifest.Step, name))
	}
	config, err := c.readListed(fsys, configName, maxConfigBytes)
	if err != nil {
		return err
	}
	if c.Config, err = ParseConfig(config); err != nil {
		return c.torn(err)
	}
	if c.Config.QueryFile != "" {
		return c.torn(errors.New("config.json: a3.query_embed: a checkpoint has it among the weights"))
	}
	if _, ok := c.Manifest.Files[tokenizerName]; ok {
		if c.Tokenizer, err = c.readListed(fsys, tokenizerName, maxTokenizerBytes); err != nil {
			return err
		}
	}
	if c.Weights, err = c.openListed(ctx, fsys, weightsName); err != nil {
		return err
	}
	c.optimizer, err = c.openListed(ctx, fsys, optimizerName)
	return err
}

// read returns the content of a small file. That it is missing is damage.
func (c *Checkpoint) read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	b, err := readCapped(fsys, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.torn(fmt.Errorf("%s is missing", name))
	}
	return b, err
}

// readListed is read for a file that the manifest lists.
func (c *Checkpoint) readListed(fsys fs.FS, name string, limit int64) ([]byte, error) {
	b, err := c.read(fsys, name, limit)
	if err != nil {
		return nil, err
	}
	return b, c.compare(name, FileSum{Size: int64(len(b)), SHA256: sha256.Sum256(b)})
}

// openListed opens a safetensors file that the manifest lists. What is verified is the
// open file, so that nothing can be put in its place before it is read.
func (c *Checkpoint) openListed(ctx context.Context, fsys fs.FS, name string) (*File, error) {
	handle, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.torn(fmt.Errorf("%s is missing", name))
	}
	if err != nil {
		return nil, err
	}
	s, err := newShard(name, handle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f, err := c.verify(ctx, s)
	if err != nil {
		s.Close()
	}
	return f, err
}

func (c *Checkpoint) verify(ctx context.Context, s *shard) (*File, error) {
	sum := FileSum{Size: s.Size()}
	if want := c.Manifest.Files[s.name]; want.Size == s.Size() { // else there is no need to read
		var err error
		if sum.SHA256, err = digestOf(ctx, s, s.Size()); err != nil {
			return nil, fmt.Errorf("digest of %s: %w", s.name, err)
		}
	}
	if err := c.compare(s.name, sum); err != nil {
		return nil, err
	}
	f, err := singleFile(s)
	if err != nil {
		return nil, c.torn(fmt.Errorf("%s: %w", s.name, err))
	}
	return f, nil
}

func (c *Checkpoint) compare(name string, got FileSum) error {
	want := c.Manifest.Files[name]
	if got.Size != want.Size {
		return c.torn(fmt.Errorf("%s has %d bytes, the manifest says %d", name, got.Size, want.Size))
	}
	if got.SHA256 != want.SHA256 {
		return c.torn(fmt.Errorf("%s has digest %s, the manifest says %s", name, got.SHA256, want.SHA256))
	}
	return nil
}

// Close releases the files.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range []*File{c.Weights, c.optimizer} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Restore fills the slices of params, which must be exactly the parameters that were
// saved, in any order. All is checked before the first is touched.
func (c *Checkpoint) Restore(params []Param) error {
	if err := c.restore(params); err != nil {
		return fmt.Errorf("restore %s: %w", c.Dir, err)
	}
	return nil
}

func (c *Checkpoint) restore(params []Param) error {
	var weights, moments []target
	for _, p := range params {
		weights = append(weights, target{p.Name, p.Shape, p.Value})
		if p.M != nil || p.V != nil {
			moments = append(moments,
				target{firstMoment + p.Name, p.Shape, p.M},
				target{secondMoment + p.Name, p.Shape, p.V})
		}
	}
	if err := c.Weights.matches(weights); err != nil {
		return err
	}
	if err := c.optimizer.matches(moments); err != nil {
		return err
	}
	for _, t := range weights {
		if err := c.Weights.Float32(t.name, t.dst); err != nil {
			return err
		}
	}
	for _, t := range moments {
		if err := c.optimizer.Float32(t.name, t.dst); err != nil {
			return err
		}
	}
	return nil
}

// target is where a tensor is to be restored to.
type target struct {
	name  string
	shape []int
	dst   []float32
}

// matches checks that the file holds exactly the targets.
func (f *File) matches(targets []target) error {
	seen := make(map[string]bool, len(targets))
	for _, t := range targets {
		if seen[t.name] {
			return fmt.Errorf("parameter %s: occurs twice", quote(t.name))
		}
		seen[t.name] = true
		if err := f.fits(t); err != nil {
			return err
		}
	}
	for _, name := range f.names {
		if !seen[name] {
			return fmt.Errorf("the checkpoint has tensor %s, the model does not", quote(name))
		}
	}
	return nil
}

func (f *File) fits(t target) error {
	e, err := f.entry(t.name)
	switch {
	case err != nil:
		return err
	case e.DType != F32:
		return fmt.Errorf("tensor %s: dtype: %s, want F32", quote(t.name), e.DType)
	case !slices.Equal(e.Shape, t.shape):
		return fmt.Errorf("tensor %s: shape: the checkpoint has %v, the model %v", quote(t.name), e.Shape, t.shape)
	case e.Len() != len(t.dst):
		return fmt.Errorf("tensor %s: shape %v has %d elements, the destination %d",
			quote(t.name), e.Shape, e.Len(), len(t.dst))
	}
	return nil
}

// Latest opens the newest good checkpoint in dir, without the lock, so that another
// process may be training there. torn has the newer ones, newest first, that are
// damaged and were passed over. The error is ErrNoCheckpoint if dir has none at all;
// that all are damaged is an error of its own.
func Latest(ctx context.Context, dir string) (c *Checkpoint, torn []*TornError, err error) {
	steps, err := listSteps(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("latest checkpoint: %w", err)
	}
	for _, step := range slices.Backward(steps) {
		c, err := Load(ctx, filepath.Join(dir, stepName(step)))
		if err == nil {
			return c, torn, nil
		}
		if _, statErr := os.Stat(filepath.Join(dir, stepName(step))); errors.Is(statErr, fs.ErrNotExist) {
			continue // the trainer removed it after it was listed
		}
		var t *TornError
		if !errors.As(err, &t) {
			return nil, torn, err
		}
		torn = append(torn, t)
	}
	if len(torn) == 0 {
		return nil, nil, fmt.Errorf("%w in %s", ErrNoCheckpoint, dir)
	}
	return nil, torn, fmt.Errorf("none of the %d checkpoints in %s is intact; the newest: %w", len(torn), dir, torn[0])
}

func stepName(step int64) string { return fmt.Sprintf("step-%08d", step) }

func isStepName(name string) bool {
	_, ok := parseStepName(name)
	return ok
}

func parseStepName(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, "step-")
	if !ok || len(digits) != 8 {
		return 0, false
	}
	step, err := strconv.ParseUint(digits, 10, 32)
	return int64(step), err == nil
}

// listSteps returns the steps that dir has directories of, ascending.
func listSteps(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var steps []int64
	for _, e := range entries { // sorted by name, which is by step
		if step, ok := parseStepName(e.Name()); ok && e.IsDir() {
			steps = append(steps, step)
		}
	}
	return steps, nil
}
