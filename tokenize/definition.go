package tokenize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// MaxVocab is the largest number of token ids that a tokenizer may have.
const MaxVocab = 1 << 20

// definition says all that a tokenizer is, as a file gives it or training finds it.
// Every source (tokenizer.json, training) makes one; newTokenizer alone judges it.
type definition struct {
	pipeline     Pipeline
	ignoreMerges bool         // a word that is a token is not merged but looked up
	tokens       []string     // [vocab] id -> the BPE model's token, spelled in the alphabet; "" = not in the model
	merges       []merge      // by rank
	added        []addedToken // in the order of the file
	first, last  int32        // tokens that the template puts around a text; -1 = none
}

// Names by which the special tokens that begin and end a document are known, in the
// order in which they are looked for. tokenizer.json itself does not say.
func bosNames() []string {
	return []string{"<|bos|>", "<|begin_of_text|>", "<|startoftext|>", "<bos>", "<s>", "[BOS]"}
}

func eosNames() []string {
	return []string{"<|eos|>", "<|end_of_text|>", "<|endoftext|>", "<eos>", "</s>", "[EOS]"}
}

// newTokenizer checks the definition and builds the tables that encoding needs. The
// tokenizer keeps the definition.
func newTokenizer(def definition) (*Tokenizer, error) {
	if len(def.tokens) > MaxVocab {
		return nil, fmt.Errorf("model.vocab: %d ids; at most %d are supported", len(def.tokens), MaxVocab)
	}
	t := &Tokenizer{def: def}
	t.split, t.classes = def.pipeline.splitter()
	if err := t.setTokens(); err != nil {
		return nil, err
	}
	t.pairs = newPairTable(def.merges, func(m merge) bool {
		// A text that spells a special token must not become it. Where added tokens
		// are recognised, none is left in the text, so this changes nothing there.
		return t.special[m.into]
	})
	t.added = newAddedSets(def.added)
	for _, id := range []int32{def.first, def.last} {
		if id >= 0 && (!t.special[id] || t.Bytes(id) == nil) {
			return nil, fmt.Errorf("post_processor: token %d (%q) is put around texts, so it must be a special token of added_tokens", id, t.Bytes(id))
		}
	}
	t.bos, t.eos = def.first, def.last
	if t.bos < 0 {
		t.bos = def.specialNamed(bosNames())
	}
	if t.eos < 0 {
		t.eos = def.specialNamed(eosNames())
	}
	return t, nil
}

// setTokens finds the bytes of each token.
func (t *Tokenizer) setTokens() error {
	def := &t.def
	content := make([]string, len(def.tokens))
	seen := map[string]bool{}
	t.special = make([]bool, len(def.tokens))
	for id, token := range def.tokens {
		t.special[id] = token == ""
	}
	for i, a := range def.added {
		switch {
		case a.id < 0 || int(a.id) >= len(def.tokens):
			return fmt.Errorf("added_tokens[%d]: id %d is outside the %d ids of the vocabulary", i, a.id, len(def.tokens))
		case a.content == "":
			return fmt.Errorf("added_tokens[%d]: content is empty", i)
		case seen[a.content]:
			return fmt.Errorf("added_tokens[%d]: %q occurs twice", i, a.content)
		case content[a.id] != "":
			return fmt.Errorf("added_tokens[%d]: id %d is given to both %q and %q", i, a.id, content[a.id], a.content)
		case def.tokens[a.id] != "" && def.tokens[a.id] != a.content:
			return fmt.Errorf("added_tokens[%d]: id %d is %q here and %q in model.vocab", i, a.id, a.content, def.tokens[a.id])
		}
		seen[a.content] = true
		content[a.id] = a.content
		t.special[a.id] = a.special || def.tokens[a.id] == ""
	}

	if def.ignoreMerges {
		t.words = make(map[string]int32, len(def.tokens))
	}
	for b := range t.byteID {
		t.byteID[b] = -1
	}
	spelling := newAlphabet()
	t.ends = make([]uint32, len(def.tokens))
	for id, token := range def.tokens {
		start := len(t.text)
		text, spelled := spelling.appendBytes(t.text, token)
		if t.special[id] || !spelled {
			// As it is written; Hugging Face decodes tokens outside the alphabet so too.
			text = append(text[:start], cmp.Or(token, content[id])...)
		}
		t.text = text
		t.ends[id] = uint32(len(text))
		if t.special[id] || !spelled {
			continue
		}
		if t.words != nil {
			t.words[string(text[start:])] = int32(id)
		}
		if len(text) == start+1 {
			t.byteID[text[start]] = int32(id)
		}
	}
	if slices.Max(t.byteID[:]) < 0 {
		return errors.New("model.vocab: no byte has a token; that is no byte-level vocabulary")
	}
	return nil
}

// specialNamed returns the id of the special token with the first of the names that
// there is, -1 if there is none.
func (d *definition) specialNamed(names []string) int32 {
	for _, name := range names {
		for _, a := range d.added {
			if a.special && a.content == name {
				return a.id
			}
		}
	}
	return -1
}
