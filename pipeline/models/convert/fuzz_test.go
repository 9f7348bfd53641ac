package convert

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf"
	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
	"github.com/any-order/a3/core/model"
)

// tiny is the smallest Llama, as a GGUF file.
func tiny() *gguftest.Builder {
	b := gguftest.New().Text("general.architecture", "llama").Text("general.name", "tiny").
		Int("llama.block_count", 1).Int("llama.context_length", 8).Int("llama.embedding_length", 4).Int("llama.feed_forward_length", 2).
		Int("llama.attention.head_count", 2).Int("llama.attention.head_count_kv", 1).Float("llama.attention.layer_norm_rms_epsilon", 1e-5)
	tokens := gguftest.Cat(gguftest.U32(gguftest.String), gguftest.U64(3), gguftest.Str("a"), gguftest.Str("b"), gguftest.Str("ab"))
	merges := gguftest.Cat(gguftest.U32(gguftest.String), gguftest.U64(1), gguftest.Str("a b"))
	b.Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "gpt-2").
		Key("tokenizer.ggml.tokens", gguftest.Array, tokens).Key("tokenizer.ggml.merges", gguftest.Array, merges)
	c := model.Config{Vocab: 3, Hidden: 4, FFN: 2, Layers: 1, Heads: 2, KVHeads: 1, HeadDim: 2, Tied: true}
	for _, t := range c.Tensors() {
		if t.Name == model.QueryEmbed {
			continue
		}
		n := 1
		var dims []uint64
		for _, d := range slices.Backward(t.Shape) {
			dims = append(dims, uint64(d))
			n *= d
		}
		b.Values(ggufName(t.Name), make([]float32, n), dims...)
	}
	return b
}

// FuzzGGUF: whatever the bytes, they are refused or are a model, all of whose weights can
// be read, in parts too.
func FuzzGGUF(f *testing.F) {
	f.Add(tiny().File(nil))
	f.Add(tiny().Int("llama.vocab_size", 3).Values("output.weight", make([]float32, 12), 4, 3).Values("rope_freqs.weight", []float32{1}, 1).File(nil))
	f.Add(tiny().Text("llama.rope.scaling.type", "linear").Float("llama.rope.scaling.factor", 4).File(nil))
	f.Add(tiny().Int("tokenizer.ggml.bos_token_id", 1<<31).Key("tokenizer.ggml.add_bos_token", gguftest.Bool, []byte{1}).File(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := gguf.Parse(data)
		if err != nil {
			return
		}
		s, err := fromGGUF(file, true)
		if err != nil {
			return
		}
		readAll(t, s)
	})
}

// readAll reads all weights of a source, two elements at a time and as a whole.
func readAll(t *testing.T, s *source) {
	t.Helper()
	if err := s.config.Validate(); err != nil {
		t.Fatalf("accepted, but %v", err)
	}
	for _, tensor := range s.tensors {
		whole, part := make([]float32, tensor.len()), make([]float32, 2)
		if err := tensor.read(0, whole); err != nil {
			t.Fatalf("%s: %v", tensor.name, err)
		}
		for first := 0; first+2 <= len(whole); first += 2 {
			if err := tensor.read(first, part); err != nil {
				t.Fatalf("%s: %v", tensor.name, err)
			}
			for i, v := range part {
				if want := whole[first+i]; v != want && v == v {
					t.Fatalf("%s: element %d is %v in a part and %v in the whole", tensor.name, first+i, v, want)
				}
			}
		}
	}
}

// FuzzDirectory: whatever config.json and the weights say, they are refused or are a model
// whose weights can be read.
func FuzzDirectory(f *testing.F) {
	const config = `{"vocab_size":3,"hidden_size":4,"intermediate_size":2,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"tie_word_embeddings":true,"eos_token_id":null}`
	c := model.Config{Vocab: 3, Hidden: 4, FFN: 2, Layers: 1, Heads: 2, KVHeads: 1, HeadDim: 2, Tied: true}
	for _, dtype := range []checkpoint.DType{checkpoint.F32, checkpoint.BF16} {
		var weights []checkpoint.Tensor
		for _, t := range c.Tensors() {
			n := checkpoint.Info{Shape: t.Shape}.Len()
			weights = append(weights, checkpoint.Tensor{Name: t.Name, DType: dtype, Shape: t.Shape, F32: make([]float32, n)})
		}
		var out strings.Builder
		if err := checkpoint.Write(&out, weights, nil); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(config), []byte(out.String()))
		f.Add([]byte(strings.Replace(config, "{", `{"a3":{"query_embed":"q.a3"},`, 1)), []byte(out.String()))
	}
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		m, err := checkpoint.OpenModelFS(fstest.MapFS{"config.json": {Data: config}, "model.safetensors": {Data: weights}})
		if err != nil {
			return
		}
		s, err := fromDirectory(m)
		if err != nil {
			return
		}
		readAll(t, s)
	})
}
