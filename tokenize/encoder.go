package tokenize

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"unicode/utf8"
)

// Encoder turns text into token ids. It holds scratch memory and bounded caches of
// the words met so far, about 3 MB at most; one goroutine at a time may use it. What
// it returns depends on the text alone, never on what it encoded before.
type Encoder struct {
	t       *Tokenizer
	short   []shortWord // direct-mapped
	long    longCache
	merge   merger
	ids     []int32 // the symbols of the word being merged
	spaced  []byte  // the section being encoded, where it had to be changed
	unknown int32   // what text without a token becomes, -1 = nothing
}

// NewEncoder returns an encoder with empty caches.
func (t *Tokenizer) NewEncoder() *Encoder {
	return &Encoder{
		t:     t,
		short: make([]shortWord, 1<<shortBits),
		long:  longCache{seed: maphash.MakeSeed()},
		merge: merger{pairs: &t.pairs},

		unknown: -1,
	}
}

// Append appends the ids of text to dst. Any bytes will do, valid UTF-8 or not, and
// Tokenizer.AppendText gives them back, with two exceptions: bytes that have no token
// are left out (some vocabularies lack a few control characters), and SentencePiece
// vocabularies read U+2581 as a space. All of text is text: what looks like a special
// or added token is spelled out, so that a document cannot forge one. No token is added
// at either end. The text may be a piece of a document; its beginning is AppendDocument's.
func (e *Encoder) Append(dst []int32, text []byte) []int32 {
	if e.t.def.spacing != literal && bytes.Contains(text, []byte(marker)) {
		text = e.space(text, replaced, false)
	}
	return e.appendWords(dst, text)
}

// AppendDocument is Append for a text that begins a document: it is encoded with
// Tokenizer.Prefix before it. Of an empty text there are no ids.
func (e *Encoder) AppendDocument(dst []int32, text []byte) []int32 {
	return e.appendSection(dst, text, true)
}

// AppendWithSpecials is AppendDocument, except that the added tokens of the tokenizer
// are recognised in text, and text without a token becomes the unknown token, as
// Hugging Face's tokenizers do by default. Use it for text that its author may fill with
// control tokens, a prompt template for instance.
func (e *Encoder) AppendWithSpecials(dst []int32, text []byte) []int32 {
	e.unknown = e.t.def.unknown
	defer func() { e.unknown = -1 }()
	cuts := addedCuts{set: &e.t.added[0], text: text}
	for {
		from, to, id, ok := cuts.next()
		dst = e.appendNormalized(dst, text[from:to], from == 0)
		if !ok {
			return dst
		}
		dst = append(dst, id)
	}
}

// appendNormalized appends the ids of a section, in which the normalized added tokens
// are recognised. first says that the text begins with it.
func (e *Encoder) appendNormalized(dst []int32, section []byte, first bool) []int32 {
	set := &e.t.added[1]
	if len(set.tokens) == 0 || len(section) == 0 {
		return e.appendSection(dst, section, first)
	}
	normalizer := e.t.def.spacing.normalizer()
	if normalizer {
		section = e.space(section, e.t.def.spacing, first)
	}
	cuts := addedCuts{set: set, text: section}
	for {
		from, to, id, ok := cuts.next()
		if normalizer {
			dst = e.appendWords(dst, section[from:to])
		} else {
			dst = e.appendSection(dst, section[from:to], first && from == 0)
		}
		if !ok {
			return dst
		}
		dst = append(dst, id)
	}
}

// appendSection appends the ids of a section, all of which is text.
func (e *Encoder) appendSection(dst []int32, section []byte, first bool) []int32 {
	if s := e.t.def.spacing; s != literal && len(section) > 0 {
		section = e.space(section, s, first)
	}
	return e.appendWords(dst, section)
}

// space returns a section as BPE is to see it, valid until the next call.
func (e *Encoder) space(section []byte, s spacing, first bool) []byte {
	if cap(e.spaced) > maxSpaced && len(section) <= maxSpaced {
		e.spaced = nil // as with enormous words
	}
	e.spaced = s.appendSpaced(e.spaced[:0], section, first)
	return e.spaced
}

const maxSpaced = 1 << 18 // bytes

// appendWords appends the ids of text as BPE is to see it.
func (e *Encoder) appendWords(dst []int32, text []byte) []int32 {
	split := e.t.split
	for i := 0; i < len(text); {
		end := split(text, i)
		dst = e.appendWord(dst, text, i, end)
		i = end
	}
	return dst
}

// shortWord is a cached word of at most 15 bytes with at most 4 tokens. The key is
// the word itself: its bytes, zero-padded, and its length in the highest byte.
type shortWord struct {
	lo, hi uint64
	ids    [4]int32
	n      int32
}

const (
	shortBits = 15 // 32,768 entries of 40 bytes
	shortLen  = 15
)

// appendWord appends the ids of the word text[i:end].
func (e *Encoder) appendWord(dst []int32, text []byte, i, end int) []int32 {
	n := end - i
	if n > shortLen {
		return e.appendLong(dst, text[i:end])
	}
	var lo, hi uint64
	if i+16 <= len(text) {
		lo = binary.LittleEndian.Uint64(text[i:])
		hi = binary.LittleEndian.Uint64(text[i+8:])
		if n < 8 {
			lo, hi = lo&(1<<(8*n)-1), 0
		} else {
			hi &= 1<<(8*(n-8)) - 1
		}
	} else {
		var padded [16]byte
		copy(padded[:], text[i:end])
		lo = binary.LittleEndian.Uint64(padded[:])
		hi = binary.LittleEndian.Uint64(padded[8:])
	}
	hi |= uint64(n) << 56
	hash := (lo ^ bits.RotateLeft64(hi*0x9E3779B97F4A7C15, 32)) * 0xD6E8FEB86659FD93
	entry := &e.short[hash>>(64-shortBits)]
	if entry.lo == lo && entry.hi == hi {
		return append(dst, entry.ids[:entry.n]...)
	}
	ids, cache := e.encodeWord(text[i:end])
	if cache && len(ids) <= len(entry.ids) {
		entry.lo, entry.hi, entry.n = lo, hi, int32(len(ids))
		copy(entry.ids[:], ids)
	}
	return append(dst, ids...)
}

func (e *Encoder) appendLong(dst []int32, word []byte) []int32 {
	if len(word) > longLen {
		ids, _ := e.encodeWord(word)
		return append(dst, ids...)
	}
	slot, ids := e.long.get(word)
	if ids == nil {
		var cache bool
		if ids, cache = e.encodeWord(word); cache {
			e.long.put(slot, word, ids)
		}
	}
	return append(dst, ids...)
}

// encodeWord returns the ids of a word, valid until the next call. A word that holds
// text without a token is not to be cached: its ids depend on e.unknown.
func (e *Encoder) encodeWord(word []byte) (ids []int32, cache bool) {
	if cap(e.ids) > maxScratch && len(word) <= maxScratch {
		// One enormous word must not hold its memory for ever.
		e.ids, e.merge = nil, merger{pairs: e.merge.pairs}
	}
	e.ids = e.ids[:0]
	if id, ok := e.t.words[string(word)]; ok {
		e.ids = append(e.ids, id)
		return e.ids, true
	}
	if e.t.symbols.runes == nil {
		cache = e.appendBytes(word)
	} else {
		cache = e.appendRunes(word)
	}
	return e.merge.merge(e.ids), cache
}

// appendBytes appends the symbols of a word to e.ids; complete says that all bytes have one.
func (e *Encoder) appendBytes(word []byte) (complete bool) {
	complete = true
	fresh := true // no unknown token has just been appended
	for _, b := range word {
		if id := e.t.symbols.byteID[b]; id >= 0 {
			e.ids = append(e.ids, id)
			fresh = true
			continue
		}
		complete = false
		if e.unknown >= 0 && (fresh || !e.t.def.fuseUnknown) {
			e.ids = append(e.ids, e.unknown)
			fresh = false
		}
	}
	return complete
}

// appendRunes is appendBytes for a vocabulary whose symbols are characters. One without
// a token is spelled in bytes, if all of them have one.
func (e *Encoder) appendRunes(word []byte) (complete bool) {
	s := &e.t.symbols
	complete = true
	pending := false // an unknown token is to be appended
	flush := func() {
		if pending && e.unknown >= 0 {
			e.ids = append(e.ids, e.unknown)
		}
		pending = false
	}
	for i := 0; i < len(word); {
		if b := word[i]; b < utf8.RuneSelf && s.asciiID[b] >= 0 {
			flush()
			e.ids = append(e.ids, s.asciiID[b])
			i++
			continue
		}
		r, n := utf8.DecodeRune(word[i:])
		char := word[i : i+n]
		i += n
		if id, ok := s.runes[r]; ok && (r != utf8.RuneError || n > 1) {
			flush()
			e.ids = append(e.ids, id)
			continue
		}
		start := len(e.ids)
		for _, b := range char {
			if s.byteID[b] < 0 {
				e.ids = e.ids[:start]
				break
			}
			e.ids = append(e.ids, s.byteID[b])
		}
		if len(e.ids) > start {
			continue // as Hugging Face's library, which appends a pending unknown token later
		}
		complete = false
		if !e.t.def.fuseUnknown {
			flush()
		}
		pending = true
	}
	flush()
	return complete
}

const maxScratch = 1 << 16 // symbols

// longCache maps words of 16 to longLen bytes to their ids. It is direct-mapped;
// words and ids lie in two arenas, and all is forgotten when one is full.
type longCache struct {
	seed  maphash.Seed
	slots []longWord
	words []byte
	ids   []int32
}

type longWord struct {
	word, wordEnd uint32 // in longCache.words
	ids, idsEnd   uint32 // in longCache.ids; empty = a free slot
}

const (
	longLen   = 128
	longSlots = 1 << 12
	longWords = 1 << 18 // bytes of longCache.words
	longIDs   = 1 << 17 // length of longCache.ids
)

// get returns the slot of the word and its ids, nil if it is not there.
func (c *longCache) get(word []byte) (slot int, ids []int32) {
	slot = int(maphash.Bytes(c.seed, word) % longSlots)
	if len(c.slots) == 0 {
		return slot, nil
	}
	w := c.slots[slot]
	if w.ids == w.idsEnd || string(c.words[w.word:w.wordEnd]) != string(word) {
		return slot, nil
	}
	return slot, c.ids[w.ids:w.idsEnd]
}

func (c *longCache) put(slot int, word []byte, ids []int32) {
	if len(c.slots) == 0 {
		c.slots = make([]longWord, longSlots)
		c.words = make([]byte, 0, longWords)
		c.ids = make([]int32, 0, longIDs)
	}
	if len(c.words)+len(word) > longWords || len(c.ids)+len(ids) > longIDs {
		clear(c.slots)
		c.words, c.ids = c.words[:0], c.ids[:0]
	}
	w := longWord{word: uint32(len(c.words)), ids: uint32(len(c.ids))}
	c.words = append(c.words, word...)
	c.ids = append(c.ids, ids...)
	w.wordEnd, w.idsEnd = uint32(len(c.words)), uint32(len(c.ids))
	c.slots[slot] = w
}
