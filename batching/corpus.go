package batching

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/seq"
)

// Corpus is a set of tokenized documents in memory. Its documents are named by
// their keys: neither the split nor the order of an epoch depends on the order in
// which they were added. The zero value is empty and ready.
type Corpus struct {
	entries []entry
	tokens  []int32 // of all documents, one after the other
}

type entry struct {
	key    uint64
	id     string
	origin Origin
	start  int // into tokens
	count  int
}

// Add adds a copy of a document's tokens. An empty document is an error: it would
// teach nothing.
func (c *Corpus) Add(doc Document) error {
	if len(doc.Tokens) == 0 {
		return fmt.Errorf("%s has no tokens to train on", &doc)
	}
	c.entries = append(c.entries, entry{
		key: doc.Key, id: doc.ID, origin: doc.Origin, start: len(c.tokens), count: len(doc.Tokens),
	})
	c.tokens = append(c.tokens, doc.Tokens...)
	return nil
}

// Len returns the number of documents.
func (c *Corpus) Len() int { return len(c.entries) }

// Tokens returns the number of tokens of all documents, without BOS and EOS.
func (c *Corpus) Tokens() int {
	total := 0
	for _, e := range c.entries {
		total += e.count
	}
	return total
}

// Document returns the i-th document, in the order of addition. Its tokens belong
// to the corpus and must not be changed.
func (c *Corpus) Document(i int) Document {
	e := c.entries[i]
	return Document{
		ID: e.id, Key: e.key, Origin: e.origin,
		Tokens: c.tokens[e.start : e.start+e.count : e.start+e.count],
	}
}

// Digest returns a hash of the documents' keys and tokens, whatever their order. It
// lets a run that resumes notice that its corpus is another one.
func (c *Corpus) Digest() uint64 {
	sum := uint64(len(c.entries))
	for i, e := range c.entries {
		k := seq.NewKey(e.key, uint64(e.count))
		for _, tok := range c.Document(i).Tokens {
			k = k.With(uint64(tok))
		}
		sum += uint64(k)
	}
	return sum
}

// HeldOut says which documents are kept from training, for evaluation: a fraction
// of them, or a number. The zero value holds out none.
type HeldOut struct {
	Fraction float64 // 0 to 1, by the hash of each document's key
	Count    int     // the documents whose keys hash lowest
}

// Validate reports values out of range.
func (h HeldOut) Validate() error {
	switch {
	case !(h.Fraction >= 0 && h.Fraction < 1):
		return fmt.Errorf("held out: fraction is %v; it must be at least 0 and below 1", h.Fraction)
	case h.Count < 0:
		return fmt.Errorf("held out: count is %d; it must not be negative", h.Count)
	case h.Count > 0 && h.Fraction > 0:
		return fmt.Errorf("held out: both fraction and count are given; give one")
	}
	return nil
}

// Holds tells whether the document with the given key is in the held-out fraction:
// for streams, where there is no count. It depends on the key alone, not on the
// seed, so that no run trains on what another evaluates.
func (h HeldOut) Holds(key uint64) bool { return splitRank(key).Uniform(0) < h.Fraction }

func splitRank(key uint64) seq.Key { return seq.NewKey(uint64(seq.PurposeSplit), key) }

// Split returns the documents to train on and those held out. Documents of one key
// stay on one side. Both share c's memory. It is an error if nothing is left to
// train on.
func (c *Corpus) Split(h HeldOut) (train, held *Corpus, err error) {
	if err := h.Validate(); err != nil {
		return nil, nil, err
	}
	holds := h.Holds
	if h.Count > 0 {
		keys := make(map[uint64]bool, h.Count)
		for _, i := range c.sorted(func(key uint64) uint64 { return splitRank(key).Uint64(0) })[:min(h.Count, c.Len())] {
			keys[c.entries[i].key] = true
		}
		holds = func(key uint64) bool { return keys[key] }
	}
	// Clipped, so that an Add to one side does not write into the other's tokens.
	train, held = &Corpus{tokens: slices.Clip(c.tokens)}, &Corpus{tokens: slices.Clip(c.tokens)}
	for _, e := range c.entries {
		side := train
		if holds(e.key) {
			side = held
		}
		side.entries = append(side.entries, e)
	}
	if train.Len() == 0 && c.Len() > 0 {
		return nil, nil, fmt.Errorf("held out: all %d documents are held out; none is left to train on", c.Len())
	}
	return train, held, nil
}

// sorted returns the indexes of the documents by rank. Documents of equal rank
// stand by key, then tokens, never by the order of addition.
func (c *Corpus) sorted(rank func(key uint64) uint64) []int32 {
	ranks := make([]uint64, c.Len())
	index := make([]int32, c.Len())
	for i, e := range c.entries {
		ranks[i], index[i] = rank(e.key), int32(i)
	}
	slices.SortStableFunc(index, func(a, b int32) int {
		return cmp.Or(
			cmp.Compare(ranks[a], ranks[b]),
			cmp.Compare(c.entries[a].key, c.entries[b].key),
			slices.Compare(c.Document(int(a)).Tokens, c.Document(int(b)).Tokens),
		)
	})
	return index
}

// shuffled returns the order of the documents in an epoch.
func (c *Corpus) shuffled(seed, epoch uint64) []int32 {
	k := seq.NewKey(seed, uint64(seq.PurposeShuffle), epoch)
	return c.sorted(func(key uint64) uint64 { return k.With(key).Uint64(0) })
}
