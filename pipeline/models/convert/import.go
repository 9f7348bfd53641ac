package convert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/tokenize"
)

// Options say how a model is written.
type Options struct {
	// DType is the type of all weights: checkpoint.F32, or checkpoint.BF16, to which they
	// are rounded. Empty keeps every value: BF16 stays, all else becomes F32.
	DType checkpoint.DType
	// Tokenizer is the content of a tokenizer.json to take instead of the model's own.
	Tokenizer []byte
	// Progress is called now and then with the number of weights written; may be nil.
	Progress func(done, total int)
}

// Result says what was written.
type Result struct {
	Config     *checkpoint.LlamaConfig
	Parameters int
	Stored     map[string]int // weights by their type in the source
	Written    map[string]int // weights by their type in the directory
	Tokens     int            // of the tokenizer; 0 = there is none
	Query      bool           // the model has a query stream
	Notes      []string       // what was left out
}

// Import writes the model at path, a Hugging Face directory or a GGUF file, as a model
// directory, whole or not at all. dir must not exist.
func Import(ctx context.Context, path, dir string, o Options) (*Result, error) {
	s, err := open(path, o.Tokenizer == nil)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", path, err)
	}
	r, err := s.write(ctx, dir, o, nil)
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, fmt.Errorf("import %s: %w", path, err)
	}
	return r, nil
}

// write writes the model directory. files, unless nil, returns further files for a
// tokenizer.
func (s *source) write(ctx context.Context, dir string, o Options, files func(*tokenize.Tokenizer) (map[string][]byte, error)) (*Result, error) {
	r := &Result{Config: s.config, Stored: map[string]int{}, Written: map[string]int{}, Notes: s.notes}
	out := checkpoint.NewModel{Config: s.config, Weights: s.writable(o, r), Tokenizer: s.tokenizer, Card: s.card, History: s.history}
	if o.Tokenizer != nil {
		out.Tokenizer = o.Tokenizer
	}
	if out.Tokenizer != nil {
		tok, err := tokenize.Parse(out.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
		if r.Tokens = tok.Vocab(); r.Tokens > s.config.VocabSize {
			return nil, fmt.Errorf("the tokenizer has %d tokens, the model only %d; they do not belong together", r.Tokens, s.config.VocabSize)
		}
		if files != nil {
			if out.Files, err = files(tok); err != nil {
				return nil, err
			}
		}
	}
	return r, checkpoint.WriteModel(ctx, dir, out)
}

// writable returns the tensors in the types that they are written in, and notes them.
func (s *source) writable(o Options, r *Result) []checkpoint.Tensor {
	for _, t := range s.tensors {
		r.Parameters += t.len()
	}
	done := 0
	list := make([]checkpoint.Tensor, len(s.tensors))
	bf16 := true
	for i, t := range s.tensors {
		dtype := t.exact
		if o.DType != "" {
			dtype = o.DType
		}
		bf16 = bf16 && (dtype == checkpoint.BF16 || len(t.shape) != 2)
		r.Stored[t.stored] += t.len()
		r.Written[string(dtype)] += t.len()
		r.Query = r.Query || t.name == model.QueryEmbed
		list[i] = checkpoint.Tensor{Name: t.name, DType: dtype, Shape: slices.Clone(t.shape), Read: func(first int, dst []float32) error {
			if err := t.read(first, dst); err != nil {
				return err
			}
			if done += len(dst); o.Progress != nil {
				o.Progress(done, r.Parameters)
			}
			return nil
		}}
	}
	s.config.TorchDType = map[bool]string{true: "bfloat16", false: "float32"}[bf16]
	return list
}

func (t *tensor) len() int { return checkpoint.Info{Shape: t.shape}.Len() }
