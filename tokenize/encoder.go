package tokenize

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// Encoder turns text into token ids. It holds scratch memory and bounded caches of
// the words met so far, about 3 MB at most; one goroutine at a time may use it. What
// it returns depends on the text alone, never on what it encoded before.
type Encoder struct {
	t     *Tokenizer
	short []shortWord // direct-mapped
	long  longCache
	merge merger
	ids   []int32 // the symbols of the word being merged
}

// NewEncoder returns an encoder with empty caches.
func (t *Tokenizer) NewEncoder() *Encoder {
	return &Encoder{
		t:     t,
		short: make([]shortWord, 1<<shortBits),
		long:  longCache{seed: maphash.MakeSeed()},
		merge: merger{pairs: &t.pairs},
	}
}

// Append appends the ids of text to dst. Any bytes will do, valid UTF-8 or not, and
// Tokenizer.AppendText gives them back, but for bytes that have no token: some
// vocabularies lack a few control characters, which are left out. All of text is text: what looks like a
// special or added token is spelled out, so that a document cannot forge one. No
// token is added at either end.
func (e *Encoder) Append(dst []int32, text []byte) []int32 {
	split, classes := e.t.split, e.t.classes
	for i := 0; i < len(text); {
		end := split(classes, text, i)
		dst = e.appendWord(dst, text, i, end)
		i = end
	}
	return dst
}

// AppendWithSpecials is Append, except that the added tokens of the tokenizer are
// recognised in text, as Hugging Face's tokenizers do by default. Use it for text
// that its author may fill with control tokens, a prompt template for instance.
func (e *Encoder) AppendWithSpecials(dst []int32, text []byte) []int32 {
	return e.appendAround(dst, text, e.t.added[:])
}

// appendAround cuts text at the tokens of the first set, what lies between at those
// of the next, and encodes what is left.
func (e *Encoder) appendAround(dst []int32, text []byte, sets []addedSet) []int32 {
	if len(sets) == 0 {
		return e.Append(dst, text)
	}
	for {
		start, end, id, ok := sets[0].next(text)
		if !ok {
			return e.appendAround(dst, text, sets[1:])
		}
		dst = e.appendAround(dst, text[:start], sets[1:])
		dst = append(dst, id)
		text = text[end:]
	}
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
	ids := e.encodeWord(text[i:end])
	if len(ids) <= len(entry.ids) {
		entry.lo, entry.hi, entry.n = lo, hi, int32(len(ids))
		copy(entry.ids[:], ids)
	}
	return append(dst, ids...)
}

func (e *Encoder) appendLong(dst []int32, word []byte) []int32 {
	if len(word) > longLen {
		return append(dst, e.encodeWord(word)...)
	}
	slot, ids := e.long.get(word)
	if ids == nil {
		ids = e.encodeWord(word)
		e.long.put(slot, word, ids)
	}
	return append(dst, ids...)
}

// encodeWord returns the ids of a word, valid until the next call.
func (e *Encoder) encodeWord(word []byte) []int32 {
	if cap(e.ids) > maxScratch && len(word) <= maxScratch {
		// One enormous word must not hold its memory for ever.
		e.ids, e.merge = nil, merger{pairs: e.merge.pairs}
	}
	e.ids = e.ids[:0]
	if id, ok := e.t.words[string(word)]; ok {
		e.ids = append(e.ids, id)
		return e.ids
	}
	for _, b := range word {
		if id := e.t.byteID[b]; id >= 0 {
			e.ids = append(e.ids, id)
		}
	}
	return e.merge.merge(e.ids)
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
