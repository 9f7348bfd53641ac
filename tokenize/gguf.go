package tokenize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// GGUF is what the metadata of a GGUF file says about its tokenizer. Fields that the
// file lacks are nil or empty; what llama.cpp takes in their place holds here too.
type GGUF struct {
	Model  string    // tokenizer.ggml.model: gpt2 (byte-level BPE) or llama (SentencePiece BPE)
	Pre    string    // tokenizer.ggml.pre: for gpt2 how text is cut into words
	Tokens []string  // tokenizer.ggml.tokens, by id
	Scores []float32 // tokenizer.ggml.scores, by id; llama only
	Types  []int32   // tokenizer.ggml.token_type, by id; nil = all are text
	Merges []string  // tokenizer.ggml.merges, "left right" by rank; gpt2 only

	BOS     *int32 // tokenizer.ggml.bos_token_id
	EOS     *int32 // tokenizer.ggml.eos_token_id
	Unknown *int32 // tokenizer.ggml.unknown_token_id

	AddBOS         *bool // tokenizer.ggml.add_bos_token
	AddEOS         *bool // tokenizer.ggml.add_eos_token
	AddSpacePrefix *bool // tokenizer.ggml.add_space_prefix; llama only
}

// The values of tokenizer.ggml.token_type.
const (
	ggufUndefined int32 = iota
	ggufNormal
	ggufUnknown
	ggufControl
	ggufUserDefined
	ggufUnused
	ggufByte
)

// FromGGUF returns the tokenizer that the metadata of a GGUF file describes: the one
// whose tokenizer.json (Tokenizer.JSON) was converted to it. A kind of tokenizer that
// is not known is an error that names the field. BOS and EOS are those that are put
// around a text, else found by name as in a tokenizer.json, which has no field for
// them: bos_token_id and eos_token_id are often those of a chat, not of a document.
func FromGGUF(g GGUF) (*Tokenizer, error) {
	def := definition{unknown: -1, first: -1, last: -1}
	if err := g.setTokens(&def); err != nil {
		return nil, err
	}
	addBOS := false
	switch g.Model {
	case "gpt2":
		var err error
		if def.pipeline, err = ggufPipeline(g.Pre); err != nil {
			return nil, err
		}
		// llama.cpp ties both to this way of cutting, as Llama-3's tokenizer.json has both.
		def.ignoreMerges, addBOS = def.pipeline == Llama3, def.pipeline == Llama3
		if def.merges, err = g.merges(); err != nil {
			return nil, err
		}
	case "llama":
		def.pipeline, def.spacing, addBOS = SentencePiece, prepended, true
		if g.AddSpacePrefix != nil && !*g.AddSpacePrefix {
			def.spacing = replaced
		}
		def.byteFallback, def.fuseUnknown = true, true
		def.unknown = g.unknown()
		var err error
		if def.merges, err = g.mergesByScore(def.tokens); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("tokenizer.ggml.model: %q is not supported; supported: gpt2, llama", g.Model)
	}
	var err error
	if def.first, err = g.around("bos", g.BOS, g.AddBOS, addBOS); err != nil {
		return nil, err
	}
	if def.last, err = g.around("eos", g.EOS, g.AddEOS, false); err != nil {
		return nil, err
	}
	t, err := newTokenizer(def)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.ggml, as a tokenizer.json: %w", err)
	}
	return t, nil
}

// ggufPipeline returns the pipeline of a name in tokenizer.ggml.pre.
func ggufPipeline(pre string) (Pipeline, error) {
	switch pre {
	case "gpt-2", "default":
		return GPT2, nil
	case "llama-bpe", "llama3", "llama-v3":
		return Llama3, nil
	case "smollm", "starcoder", "refact", "command-r":
		return SmolLM2, nil
	}
	return 0, fmt.Errorf("tokenizer.ggml.pre: %q is not supported; supported: gpt-2, default, llama-bpe, smollm, starcoder, refact, command-r", pre)
}

// setTokens sets the vocabulary and the added tokens. All tokens but the unused ones
// are in the model's vocabulary, where Hugging Face's library takes their ids from.
func (g *GGUF) setTokens(def *definition) error {
	if len(g.Tokens) == 0 || len(g.Tokens) > MaxVocab {
		return fmt.Errorf("tokenizer.ggml.tokens: %d tokens; want 1 to %d", len(g.Tokens), MaxVocab)
	}
	if g.Types != nil && len(g.Types) != len(g.Tokens) {
		return fmt.Errorf("tokenizer.ggml.token_type: %d types for %d tokens", len(g.Types), len(g.Tokens))
	}
	def.tokens = make([]string, len(g.Tokens))
	seen := make(map[string]int, len(g.Tokens))
	holes := 0
	for id, token := range g.Tokens {
		kind := g.kind(id)
		if kind == ggufUnused {
			holes++
			continue
		}
		other, twice := seen[token]
		switch {
		case token == "" || !utf8.ValidString(token):
			return fmt.Errorf("tokenizer.ggml.tokens[%d]: %q is empty or not valid UTF-8", id, token)
		case twice:
			return fmt.Errorf("tokenizer.ggml.tokens: %q is both token %d and token %d", token, other, id)
		case kind < ggufUndefined || kind > ggufByte:
			return fmt.Errorf("tokenizer.ggml.token_type[%d]: %d is unknown; known: 0 to %d", id, kind, ggufByte)
		}
		seen[token] = id
		def.tokens[id] = token
		if special := kind == ggufControl || kind == ggufUnknown; special || kind == ggufUserDefined {
			def.added = append(def.added, addedToken{content: token, id: int32(id), special: special})
		}
	}
	if holes > len(seen) {
		return fmt.Errorf("tokenizer.ggml.token_type: %d of %d tokens are unused; more than half of the ids name nothing", holes, len(g.Tokens))
	}
	for n := len(def.tokens); def.tokens[n-1] == ""; n-- {
		def.tokens = def.tokens[:n-1] // as in a tokenizer.json, whose ids end with the last token
	}
	return nil
}

// kind returns the type of a token. Where the file has no types, the ids that have a
// field of their own are control tokens.
func (g *GGUF) kind(id int) int32 {
	if g.Types != nil {
		return g.Types[id]
	}
	for _, special := range []*int32{g.BOS, g.EOS, g.Unknown} {
		if special != nil && int(*special) == id {
			return ggufControl
		}
	}
	return ggufNormal
}

// merges returns the rules of a byte-level vocabulary.
func (g *GGUF) merges() ([]merge, error) {
	ids := make(map[string]int32, len(g.Tokens))
	for id, token := range g.Tokens {
		ids[token] = int32(id)
	}
	pairs := make([][2]string, len(g.Merges))
	for rank, line := range g.Merges {
		left, right, _ := strings.Cut(line, " ")
		pairs[rank] = [2]string{left, right}
	}
	return resolveMerges("tokenizer.ggml.merges", pairs, "tokenizer.ggml.tokens", ids)
}

// unknown returns the token for text without one, -1 = none.
func (g *GGUF) unknown() int32 {
	for id := range g.Tokens {
		if g.Unknown != nil && int(*g.Unknown) == id || g.Unknown == nil && g.kind(id) == ggufUnknown {
			return int32(id)
		}
	}
	return -1
}

// maxPieceWork bounds the bytes that mergesByScore looks at.
const maxPieceWork = 1 << 30

// mergesByScore returns the rules of a SentencePiece vocabulary, which has scores
// instead: a piece can be merged from any two pieces that spell it, those of greater
// score first. The order of rules for equal scores is that of Hugging Face's converter
// (generate_merges): longer left parts first, in characters, then longer right ones.
func (g *GGUF) mergesByScore(tokens []string) ([]merge, error) {
	if len(g.Scores) != len(g.Tokens) {
		return nil, fmt.Errorf("tokenizer.ggml.scores: %d scores for %d tokens", len(g.Scores), len(g.Tokens))
	}
	ids := make(map[string]int32, len(tokens))
	work := 0
	for id, token := range tokens {
		if token != "" {
			ids[token] = int32(id)
		}
		if work += len(token) * len(token); work > maxPieceWork {
			return nil, fmt.Errorf("tokenizer.ggml.tokens[%d]: %d bytes; the tokens are too long for merges to be derived from scores", id, len(token))
		}
	}
	type rule struct {
		merge
		score      float32
		leftChars  int
		rightChars int
	}
	var rules []rule
	for id, token := range tokens {
		score := g.Scores[id]
		if score != score {
			return nil, fmt.Errorf("tokenizer.ggml.scores[%d] is not a number", id)
		}
		characters := utf8.RuneCountInString(token)
		n := 0
		for i := range token {
			if left, right := token[:i], token[i:]; i > 0 {
				l, okL := ids[left]
				r, okR := ids[right]
				if okL && okR {
					rules = append(rules, rule{merge{l, r, int32(id)}, score, n, characters - n})
				}
			}
			n++
		}
	}
	slices.SortStableFunc(rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.leftChars, a.leftChars), cmp.Compare(b.rightChars, a.rightChars))
	})
	merges := make([]merge, len(rules))
	for rank, r := range rules {
		merges[rank] = r.merge
	}
	return merges, nil
}

// around returns the token that is put on one side of a text, -1 = none.
func (g *GGUF) around(name string, id *int32, add *bool, absent bool) (int32, error) {
	if add != nil {
		absent = *add
	}
	switch {
	case !absent:
		return -1, nil
	case id == nil:
		return -1, fmt.Errorf("tokenizer.ggml.%s_token_id is missing, but the token is to be added to a text", name)
	case *id < 0 || int(*id) >= len(g.Tokens):
		return -1, fmt.Errorf("tokenizer.ggml.%s_token_id: %d is outside the %d tokens", name, *id, len(g.Tokens))
	}
	return *id, nil
}
