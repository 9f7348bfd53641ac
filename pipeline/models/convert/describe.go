package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/tokenize"
)

// The values of Description.Kind.
const (
	KindDirectory  = "directory"  // a model directory: ours, or Hugging Face's
	KindCheckpoint = "checkpoint" // of a training run, also a model directory
	KindGGUF       = "gguf"
)

// Description is what can be told of a model without running it.
type Description struct {
	Kind    string `json:"kind"`
	Digest  string `json:"digest,omitempty"`  // as runs and records name the model; not of a GGUF file
	Version int    `json:"version,omitempty"` // of GGUF

	Parameters int      `json:"parameters"` // that are there
	Stored     []Stored `json:"stored"`     // the type with most values first
	Hidden     int      `json:"hidden"`
	FFN        int      `json:"ffn"`
	Layers     int      `json:"layers"`
	Heads      int      `json:"heads"`
	KVHeads    int      `json:"kv_heads"`
	HeadDim    int      `json:"head_dim"`
	Vocab      int      `json:"vocab"`
	TiedHead   bool     `json:"tied_head"`
	Context    int      `json:"context"`
	RopeTheta  float64  `json:"rope_theta"`
	RopeScale  string   `json:"rope_scaling,omitempty"` // with its parameters; empty = none
	Residual   string   `json:"residual"`
	Given      string   `json:"given"`
	Query      bool     `json:"query_stream"`

	Tokenizer  *Tokenizer               `json:"tokenizer"` // null if there is none
	Checkpoint *TrainingState           `json:"checkpoint,omitempty"`
	Training   []checkpoint.TrainingRun `json:"training,omitempty"` // what training.json says, the oldest run first
	Card       string                   `json:"card,omitempty"`
	Notes      []string                 `json:"notes,omitempty"` // of tensors that an import leaves out
}

// Stored is how much of a model is stored as a type.
type Stored struct {
	Type    string `json:"type"`
	Tensors int    `json:"tensors"`
	Values  int    `json:"values"`
}

// Tokenizer is what can be told of a tokenizer.
type Tokenizer struct {
	Kind   string `json:"kind,omitempty"` // gpt2, llama3, ...
	Tokens int    `json:"tokens,omitempty"`
	BOS    string `json:"bos,omitempty"`
	EOS    string `json:"eos,omitempty"`
	Error  string `json:"error,omitempty"` // why it cannot be used
}

// TrainingState is where the run of a checkpoint stood.
type TrainingState struct {
	Step       int64              `json:"step"`
	Seed       uint64             `json:"seed"`
	Curriculum string             `json:"curriculum"`
	Losses     map[string]float64 `json:"losses,omitempty"`
	Compute    string             `json:"compute"`
	CPULevel   string             `json:"cpu_level"`
	Tool       string             `json:"tool"`
}

// Describe reads the model at path: a directory, a GGUF file, a checkpoint, a run, of
// which the newest checkpoint counts, or the embedded model if path is empty.
func Describe(ctx context.Context, path string) (*Description, error) {
	if path == "" {
		return describeDirectory(ctx, path)
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return describeGGUF(path)
	}
	_, err = os.Stat(filepath.Join(path, "config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		c, _, err := checkpoint.Latest(ctx, path)
		if err == nil {
			return describeCheckpoint(ctx, c)
		}
		if !errors.Is(err, checkpoint.ErrNoCheckpoint) {
			return nil, err
		}
	} else if _, err := os.Stat(filepath.Join(path, "manifest.json")); err == nil {
		c, err := checkpoint.Load(ctx, path)
		if err != nil {
			return nil, err
		}
		return describeCheckpoint(ctx, c)
	}
	return describeDirectory(ctx, path)
}

// describeCheckpoint takes the checkpoint over.
func describeCheckpoint(ctx context.Context, c *checkpoint.Checkpoint) (*Description, error) {
	m := c.Manifest
	state := &TrainingState{
		Step: m.Step, Seed: m.Seed, Curriculum: m.Curriculum, Losses: m.Losses,
		Compute: m.Compute, CPULevel: m.CPULevel, Tool: m.Tool,
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	d, err := describeDirectory(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	d.Kind, d.Checkpoint = KindCheckpoint, state
	return d, nil
}

func describeDirectory(ctx context.Context, path string) (*Description, error) {
	m, err := models.Open(path)
	if err != nil {
		return nil, err
	}
	digest, err := m.Digest(ctx)
	if err != nil {
		return nil, closing(m, err)
	}
	s, err := fromDirectory(m)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	d := s.describe(KindDirectory)
	d.Digest = digest.String()
	if s.tokenizer != nil {
		tok, err := tokenize.Parse(s.tokenizer)
		d.Tokenizer = describeTokenizer(tok, err)
	}
	return d, nil
}

func describeGGUF(path string) (*Description, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := readGGUF(f)
	if err != nil {
		return nil, err
	}
	d := s.describe(KindGGUF)
	d.Version = f.Version()
	if hasTokenizer(f.Metadata()) {
		tok, err := ggufTokenizer(f.Metadata())
		d.Tokenizer = describeTokenizer(tok, err)
	}
	return d, nil
}

// describe tells of everything but the tokenizer.
func (s *source) describe(kind string) *Description {
	c := model.ConfigOf(s.config)
	d := &Description{
		Kind: kind, Hidden: c.Hidden, FFN: c.FFN, Layers: c.Layers, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		Vocab: c.Vocab, TiedHead: c.Tied, Context: c.MaxPositions, RopeTheta: c.RopeTheta,
		Residual: s.config.Residual, Given: s.config.Given, Training: s.history, Card: s.card, Notes: s.notes,
	}
	if r := s.config.RopeScaling; r.Type != checkpoint.RopeDefault {
		d.RopeScale = fmt.Sprintf("%s by %g from %d positions, low %g, high %g", r.Type, r.Factor, r.OriginalMaxPositionEmbeddings, r.LowFreqFactor, r.HighFreqFactor)
	}
	values, tensors := map[string]int{}, map[string]int{}
	for _, t := range s.tensors {
		values[t.stored] += t.len()
		tensors[t.stored]++
		d.Parameters += t.len()
		d.Query = d.Query || t.name == model.QueryEmbed
	}
	for _, name := range byCount(values) {
		d.Stored = append(d.Stored, Stored{Type: name, Tensors: tensors[name], Values: values[name]})
	}
	return d
}

// describeTokenizer takes what a reader returned.
func describeTokenizer(tok *tokenize.Tokenizer, err error) *Tokenizer {
	if err != nil {
		return &Tokenizer{Error: err.Error()}
	}
	t := &Tokenizer{Kind: tok.Pipeline().String(), Tokens: tok.Vocab()}
	if id, ok := tok.BOS(); ok {
		t.BOS = string(tok.Bytes(id))
	}
	if id, ok := tok.EOS(); ok {
		t.EOS = string(tok.Bytes(id))
	}
	return t
}
