package tokenize

import "bytes"

// marker is the character that stands for a space in the tokens of SentencePiece
// vocabularies, U+2581. In this package it is a space again, in tokens and in texts: a
// SentencePiece tokenizer cannot tell the two, so a marker in a text is read as a space.
const marker = "▁"

// spacing says how a tokenizer treats the spaces of a text, and whether it puts one in
// front: SentencePiece vocabularies spell a word with the space before it, and the
// first word of a document gets one too.
type spacing uint8

const (
	literal         spacing = iota // byte-level: a space is a byte as any other
	prepended                      // normalizer Prepend and Replace: a space before every section
	replaced                       // normalizer Replace alone: none
	metaspaceFirst                 // Metaspace: before the text, unless it begins with one
	metaspaceAlways                // Metaspace: before every section, unless it begins with one
	metaspaceNever                 // Metaspace: none
)

// A section is what lies between two added tokens.

// normalizer reports whether spaces are marked before normalized added tokens are
// looked for, instead of after.
func (s spacing) normalizer() bool { return s == prepended || s == replaced }

// prefix reports whether a space is put before a section. first says that the text
// begins with it.
func (s spacing) prefix(section []byte, first bool) bool {
	switch s {
	case prepended:
		return true
	case metaspaceFirst:
		return first && !startsWithSpace(section)
	case metaspaceAlways:
		return !startsWithSpace(section)
	}
	return false
}

func startsWithSpace(text []byte) bool {
	return bytes.HasPrefix(text, []byte{' '}) || bytes.HasPrefix(text, []byte(marker))
}

// appendSpaced appends a section as BPE is to see it, in which spaces stand for markers.
func (s spacing) appendSpaced(dst, section []byte, first bool) []byte {
	if s.prefix(section, first) {
		dst = append(dst, ' ')
	}
	return appendUnmarked(dst, section)
}

// appendUnmarked appends text with spaces for its markers.
func appendUnmarked(dst, text []byte) []byte {
	for {
		i := bytes.Index(text, []byte(marker))
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:i]...), ' ')
		text = text[i+len(marker):]
	}
}
