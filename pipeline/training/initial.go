package training

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/model"
)

// adopt takes the shape of the model that the run starts from into the settings, and its
// digest, so that a run is resumed with the model that it began with. A residual that the
// settings name stands: the same weights then begin as another function.
func (j *Job) adopt(ctx context.Context) error {
	if j.Init == nil {
		if !j.Config.Trained.All() {
			return errors.New("training: freeze and lora are for a run that starts from a model: name it with --init")
		}
		return nil
	}
	digest, err := j.Init.Digest(ctx)
	if err != nil {
		return fmt.Errorf("model to start from: %w", err)
	}
	from := j.Init.Config
	// Fewer is no mistake: many models pad their vocabulary to a round number.
	if vocab := j.Tokenizer.Vocab(); vocab > from.VocabSize {
		return fmt.Errorf("model to start from: it has %d tokens, the tokenizer %d; use the tokenizer of the model", from.VocabSize, vocab)
	}
	if err := j.Config.Given.UnmarshalText([]byte(from.Given)); err != nil {
		return fmt.Errorf("model to start from: %w", err)
	}
	residual := cmp.Or(j.Config.Model.Residual, from.Residual)
	j.Config.Init, j.Config.Vocab = digest.String(), from.VocabSize
	j.Config.Model = Shape{
		Hidden: from.HiddenSize, FFN: from.IntermediateSize, Layers: from.NumHiddenLayers,
		Heads: from.NumAttentionHeads, KVHeads: from.NumKeyValueHeads,
		Context: min(j.Config.Model.Context, from.MaxPositionEmbeddings), Residual: residual,
	}
	return nil
}

// architecture returns the configuration of the model to be trained.
func (j *Job) architecture() (*checkpoint.LlamaConfig, error) {
	if j.Init == nil {
		return j.Config.llama(j.Tokenizer)
	}
	llama := *j.Init.Config
	llama.Residual = j.Config.Model.Residual
	return &llama, llama.Validate()
}

// startingModel returns the model as it is before the first step.
func (r *run) startingModel() (*model.Model, error) {
	config := model.ConfigOf(r.llama)
	if r.Init != nil {
		m, err := model.LoadTrainable(config, r.Init.Weights, r.Kernels, r.Compute, r.Config.Trained)
		if err != nil {
			return nil, fmt.Errorf("model to start from: %w", err)
		}
		m.Params.InitAdapters(r.Config.Seed)
		m.Pack()
		return m, r.initQuery(m, !r.Init.Weights.Has(model.QueryEmbed))
	}
	m, err := model.New(config, r.Kernels, r.Compute)
	if err != nil {
		return nil, err
	}
	m.Params.Init(r.Config.Seed, m.Config.Layers)
	m.Pack()
	return m, r.initQuery(m, false)
}

// copies returns the share of query rows that copy the token before them in a step: under
// QueryCopy all at first, falling evenly to none at the end of the first stage.
func (r *run) copies(stage, step int) float64 {
	if r.Config.QueryInit != model.QueryCopy || stage > 0 {
		return 0
	}
	steps := r.Config.Curriculum[0].Steps
	if steps == 0 {
		steps = r.Config.Optimizer.Steps
	}
	return max(0, 1-float64(step)/float64(steps))
}

// initQuery starts the query embedding as the settings want it.
func (r *run) initQuery(m *model.Model, missing bool) error {
	how := r.Config.QueryInit
	if how == "" && missing {
		how = model.QueryMean // the best start that was measured: docs/results/adaptation.md
	}
	if how == "" {
		return nil
	}
	return m.InitQuery(how, r.Config.Seed, r.recipe.BOS)
}
