package tokenize

// Tokenizer turns text into token ids and back. It is immutable; any number of
// goroutines may share it, each with an Encoder of its own.
type Tokenizer struct {
	def      definition
	split    splitter
	symbols  symbols
	words    map[string]int32 // bytes -> token, where whole words are looked up before merging; else nil
	pairs    pairTable
	added    [2]addedSet
	text     []byte   // the bytes of all tokens, in the order of their ids
	ends     []uint32 // [vocab] where the bytes of each token end in text
	special  []bool   // [vocab]
	bos, eos int32    // -1 = none
}

// Vocab returns the number of token ids: all ids are in [0, Vocab).
func (t *Tokenizer) Vocab() int { return len(t.ends) }

// Pipeline returns the way in which text is cut into words.
func (t *Tokenizer) Pipeline() Pipeline { return t.def.pipeline }

// BOS returns the token that begins a document: the one that the post-processor's
// template puts first, else the special token of a well-known name (<|bos|>,
// <|begin_of_text|>, <s>, ...). ok is false if there is neither, as in GPT-2.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.bos, t.bos >= 0 }

// EOS returns the token that ends a document: the one that the post-processor's
// template puts last, else the special token of a well-known name (<|eos|>,
// <|end_of_text|>, </s>, <|endoftext|>, ...). ok is false if there is neither.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.eos, t.eos >= 0 }

// Start returns the token that stands before every document: BOS or, in a vocabulary
// without one, EOS. ok is false if there is neither.
func (t *Tokenizer) Start() (id int32, ok bool) {
	if t.bos >= 0 {
		return t.bos, true
	}
	return t.EOS()
}

// IsSpecial reports whether id never stands for text: tokens flagged special,
// added tokens outside the BPE vocabulary, and ids without a token, those outside
// [0, Vocab) included. Encoder.Append never yields such an id.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id < 0 || int(id) >= len(t.special) || t.special[id]
}

// Bytes returns the bytes that id stands for, for a special token its content; nil
// for an id without a token. The caller must not change them.
func (t *Tokenizer) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.ends) {
		return nil
	}
	start, end := uint32(0), t.ends[id]
	if id > 0 {
		start = t.ends[id-1]
	}
	if start == end {
		return nil
	}
	return t.text[start:end:end]
}

// AppendText appends the bytes that ids stand for to dst: for the ids of a text
// that Encoder.Append gave, exactly its bytes. Special tokens appear as their
// content, ids without a token as nothing. A cut between any two ids may fall
// inside a UTF-8 sequence.
func (t *Tokenizer) AppendText(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		dst = append(dst, t.Bytes(id)...)
	}
	return dst
}

// Prefix returns what stands, unseen, before a document that begins with text: a space
// in most SentencePiece vocabularies, else nothing. The first token of the document
// begins with it.
func (t *Tokenizer) Prefix(text []byte) string {
	if t.def.spacing.prefix(text, true) {
		return " "
	}
	return ""
}

// AppendDocumentText is AppendText for the ids of a whole document, as
// Encoder.AppendDocument gave them: without the Prefix.
func (t *Tokenizer) AppendDocumentText(dst []byte, ids []int32) []byte {
	start := len(dst)
	dst = t.AppendText(dst, ids)
	if t.Prefix(nil) != "" && len(dst) > start && dst[start] == ' ' {
		dst = append(dst[:start], dst[start+1:]...)
	}
	return dst
}

// TokensStartingWith returns, ascending, the tokens of text (not IsSpecial) whose
// bytes begin with b: what may follow a cut where the text goes on with b.
func (t *Tokenizer) TokensStartingWith(b byte) []int32 {
	var ids []int32
	for id := range int32(len(t.ends)) {
		if bytes := t.Bytes(id); !t.special[id] && len(bytes) > 0 && bytes[0] == b {
			ids = append(ids, id)
		}
	}
	return ids
}
