package tokenize

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// JSON returns the tokenizer as a tokenizer.json that Parse and Hugging Face's
// tokenizers library (0.20 and later) read. The vocabulary stands in the order of
// ids, one token a line, the merges in the order of rank.
func (t *Tokenizer) JSON() ([]byte, error) {
	def := &t.def
	w := &jsonWriter{}
	w.text("{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [")
	for i, a := range def.added {
		w.separate(i)
		w.value(addedJSON{
			ID: a.id, Content: a.content, Special: a.special, Normalized: a.normalized,
			SingleWord: a.singleWord, Lstrip: a.lstrip, Rstrip: a.rstrip,
		})
	}
	form := formOf(def.pipeline, def.spacing)
	w.text("\n],\n\"normalizer\": ")
	w.text(form.normalizer)
	w.text(",\n\"pre_tokenizer\": ")
	w.text(form.preTokenizer)
	w.text(",\n\"post_processor\": ")
	w.value(t.template())
	w.text(",\n\"decoder\": ")
	w.text(form.decoder)
	w.text(",\n\"model\": {\n\"type\": \"BPE\",\n\"dropout\": null,\n\"unk_token\": ")
	if def.unknown >= 0 {
		w.value(def.tokens[def.unknown])
	} else {
		w.text("null")
	}
	w.text(",\n\"continuing_subword_prefix\": null,\n\"end_of_word_suffix\": null,\n\"fuse_unk\": ")
	w.value(def.fuseUnknown)
	w.text(",\n\"byte_fallback\": ")
	w.value(def.byteFallback)
	w.text(",\n\"ignore_merges\": ")
	w.value(def.ignoreMerges)
	w.text(",\n\"vocab\": {")
	n := 0
	for id, token := range def.tokens {
		if token != "" {
			w.separate(n)
			w.value(token)
			w.text(": ")
			w.value(id)
			n++
		}
	}
	w.text("\n},\n\"merges\": [")
	for i, m := range def.merges {
		w.separate(i)
		w.value([2]string{def.tokens[m.left], def.tokens[m.right]})
	}
	w.text("\n]\n}\n}\n")
	if w.err != nil {
		return nil, fmt.Errorf("write tokenizer.json: %w", w.err)
	}
	return w.buf.Bytes(), nil
}

// template returns the post-processor that puts the first and last token around a
// text, nil if there is neither.
func (t *Tokenizer) template() *postProcessorJSON {
	if t.def.first < 0 && t.def.last < 0 {
		return nil
	}
	p := &postProcessorJSON{Type: "TemplateProcessing", SpecialTokens: map[string]specialsJSON{}}
	around := func(sequence string, typeID int) []pieceJSON {
		var pieces []pieceJSON
		special := func(id int32) {
			if id < 0 {
				return
			}
			name := string(t.Bytes(id))
			p.SpecialTokens[name] = specialsJSON{ID: name, IDs: []int32{id}, Tokens: []string{name}}
			pieces = append(pieces, pieceJSON{SpecialToken: &pieceIDJSON{name, typeID}})
		}
		special(t.def.first)
		pieces = append(pieces, pieceJSON{Sequence: &pieceIDJSON{sequence, typeID}})
		special(t.def.last)
		return pieces
	}
	p.Single = around("A", 0)
	p.Pair = append(around("A", 0), around("B", 1)...)
	return p
}

// jsonWriter keeps the first error.
type jsonWriter struct {
	buf bytes.Buffer
	err error
}

func (w *jsonWriter) text(s string) { w.buf.WriteString(s) }

// separate ends the entry before the i-th of a list, and begins a line.
func (w *jsonWriter) separate(i int) {
	if i > 0 {
		w.text(",")
	}
	w.text("\n")
}

// value writes v as JSON, without the escapes that HTML would need.
func (w *jsonWriter) value(v any) {
	e := json.NewEncoder(&w.buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil && w.err == nil {
		w.err = err
	}
	w.buf.Truncate(w.buf.Len() - 1) // the newline that Encode adds
}
