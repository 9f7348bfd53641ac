package training

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/any-order/a3/core/checkpoint"
)

// export writes the final model as a directory that Hugging Face's libraries and a3
// read. One that is there already is replaced once the new one is complete.
func (r *run) export(ctx context.Context, dir string, done checkpoint.TrainingRun) error {
	aside := dir + ".new"
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	tensors := r.trainer.Model.SafeTensors()
	for i := range tensors {
		tensors[i].DType = checkpoint.BF16
	}
	llama := *r.llama
	llama.TorchDType = "bfloat16"
	model := checkpoint.NewModel{Config: &llama, Weights: tensors, Tokenizer: r.tokenizer, Card: r.card()}
	if r.Init != nil {
		model.History = slices.Clone(r.Init.History)
	}
	model.History = append(model.History, done)
	if err := checkpoint.WriteModel(ctx, aside, model); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("replace the model: %w", err)
	}
	return os.Rename(aside, dir)
}

// card is the part of a model card that the run knows.
func (r *run) card() string {
	var b strings.Builder
	c := &r.Config
	m := &r.trainer.Model.Config
	fmt.Fprintf(&b, "# Model\n\n%d parameters: hidden %d, %d layers, %d heads, %d key/value heads, ffn %d, vocabulary %d, context %d, residual %s, given %s.\n",
		m.Params(), m.Hidden, m.Layers, m.Heads, m.KVHeads, m.FFN, m.Vocab, m.MaxPositions, m.Residual, c.Given)
	fmt.Fprintf(&b, "\nTrained for %d steps of %d positions on %d documents%s, seed %d, CPU level %s.\n",
		c.Optimizer.Steps, c.Batch, r.documents(), r.amount(), c.Seed, r.Kernels.Level())
	fmt.Fprintf(&b, "\nCurriculum: %s\n", c.Curriculum)
	return b.String()
}

// amount is the tokens of a corpus in words; those of a topic are in the history.
func (r *run) amount() string {
	if r.Topic != nil {
		return " of the topic " + strings.Join(r.Topic.Names(), ", ")
	}
	return fmt.Sprintf(" (%d tokens)", r.training.Tokens())
}
