package tokenize

import "fmt"

// MaxVocab is the largest number of token ids that a tokenizer may have.
const MaxVocab = 1 << 20

// definition says all that a tokenizer is, as a file gives it or training finds it.
// Every source (tokenizer.json, GGUF, training) makes one; newTokenizer alone judges it.
type definition struct {
	pipeline     Pipeline
	spacing      spacing      // literal if the pipeline is byte-level, and only then
	ignoreMerges bool         // a word that is a token is not merged but looked up
	byteFallback bool         // a character without a token is spelled in the tokens <0x00> to <0xFF>
	unknown      int32        // what Hugging Face's library gives for text without a token; -1 = nothing
	fuseUnknown  bool         // one for all in a row
	tokens       []string     // [vocab] id -> the BPE model's token, as tokenizer.json spells it; "" = not in the model
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
	content, err := t.setAdded()
	if err != nil {
		return nil, err
	}
	if def.pipeline == SentencePiece {
		err = t.setPieces(content)
	} else {
		err = t.setBytes(content)
	}
	if err != nil {
		return nil, err
	}
	t.pairs = newPairTable(def.merges, t.forges)
	switch {
	case def.pipeline != SentencePiece:
		t.split = def.pipeline.splitter()
	case t.symbols.complete():
		t.split = newJoinTable(def.merges, t.forges, t.Bytes).split
	default:
		t.split = wholeText // unknown characters are fused across any cut
	}
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

// forges reports whether a rule makes a token that no text may become: a special one,
// or one that stands for a byte and not for what it spells. Where added tokens are
// recognised, no special token is left in the text, so that leaving the rule out
// changes nothing there.
func (t *Tokenizer) forges(m merge) bool {
	if t.special[m.into] {
		return true
	}
	_, ok := pieceByte(t.def.tokens[m.into])
	return ok && t.def.pipeline == SentencePiece
}

// setAdded checks the added tokens and finds which tokens are special. It returns the
// contents of the added tokens by id.
func (t *Tokenizer) setAdded() (content []string, err error) {
	def := &t.def
	content = make([]string, len(def.tokens))
	seen := map[string]bool{}
	t.special = make([]bool, len(def.tokens))
	for id, token := range def.tokens {
		t.special[id] = token == ""
	}
	for i, a := range def.added {
		switch {
		case a.id < 0 || int(a.id) >= len(def.tokens):
			return nil, fmt.Errorf("added_tokens[%d]: id %d is outside the %d ids of the vocabulary", i, a.id, len(def.tokens))
		case a.content == "":
			return nil, fmt.Errorf("added_tokens[%d]: content is empty", i)
		case seen[a.content]:
			return nil, fmt.Errorf("added_tokens[%d]: %q occurs twice", i, a.content)
		case content[a.id] != "":
			return nil, fmt.Errorf("added_tokens[%d]: id %d is given to both %q and %q", i, a.id, content[a.id], a.content)
		case def.tokens[a.id] != "" && def.tokens[a.id] != a.content:
			return nil, fmt.Errorf("added_tokens[%d]: id %d is %q here and %q in model.vocab", i, a.id, a.content, def.tokens[a.id])
		}
		seen[a.content] = true
		content[a.id] = a.content
		t.special[a.id] = a.special || def.tokens[a.id] == ""
	}
	t.added, err = newAddedSets(def.added, def.spacing)
	return content, err
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
