package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf"
	"github.com/any-order/a3/core/model"
)

// source is a model that can be read, wherever it comes from.
type source struct {
	config    *checkpoint.LlamaConfig
	tensors   []tensor // those of the network, in its order
	tokenizer []byte   // content of a tokenizer.json; nil if there is none
	card      string
	history   []checkpoint.TrainingRun
	notes     []string // what was left out, for the user

	io.Closer
}

// tensor is a tensor of a source by Hugging Face's name.
type tensor struct {
	name   string
	shape  []int
	stored string           // the type in the source
	exact  checkpoint.DType // the smallest type that is written and holds every value of that type

	// read stores the elements from first on in dst, as many as that has.
	read func(first int, dst []float32) error
}

// open opens a Hugging Face directory or a GGUF file, the latter with its tokenizer or
// without: one that cannot be used is an error.
func open(path string, tokenizer bool) (*source, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		m, err := checkpoint.OpenModel(path)
		if err != nil {
			return nil, err
		}
		return fromDirectory(m)
	}
	if strings.HasSuffix(path, ".safetensors") || strings.HasSuffix(path, ".json") {
		return nil, fmt.Errorf("%s is one file of a model: name the directory that it lies in", path)
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return fromGGUF(f, tokenizer)
}

// closing closes c after an error.
func closing(c io.Closer, err error) error { return errors.Join(err, c.Close()) }

// fromDirectory takes the model over.
func fromDirectory(m *checkpoint.Model) (*source, error) {
	s := &source{config: m.Config, tokenizer: m.Tokenizer, card: m.Card, history: m.History, Closer: m}
	rest := m.Weights.Names()
	network, err := network(m.Config)
	if err != nil {
		return nil, closing(m, err)
	}
	for _, want := range network {
		info, err := m.Weights.Info(want.Name)
		if err != nil && want.Name == model.QueryEmbed {
			continue // a plain Llama
		}
		if err != nil {
			return nil, closing(m, err)
		}
		if !slices.Equal(info.Shape, want.Shape) {
			return nil, closing(m, fmt.Errorf("tensor %s has shape %v, config.json wants %v", want.Name, info.Shape, want.Shape))
		}
		exact := checkpoint.F32
		switch info.DType {
		case checkpoint.BF16:
			exact = checkpoint.BF16
		case checkpoint.F32, checkpoint.F16:
		default:
			return nil, closing(m, fmt.Errorf("tensor %s is %s; weights are F32, F16 or BF16: export the model as one of them", want.Name, info.DType))
		}
		s.tensors = append(s.tensors, tensor{
			name: want.Name, shape: want.Shape, stored: string(info.DType), exact: exact,
			read: func(first int, dst []float32) error { return m.Weights.Float32At(want.Name, first, dst) },
		})
		rest = slices.DeleteFunc(rest, func(name string) bool { return name == want.Name })
	}
	for _, name := range rest {
		if reason := redundant(m.Config, name); reason != "" {
			s.notes = append(s.notes, fmt.Sprintf("%s is left out: %s", name, reason))
			continue
		}
		return nil, closing(m, fmt.Errorf("tensor %s belongs to no Llama: the model computes something else", name))
	}
	return s, nil
}

// network lists the tensors of a configuration.
func network(c *checkpoint.LlamaConfig) ([]model.Tensor, error) {
	m := model.ConfigOf(c)
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m.Tensors(), nil
}

// redundant says why a tensor that is not of the network may be left out, or nothing.
func redundant(c *checkpoint.LlamaConfig, name string) string {
	switch {
	case strings.HasSuffix(name, ".rotary_emb.inv_freq"):
		return "it follows from rope_theta"
	case name == "lm_head.weight" && c.TieWordEmbeddings:
		return "the head is tied to the embeddings"
	}
	return ""
}
