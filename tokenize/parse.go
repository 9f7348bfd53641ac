package tokenize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// MaxFileSize is the largest tokenizer.json that Load reads; Llama-3's has 17 MB.
const MaxFileSize = 128 << 20

// Load reads a tokenizer from a tokenizer.json file.
func Load(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read tokenizer %s: %w", path, err)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return t, nil
}

// Parse reads a tokenizer from the bytes of a tokenizer.json. A component or option
// that would change the ids and is not implemented is an error that names it: a
// tokenizer is exact or it is refused. Of truncation and padding, which are about
// batches and not about text, no notice is taken.
func Parse(data []byte) (*Tokenizer, error) {
	if len(data) > MaxFileSize {
		return nil, fmt.Errorf("over %d bytes; that is no tokenizer.json", MaxFileSize)
	}
	var file fileJSON
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("not a tokenizer.json: %w", err)
	}
	form, err := parseForm(&file)
	if err != nil {
		return nil, err
	}
	def, err := parseModel(file.Model, file.AddedTokens)
	if err != nil {
		return nil, err
	}
	def.pipeline, def.spacing = form.pipeline, form.spacing
	if def.first, def.last, err = parsePostProcessor(file.PostProcessor, len(def.tokens)); err != nil {
		return nil, err
	}
	return newTokenizer(def)
}

// parseModel reads the vocabulary, the merges and the added tokens.
func parseModel(data json.RawMessage, added []addedJSON) (definition, error) {
	var def definition
	var model modelJSON
	if isNull(data) {
		return def, errors.New("model is missing")
	}
	if err := strict("model", data, &model); err != nil {
		return def, err
	}
	switch {
	case model.Type != "BPE" && (model.Type != "" || model.Merges == nil):
		return def, fmt.Errorf("model.type: %q is not supported; only BPE is", model.Type)
	case model.Dropout != nil && *model.Dropout != 0:
		return def, fmt.Errorf("model.dropout: %v is not supported; set it to null: it makes ids random", *model.Dropout)
	case model.Prefix != nil && *model.Prefix != "":
		return def, fmt.Errorf("model.continuing_subword_prefix: %q is not supported; only null is", *model.Prefix)
	case model.Suffix != nil && *model.Suffix != "":
		return def, fmt.Errorf("model.end_of_word_suffix: %q is not supported; only null is", *model.Suffix)
	}
	def.ignoreMerges, def.byteFallback = model.IgnoreMerges, model.ByteFallback
	def.unknown, def.fuseUnknown = -1, model.FuseUnk
	if model.UnkToken != nil && *model.UnkToken != "" {
		id, ok := model.Vocab[*model.UnkToken]
		if !ok {
			return def, fmt.Errorf("model.unk_token: %q is not in model.vocab", *model.UnkToken)
		}
		def.unknown = id
	}
	var err error
	if def.tokens, err = denseTokens(model.Vocab, added); err != nil {
		return def, err
	}
	if def.merges, err = resolveMerges("model.merges", model.Merges, "model.vocab", model.Vocab); err != nil {
		return def, err
	}
	for _, a := range added {
		def.added = append(def.added, addedToken{
			content: a.Content, id: a.ID, special: a.Special, normalized: a.Normalized,
			singleWord: a.SingleWord, lstrip: a.Lstrip, rstrip: a.Rstrip,
		})
	}
	return def, nil
}

// denseTokens inverts the vocabulary. The length of the result covers the added
// tokens too, which may but need not be in the vocabulary.
func denseTokens(vocab map[string]int32, added []addedJSON) ([]string, error) {
	last := int32(-1)
	for token, id := range vocab {
		if err := checkID(id); err != nil {
			return nil, fmt.Errorf("model.vocab[%q]: %w", token, err)
		}
		if token == "" {
			return nil, fmt.Errorf("model.vocab: id %d is an empty token", id)
		}
		last = max(last, id)
	}
	for i, a := range added {
		if err := checkID(a.ID); err != nil {
			return nil, fmt.Errorf("added_tokens[%d]: %w", i, err)
		}
		if id, ok := vocab[a.Content]; ok && id != a.ID {
			return nil, fmt.Errorf("added_tokens[%d]: %q has id %d here and %d in model.vocab", i, a.Content, a.ID, id)
		}
		last = max(last, a.ID)
	}
	if holes := int(last) + 1 - len(vocab) - len(added); holes > len(vocab)+len(added) {
		return nil, fmt.Errorf("model.vocab: the greatest id is %d but there are %d tokens; more than half of the ids name nothing", last, len(vocab))
	}
	tokens := make([]string, last+1)
	for token, id := range vocab {
		if other := tokens[id]; other != "" {
			return nil, fmt.Errorf("model.vocab: id %d is given to both %q and %q", id, min(token, other), max(token, other))
		}
		tokens[id] = token
	}
	return tokens, nil
}

func checkID(id int32) error {
	if id < 0 || id >= MaxVocab {
		return fmt.Errorf("id %d is outside [0, %d)", id, MaxVocab)
	}
	return nil
}

// resolveMerges finds the ids of the merges' tokens. The fields name both in errors.
func resolveMerges(field string, pairs [][2]string, vocabField string, vocab map[string]int32) ([]merge, error) {
	merges := make([]merge, len(pairs))
	var joined []byte
	for rank, p := range pairs {
		if p[0] == "" || p[1] == "" {
			return nil, fmt.Errorf("%s[%d]: %q has an empty part", field, rank, p)
		}
		joined = append(append(joined[:0], p[0]...), p[1]...)
		left, ok1 := vocab[p[0]]
		right, ok2 := vocab[p[1]]
		into, ok3 := vocab[string(joined)]
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("%s[%d]: %q: both parts and what they join to must be in %s", field, rank, p, vocabField)
		}
		merges[rank] = merge{left, right, into}
	}
	return merges, nil
}

// strict decodes the JSON of the component at path; unknown fields are errors.
func strict(path string, data json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func isNull(data json.RawMessage) bool { return len(data) == 0 || string(data) == "null" }
