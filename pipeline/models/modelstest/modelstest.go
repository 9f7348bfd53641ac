// Package modelstest makes model directories for tests: a network of some thousand
// random weights and a vocabulary learned from the text below.
package modelstest

import (
	"context"
	"fmt"
	"strings"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/tokenize"
)

// Context is the number of positions of the models.
const Context = 256

// text is what the vocabulary is learned from, a document a line.
const text = `Once upon a time there was a small fox who lived under the old oak tree.
The fox liked to sit by the river and watch the water run over the stones.
One day a bird came and sat down by the fox. "Why do you sit here?" said the bird.
"I like the sound of the water," said the fox, and the bird sang with it.
Every day they met by the river, and when the winter came they were good friends.`

// Stories returns n short documents made of the words of the vocabulary, each unlike
// the others.
func Stories(n int) []string {
	lines := strings.Split(text, "\n")
	stories := make([]string, n)
	for i := range stories {
		first, second := lines[i%len(lines)], lines[(i/len(lines)+2*i+1)%len(lines)]
		stories[i] = fmt.Sprintf("Day %d. %s %s", i, first, second)
	}
	return stories
}

// Tokenizer returns the vocabulary of all the models.
func Tokenizer() (*tokenize.Tokenizer, error) {
	o := tokenize.DefaultTrainOptions()
	o.Vocab = 320
	lines := strings.Split(text, "\n")
	return tokenize.Train(context.Background(), o, func(yield func([]byte) bool) {
		for _, line := range lines {
			if !yield([]byte(line)) {
				return
			}
		}
	})
}

// New returns a model directory's content. Its weights are large enough for
// distributions that are far from even and depend on the context.
func New(seed uint64) (checkpoint.NewModel, error) {
	tok, err := Tokenizer()
	if err != nil {
		return checkpoint.NewModel{}, err
	}
	vocabulary, err := tok.JSON()
	if err != nil {
		return checkpoint.NewModel{}, err
	}
	config := model.Config{
		Vocab: tok.Vocab(), Hidden: 32, FFN: 48, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8,
		NormEps: 1e-5, RopeTheta: 10000, MaxPositions: Context, Tied: true, PadToken: -1,
	}
	m, err := model.New(config, kernels.Best(), kernels.Float32)
	if err != nil {
		return checkpoint.NewModel{}, err
	}
	m.Params.Init(seed, config.Layers)
	for _, t := range m.Params.Tensors {
		if t.IsNorm() {
			continue
		}
		for i := range t.Data {
			t.Data[i] *= 8
		}
	}
	return checkpoint.NewModel{
		Config: config.LlamaConfig(), Weights: m.Params.SafeTensors(), Tokenizer: vocabulary,
		Card: "# A model for tests\n",
	}, nil
}

// Write makes a model directory at dir, which must not exist.
func Write(dir string, seed uint64) error {
	m, err := New(seed)
	if err != nil {
		return err
	}
	return checkpoint.WriteModel(context.Background(), dir, m)
}
