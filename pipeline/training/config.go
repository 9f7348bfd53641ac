// Package training is the job that fits a model to a corpus: documents are read,
// tokenized and held in memory, batching draws the groupings, core/train takes the
// steps, and checkpoints make the run resumable bit for bit.
package training

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/train"
)

// Config is all that determines a run beside the documents. Default fills it.
type Config struct {
	Init       string        `yaml:"-" json:"init,omitempty"` // digest of the model that the run starts from; Run sets it
	Model      Shape         `yaml:"model" json:"model"`
	Vocab      int           `yaml:"vocab" json:"vocab"`           // size of the vocabulary to learn, if no tokenizer is given
	Seed       uint64        `yaml:"seed" json:"seed"`             // of weights, shuffling and groupings
	Batch      int           `yaml:"batch" json:"batch"`           // positions of an optimizer step
	Given      order.Given   `yaml:"given" json:"given"`           // how given tokens see each other
	Curriculum Curriculum    `yaml:"curriculum" json:"curriculum"` // empty = the default for Optimizer.Steps
	Optimizer  train.Options `yaml:"optimizer" json:"optimizer"`   // steps 0 = those of the curriculum

	model.Trained `yaml:",inline"` // what is trained of the model that the run starts from

	// QueryInit is how the query embedding starts. Empty keeps that of the model that the
	// run starts from; a plain Llama, which has none, gets the mean of its token embeddings.
	QueryInit model.QueryInit `yaml:"query_init" json:"query_init,omitempty"`

	HeldOut   int `yaml:"held_out" json:"held_out"`     // documents kept from training for the losses by order, a tenth of all at most; of a topic, most that are measured
	EvalEvery int `yaml:"eval_every" json:"eval_every"` // steps between held-out losses; 0 = at the end of each stage only
	SaveEvery int `yaml:"save_every" json:"save_every"` // steps between checkpoints
	Keep      int `yaml:"keep" json:"keep"`             // checkpoints kept

	// HeldOutShare of the documents of a topic, by their keys, is not trained.
	HeldOutShare float64 `yaml:"held_out_share" json:"held_out_share,omitempty"`

	KeepBest string `yaml:"keep_best" json:"keep_best,omitempty"` // also keep the one with the lowest held-out loss of this order; empty = none
}

// Shape is the architecture of a model to be trained from scratch.
type Shape struct {
	Hidden   int    `yaml:"hidden" json:"hidden"`
	FFN      int    `yaml:"ffn" json:"ffn"`
	Layers   int    `yaml:"layers" json:"layers"`
	Heads    int    `yaml:"heads" json:"heads"`
	KVHeads  int    `yaml:"kv_heads" json:"kv_heads"`
	Context  int    `yaml:"context" json:"context"`   // most positions of a document
	Residual string `yaml:"residual" json:"residual"` // empty = that of the initial model, or llama
}

// Default returns a small model and settings that train it from scratch.
func Default() Config {
	const steps = 1000
	return Config{
		Model: Shape{Hidden: 192, FFN: 512, Layers: 6, Heads: 6, KVHeads: 2, Context: 512},
		Vocab: 6144, Seed: 1, Batch: 16384, Given: order.GivenCausal, Optimizer: train.DefaultOptions(steps),
		HeldOut: 200, SaveEvery: 200, Keep: 2,
	}
}

// Complete fills what follows from other settings, and validates.
func (c *Config) Complete() error {
	if c.Model.Residual == "" {
		c.Model.Residual = string(model.ResidualLlama)
	}
	if err := c.completeCurriculum(); err != nil {
		return err
	}
	if err := c.Optimizer.Validate(); err != nil {
		return err
	}
	if err := c.Trained.Validate(); err != nil {
		return fmt.Errorf("training: %w", err)
	}
	if c.QueryInit != "" {
		if err := c.QueryInit.Validate(); err != nil {
			return fmt.Errorf("training: %w", err)
		}
	}
	switch {
	case c.HeldOut < 0 || c.EvalEvery < 0:
		return fmt.Errorf("training: held_out is %d and eval_every %d; neither may be negative", c.HeldOut, c.EvalEvery)
	case !(c.HeldOutShare >= 0 && c.HeldOutShare < 1):
		return fmt.Errorf("training: held_out_share is %v, want 0 or more and below 1", c.HeldOutShare)
	case c.SaveEvery < 1:
		return fmt.Errorf("training: save_every is %d, want at least 1 step", c.SaveEvery)
	case c.Keep < 1:
		return fmt.Errorf("training: keep is %d, want at least 1 checkpoint", c.Keep)
	case c.KeepBest != "" && !slices.Contains(heldOutOrders, c.KeepBest):
		return fmt.Errorf("training: keep_best is %q, want one of %s", c.KeepBest, strings.Join(heldOutOrders, ", "))
	case c.Model.Heads < 1 || c.Model.Hidden%c.Model.Heads != 0:
		return fmt.Errorf("training: hidden %d is not a multiple of heads %d", c.Model.Hidden, c.Model.Heads)
	case c.Model.KVHeads < 1 || c.Model.Heads%c.Model.KVHeads != 0:
		return fmt.Errorf("training: heads %d is not a multiple of kv_heads %d", c.Model.Heads, c.Model.KVHeads)
	case c.Batch < c.Model.Context:
		return fmt.Errorf("training: batch is %d positions, want at least one context of %d", c.Batch, c.Model.Context)
	}
	llama, err := c.llama(vocabulary(c.Vocab))
	if err != nil {
		return err
	}
	return c.recipe(llama).Validate()
}

// completeCurriculum fills the stages' lengths, and those of the run and its warm-up if
// they follow from them.
func (c *Config) completeCurriculum() error {
	if c.Batch < 1 {
		return fmt.Errorf("training: batch is %d positions, want at least one context of %d", c.Batch, c.Model.Context)
	}
	if len(c.Curriculum) == 0 {
		c.Curriculum = Stages(order.DefaultCurriculum(c.Optimizer.Steps))
	}
	c.Curriculum = slices.Clone(c.Curriculum) // the caller's stays as it was
	steps, err := c.Curriculum.complete(c.Optimizer, c.Batch, c.EvalEvery)
	if err != nil {
		return err
	}
	if c.Optimizer.Steps == 0 && steps > 0 {
		c.Optimizer.Resize(steps)
	}
	return nil
}

// recipe returns how batches are drawn.
func (c *Config) recipe(llama *checkpoint.LlamaConfig) batching.Recipe {
	r := batching.Recipe{
		Seed: c.Seed, Vocab: llama.VocabSize, BOS: llama.BOS[0], EOS: batching.NoToken,
		Context: c.Model.Context, Budget: c.Batch, Given: c.Given, Curriculum: c.Curriculum.orders(),
	}
	if len(llama.EOS) > 0 {
		r.EOS = llama.EOS[0]
	}
	return r
}

// vocabulary stands for a tokenizer that is yet to be learned, of so many tokens.
type vocabulary int

func (v vocabulary) Vocab() int         { return int(v) }
func (vocabulary) Start() (int32, bool) { return 0, true }
func (vocabulary) EOS() (int32, bool)   { return 1, true }

// llama returns the model's configuration for a tokenizer.
func (c *Config) llama(tok Tokenizer) (*checkpoint.LlamaConfig, error) {
	start, ok := tok.Start()
	if !ok {
		return nil, errors.New("the tokenizer has neither a BOS nor an EOS token; a document must start with one: add one to tokenizer.json")
	}
	s := c.Model
	llama := checkpoint.NewLlamaConfig()
	llama.VocabSize, llama.HiddenSize, llama.IntermediateSize = tok.Vocab(), s.Hidden, s.FFN
	llama.NumHiddenLayers, llama.NumAttentionHeads, llama.NumKeyValueHeads = s.Layers, s.Heads, s.KVHeads
	llama.HeadDim, llama.MaxPositionEmbeddings, llama.TieWordEmbeddings = s.Hidden/s.Heads, s.Context, true
	llama.RMSNormEps = 1e-5
	llama.Residual, llama.Given = s.Residual, c.Given.String()
	llama.BOS, llama.EOS = checkpoint.TokenIDs{start}, nil
	if eos, ok := tok.EOS(); ok {
		llama.EOS = checkpoint.TokenIDs{eos}
	}
	return llama, llama.Validate()
}

// Tokenizer is what the job needs of a tokenizer.
type Tokenizer interface {
	Vocab() int
	Start() (int32, bool)
	EOS() (int32, bool)
}
