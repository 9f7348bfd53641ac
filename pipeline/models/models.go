// Package models opens model directories, and holds the model that is embedded in the
// binary.
package models

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/tokenize"
)

// Embedded is the name of the model in the binary.
const Embedded = "stories"

//go:embed stories
var embedded embed.FS

// Loaded is a model ready to work, with all that belongs to it.
type Loaded struct {
	Name      string // directory, or Embedded
	Model     *model.Model
	Tokenizer *tokenize.Tokenizer
	Config    *checkpoint.LlamaConfig
	Given     order.Given
	Digest    checkpoint.Digest // of configuration, weights and tokenizer
	Card      string
}

// Open opens a model directory for reading; the empty path is the embedded model.
func Open(path string) (*checkpoint.Model, error) {
	if path != "" {
		return checkpoint.OpenModel(path)
	}
	dir, err := fs.Sub(embedded, Embedded)
	if err != nil {
		return nil, err
	}
	return checkpoint.OpenModelFS(dir)
}

// Load reads a model directory and checks that its parts fit each other; the empty path
// is the embedded model.
func Load(ctx context.Context, path string, k *kernels.Kernels, t kernels.Type) (*Loaded, error) {
	name := path
	if path == "" {
		name = Embedded
	}
	l, err := load(ctx, path, k, t)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	l.Name = name
	return l, nil
}

func load(ctx context.Context, path string, k *kernels.Kernels, t kernels.Type) (*Loaded, error) {
	dir, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l := &Loaded{Config: dir.Config, Card: dir.Card}
	if !dir.Weights.Has(model.QueryEmbed) {
		return nil, fmt.Errorf("it is a plain Llama, without %s; a3 train --init makes an any-order model of it", model.QueryEmbed)
	}
	if dir.Tokenizer == nil {
		return nil, errors.New("there is no tokenizer.json; put the one that the model was trained with beside its weights")
	}
	if l.Tokenizer, err = tokenize.Parse(dir.Tokenizer); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if l.Tokenizer.Vocab() > dir.Config.VocabSize {
		return nil, fmt.Errorf("tokenizer.json has %d tokens, the model only %d; they do not belong together", l.Tokenizer.Vocab(), dir.Config.VocabSize)
	}
	if l.Given, err = order.ParseGiven(dir.Config.Given); err != nil {
		return nil, err
	}
	if l.Model, err = model.Load(model.ConfigOf(dir.Config), dir.Weights, k, t); err != nil {
		return nil, err
	}
	l.Digest, err = dir.Digest(ctx)
	return l, err
}
