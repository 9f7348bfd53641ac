package convert

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/checkpoint/gguf"
	"github.com/any-order/a3/core/model"
)

// fromGGUF takes the file over.
func fromGGUF(f *gguf.File, tokenizer bool) (*source, error) {
	s, err := readGGUF(f)
	if err == nil && tokenizer && hasTokenizer(f.Metadata()) {
		err = s.addTokenizer(f.Metadata())
	}
	if err != nil {
		return nil, closing(f, err)
	}
	return s, nil
}

// readGGUF makes a source of a file, without a tokenizer.
func readGGUF(f *gguf.File) (*source, error) {
	config, err := llamaConfig(f)
	if err != nil {
		return nil, err
	}
	s := &source{config: config, card: ggufCard(f), Closer: f}
	return s, s.addGGUF(f)
}

func (s *source) addTokenizer(m *gguf.Metadata) error {
	tok, err := ggufTokenizer(m)
	if err != nil {
		return err
	}
	s.tokenizer, err = tok.JSON()
	return err
}

// addGGUF adds the tensors of the network under Hugging Face's names.
func (s *source) addGGUF(f *gguf.File) error {
	rest := f.Names()
	network, err := network(s.config)
	if err != nil {
		return err
	}
	for _, want := range network {
		if want.Name == model.QueryEmbed {
			continue
		}
		name := ggufName(want.Name)
		info, err := f.Info(name)
		if err != nil {
			return err
		}
		if !slices.Equal(info.Shape, want.Shape) {
			return fmt.Errorf("tensor %s has shape %v, the metadata wants %v", name, info.Shape, want.Shape)
		}
		t := tensor{
			name: want.Name, shape: want.Shape, stored: info.Type.String(), exact: checkpoint.F32,
			read: func(first int, dst []float32) error { return f.Float32At(name, first, dst) },
		}
		if info.Type == gguf.BF16 {
			t.exact = checkpoint.BF16
		}
		if strings.HasSuffix(name, "attn_q.weight") || strings.HasSuffix(name, "attn_k.weight") {
			t.read = unpermuted(t.read, s.config.HeadDim, want.Shape[1])
		}
		s.tensors = append(s.tensors, t)
		rest = slices.DeleteFunc(rest, func(n string) bool { return n == name })
	}
	for _, name := range rest {
		switch {
		case name == ropeFactors: // in the configuration
		case strings.HasSuffix(name, ".bias"):
			return fmt.Errorf("tensor %s: linear maps have no bias here", name)
		case strings.HasSuffix(name, ".attn_rot_embd"):
			s.notes = append(s.notes, name+" is left out: it follows from the base of the rotary embedding")
		default:
			return fmt.Errorf("tensor %s belongs to no Llama: the model computes something else", name)
		}
	}
	return nil
}

// ggufName returns the name that llama.cpp's converter gives a tensor.
func ggufName(name string) string {
	switch name {
	case "model.embed_tokens.weight":
		return "token_embd.weight"
	case "model.norm.weight":
		return "output_norm.weight"
	case "lm_head.weight":
		return "output.weight"
	}
	rest := strings.TrimPrefix(name, "model.layers.")
	layer, part, _ := strings.Cut(rest, ".")
	return "blk." + layer + "." + map[string]string{
		"input_layernorm.weight":          "attn_norm.weight",
		"post_attention_layernorm.weight": "ffn_norm.weight",
		"self_attn.q_proj.weight":         "attn_q.weight",
		"self_attn.k_proj.weight":         "attn_k.weight",
		"self_attn.v_proj.weight":         "attn_v.weight",
		"self_attn.o_proj.weight":         "attn_output.weight",
		"mlp.gate_proj.weight":            "ffn_gate.weight",
		"mlp.up_proj.weight":              "ffn_up.weight",
		"mlp.down_proj.weight":            "ffn_down.weight",
	}[part]
}

// unpermuted undoes what llama.cpp's converter does to the rows of the query and key
// maps. Its rotary embedding turns components 2i and 2i+1 of a head together,
// Hugging Face's i and i + d/2: so the converter puts row i of a head's first half at 2i
// and row i of its second half at 2i+1.
func unpermuted(read func(int, []float32) error, headDim, width int) func(int, []float32) error {
	return func(first int, dst []float32) error {
		for len(dst) > 0 {
			row, column := first/width, first%width
			n := min(width-column, len(dst))
			head, i := row/headDim, row%headDim
			from := head*headDim + 2*(i%(headDim/2)) + i/(headDim/2)
			if err := read(from*width+column, dst[:n]); err != nil {
				return err
			}
			first, dst = first+n, dst[n:]
		}
		return nil
	}
}

// ggufCard says where the model comes from, as far as the file does.
func ggufCard(f *gguf.File) string {
	m := f.Metadata()
	var b strings.Builder
	name, err := m.String("general.name")
	if err != nil {
		name = "Model"
	}
	fmt.Fprintf(&b, "# %s\n\nImported from a GGUF file.\n", oneLine(name))
	for _, field := range []struct{ label, key string }{
		{"Organization", "general.organization"}, {"Licence", "general.license"}, {"Source", "general.source.url"},
	} {
		if value, err := m.String(field.key); err == nil {
			fmt.Fprintf(&b, "\n%s: %s\n", field.label, oneLine(value))
		}
	}
	fmt.Fprintf(&b, "\nIts weights were stored as %s.\n", ggufTypes(f))
	return b.String()
}

// oneLine keeps what a file says of itself from becoming more than a line of the card, or
// more than text.
func oneLine(s string) string {
	const limit = 200
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

// ggufTypes names the types of the matrices, those with most elements first.
func ggufTypes(f *gguf.File) string {
	count := map[string]int{}
	for _, name := range f.Names() {
		if info, err := f.Info(name); err == nil && len(info.Shape) > 1 {
			count[info.Type.String()] += info.Len()
		}
	}
	return strings.Join(byCount(count), ", ")
}

// byCount returns the keys, those of the largest counts first.
func byCount(count map[string]int) []string {
	var keys []string
	for k := range count {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	return keys
}
