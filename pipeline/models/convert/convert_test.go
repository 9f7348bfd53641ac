package convert_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf"
	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
	"github.com/any-order/a3/pipeline/models/convert"
)

// ggufOf writes a model as llama.cpp's converter does, in F32 or, what is that, in BF16: its names, its keys, and
// the rows of the query and key maps in its order. change, unless nil, may replace the
// values of a tensor, or leave it out by returning nil.
func ggufOf(t *testing.T, m *checkpoint.Model, change func(name string, values []float32) []float32) *gguftest.Builder {
	t.Helper()
	c := m.Config
	b := gguftest.New().Text("general.architecture", "llama").Text("general.name", "A model").
		Int("llama.block_count", c.NumHiddenLayers).Int("llama.context_length", c.MaxPositionEmbeddings).
		Int("llama.embedding_length", c.HiddenSize).Int("llama.feed_forward_length", c.IntermediateSize).
		Int("llama.attention.head_count", c.NumAttentionHeads).Int("llama.attention.head_count_kv", c.NumKeyValueHeads).
		Float("llama.attention.layer_norm_rms_epsilon", float32(c.RMSNormEps)).Float("llama.rope.freq_base", float32(c.RopeTheta)).
		Int("llama.rope.dimension_count", c.HeadDim).Int("llama.vocab_size", c.VocabSize)
	if c.HeadDim*c.NumAttentionHeads != c.HiddenSize {
		b.Int("llama.attention.key_length", c.HeadDim).Int("llama.attention.value_length", c.HeadDim)
	}
	if len(c.BOS) > 0 {
		b.Int("tokenizer.ggml.bos_token_id", int(c.BOS[0]))
	}
	if len(c.EOS) > 0 {
		b.Int("tokenizer.ggml.eos_token_id", int(c.EOS[0]))
	}
	names := strings.NewReplacer("model.embed_tokens", "token_embd", "model.norm", "output_norm", "lm_head", "output",
		"model.layers", "blk", "input_layernorm", "attn_norm", "post_attention_layernorm", "ffn_norm",
		"self_attn.o_proj", "attn_output", "self_attn.", "attn_", "mlp.", "ffn_", "_proj", "")
	for _, name := range m.Weights.Names() {
		info, err := m.Weights.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == checkpoint.QueryEmbed {
			continue
		}
		values := make([]float32, info.Len())
		if err := m.Weights.Float32(name, values); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(name, "q_proj") || strings.Contains(name, "k_proj") {
			values = pairRows(values, info.Shape[0]/c.HeadDim, c.HeadDim, info.Shape[1])
		}
		if change != nil {
			if values = change(names.Replace(name), values); values == nil {
				continue
			}
		}
		dims := make([]uint64, len(info.Shape))
		for i, d := range info.Shape {
			dims[len(dims)-1-i] = uint64(d)
		}
		if info.DType != checkpoint.BF16 {
			b.Values(names.Replace(name), values, dims...)
			continue
		}
		var raw []byte
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(math.Float32bits(v)>>16))
		}
		b.Data(names.Replace(name), uint32(gguf.BF16), raw, dims...)
	}
	return b
}

// pairRows puts row i of a head's first half before row i of its second.
func pairRows(w []float32, heads, d, width int) (out []float32) {
	row := func(r int) []float32 { return w[r*width : (r+1)*width] }
	for h := range heads {
		for i := range d / 2 {
			out = append(append(out, row(h*d+i)...), row(h*d+d/2+i)...)
		}
	}
	return out
}

// roundTrip exports a model directory and imports the result, which must be the same.
func roundTrip(t *testing.T, dir string) {
	t.Helper()
	tmp := t.TempDir()
	exported, back := filepath.Join(tmp, "exported"), filepath.Join(tmp, "back")
	if _, err := convert.Export(t.Context(), dir, exported, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Import(t.Context(), exported, back, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	want, got := readDir(t, dir), readDir(t, back)
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s came back as other bytes", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s came back, which was not there", name)
	}
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path], err = os.ReadFile(filepath.Join(dir, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
