package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/tokenize"
)

// queryFile is where an export has the query embedding: transformers complains about a
// tensor that it does not know, and other programs refuse it or every file whose name
// ends in .safetensors.
const queryFile = "query_embed.a3"

// Export writes the model in a directory, or the embedded one if path is empty, as a
// directory that Hugging Face's libraries read as a plain Llama: its content stream. The
// query embedding lies beside it, for Import and for us. dir must not exist.
func Export(ctx context.Context, path, dir string, o Options) (*Result, error) {
	name := path
	if path == "" {
		name = models.Embedded
	}
	r, err := export(ctx, path, dir, o)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", name, err)
	}
	return r, nil
}

func export(ctx context.Context, path, dir string, o Options) (*Result, error) {
	m, err := models.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := fromDirectory(m)
	if err != nil {
		return nil, err
	}
	r, err := s.export(ctx, dir, o)
	return r, errors.Join(err, s.Close())
}

func (s *source) export(ctx context.Context, dir string, o Options) (*Result, error) {
	if s.config.Residual != checkpoint.ResidualLlama {
		return nil, fmt.Errorf("residual %s: its layers add the MLP to the normed stream, which no plain Llama does, so that other programs would compute something else; train with residual: %s to export, or copy the directory",
			s.config.Residual, checkpoint.ResidualLlama)
	}
	for _, t := range s.tensors {
		if t.name == model.QueryEmbed {
			s.config.QueryFile = queryFile
		}
	}
	s.config.Architectures = []string{"LlamaForCausalLM"}
	return s.write(ctx, dir, o, func(tok *tokenize.Tokenizer) (map[string][]byte, error) {
		text, err := tokenizerConfig(s.config, tok)
		return map[string][]byte{"tokenizer_config.json": text}, err
	})
}

// tokenizerConfig tells transformers to take tokenizer.json as it is. Without it, a
// directory of a Llama gets Llama-2's special tokens and spaces.
func tokenizerConfig(c *checkpoint.LlamaConfig, tok *tokenize.Tokenizer) ([]byte, error) {
	keys := map[string]any{
		"tokenizer_class":              "PreTrainedTokenizerFast",
		"clean_up_tokenization_spaces": false,
		"model_max_length":             c.MaxPositionEmbeddings,
		"model_input_names":            []string{"input_ids", "attention_mask"}, // a Llama takes no token types
	}
	for _, special := range []struct {
		key string
		ids checkpoint.TokenIDs
	}{{"bos_token", c.BOS}, {"eos_token", c.EOS}, {"pad_token", c.PAD}} {
		if len(special.ids) == 0 || int(special.ids[0]) >= tok.Vocab() {
			continue
		}
		if text := tok.Bytes(special.ids[0]); len(text) > 0 && utf8.Valid(text) {
			keys[special.key] = string(text)
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(keys)
	return text.Bytes(), err
}
