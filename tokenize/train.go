package tokenize

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Train learns a byte-level BPE vocabulary from documents. The result is that of
// Hugging Face's BpeTrainer with the full byte alphabet, fed with one document at a
// time: of the pairs inside words the most frequent is merged, of equally frequent
// ones that with the smallest ids, until there are opts.Vocab tokens. It has fewer if
// no pair is left that occurs opts.MinCount times. The order of documents makes no
// difference. A document is read before the next is asked for and not kept.
//
// Ids: BOS, EOS and opts.Special in this order, the 256 bytes, then one for each merge.
func Train(ctx context.Context, opts TrainOptions, docs iter.Seq[[]byte]) (*Tokenizer, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	words, counts, err := countWords(ctx, opts.Pipeline, docs)
	if err != nil {
		return nil, fmt.Errorf("count words: %w", err)
	}
	tr := newTrainer(opts.specials())
	tr.load(words, counts)
	if err := tr.run(ctx, opts.Vocab, max(int64(opts.MinCount), 1)); err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	return newTokenizer(opts.define(tr.tokens, lastOfEach(tr.merges)))
}

// countWords returns the distinct words of the documents and how often each occurs.
func countWords(ctx context.Context, p Pipeline, docs iter.Seq[[]byte]) (words []string, counts []int64, err error) {
	split := p.splitter()
	index := map[string]int32{}
	for text := range docs {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		for i := 0; i < len(text); {
			end := split(text, i)
			k, ok := index[string(text[i:end])]
			if !ok {
				k = int32(len(words))
				words = append(words, string(text[i:end]))
				counts = append(counts, 0)
				index[words[k]] = k
			}
			counts[k]++
			i = end
		}
	}
	return words, counts, ctx.Err()
}

// trainer holds the words, as far as they are merged, and the count of every pair.
type trainer struct {
	tokens []string         // id -> token, spelled in the alphabet
	ids    map[string]int32 // token -> id
	byteID [256]int32
	merges []merge

	words  [][]int32 // the symbols of each distinct word
	counts []int64   // how often each word occurs
	pairs  map[uint64]int64
	queue  heap[pairCount]
}

// pairCount is a queued pair with its count when it was queued and the words that
// it occurred in at that time.
type pairCount struct {
	count int64
	pair  uint64
	words []int32 // ascending
}

func (p pairCount) Before(q pairCount) bool {
	return p.count > q.count || p.count == q.count && p.pair < q.pair
}

// newTrainer numbers the special tokens and the bytes, these in the order of their
// characters in the alphabet, as Hugging Face does.
func newTrainer(specials []string) *trainer {
	tr := &trainer{ids: map[string]int32{}, pairs: map[uint64]int64{}}
	for _, s := range specials {
		tr.token(s)
	}
	spelling := newAlphabet()
	for _, b := range spelling.byte {
		if b >= 0 {
			tr.byteID[b] = tr.token(spelling.spell([]byte{byte(b)}))
		}
	}
	return tr
}

// token returns the id of a token, a new one if it has none.
func (tr *trainer) token(s string) int32 {
	id, ok := tr.ids[s]
	if !ok {
		id = int32(len(tr.tokens))
		tr.tokens = append(tr.tokens, s)
		tr.ids[s] = id
	}
	return id
}

// load takes the words and counts all pairs in them.
func (tr *trainer) load(words []string, counts []int64) {
	total := 0
	for _, w := range words {
		total += len(w)
	}
	arena := make([]int32, total)
	where := map[uint64][]int32{}
	tr.counts = counts
	for i, w := range words {
		symbols := arena[:len(w):len(w)]
		arena = arena[len(w):]
		for k := range symbols {
			symbols[k] = tr.byteID[w[k]]
		}
		tr.words = append(tr.words, symbols)
		for k := 0; k+1 < len(symbols); k++ {
			pair := pairOf(symbols[k], symbols[k+1])
			tr.pairs[pair] += counts[i]
			where[pair] = appendNew(where[pair], int32(i))
		}
	}
	tr.enqueue(where)
}

// enqueue queues the pairs that occur, with the words that they occur in.
func (tr *trainer) enqueue(where map[uint64][]int32) {
	// Sorted, since one pair can be queued twice with equal counts.
	for _, pair := range slices.Sorted(maps.Keys(where)) {
		if n := tr.pairs[pair]; n > 0 {
			tr.queue.push(pairCount{n, pair, where[pair]})
		}
	}
}

// run merges until there are vocab tokens or no pair occurs minCount times.
func (tr *trainer) run(ctx context.Context, vocab int, minCount int64) error {
	for len(tr.tokens) < vocab && len(tr.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		top := tr.queue.pop()
		if n := tr.pairs[top.pair]; n != top.count {
			top.count = n // queued before other merges took some of its occurrences
			tr.queue.push(top)
			continue
		}
		if top.count < minCount {
			break
		}
		m := merge{left: int32(top.pair >> 32), right: int32(uint32(top.pair))}
		m.into = tr.token(tr.tokens[m.left] + tr.tokens[m.right])
		tr.merges = append(tr.merges, m)
		where := map[uint64][]int32{}
		for _, w := range top.words {
			tr.apply(m, w, where)
		}
		tr.enqueue(where)
	}
	return nil
}

// apply merges the pair in word w, corrects the counts of the neighbouring pairs and
// adds w to the words of those that are new.
func (tr *trainer) apply(m merge, w int32, where map[uint64][]int32) {
	symbols, count := tr.words[w], tr.counts[w]
	gain := func(left, right int32) {
		pair := pairOf(left, right)
		tr.pairs[pair] += count
		where[pair] = appendNew(where[pair], w)
	}
	kept := 0 // symbols[:kept] is the merged word so far
	for k := 0; k < len(symbols); {
		if symbols[k] != m.left || k+1 == len(symbols) || symbols[k+1] != m.right {
			symbols[kept] = symbols[k]
			kept++
			k++
			continue
		}
		if kept > 0 {
			tr.pairs[pairOf(symbols[kept-1], m.left)] -= count
			gain(symbols[kept-1], m.into)
		}
		symbols[kept] = m.into
		kept++
		k += 2
		if k < len(symbols) {
			tr.pairs[pairOf(m.right, symbols[k])] -= count
			gain(m.into, symbols[k])
		}
	}
	tr.words[w] = symbols[:kept]
}

// lastOfEach drops the merges whose pair occurs again later. That happens where two
// pairs spell one token: the pairs of its neighbours are found in two portions. The
// last of equal rules is the one that encoding obeys.
func lastOfEach(merges []merge) []merge {
	last := map[uint64]int{}
	for rank, m := range merges {
		last[pairOf(m.left, m.right)] = rank
	}
	var kept []merge
	for rank, m := range merges {
		if last[pairOf(m.left, m.right)] == rank {
			kept = append(kept, m)
		}
	}
	return kept
}

// appendNew appends w unless it is the last already.
func appendNew(words []int32, w int32) []int32 {
	if n := len(words); n > 0 && words[n-1] == w {
		return words
	}
	return append(words, w)
}

// define puts what training found into a definition.
func (o TrainOptions) define(tokens []string, merges []merge) definition {
	def := definition{pipeline: o.Pipeline, tokens: tokens, merges: merges, unknown: -1, first: -1, last: -1}
	for id, name := range o.specials() {
		def.added = append(def.added, addedToken{content: name, id: int32(id), special: true})
		if name == o.BOS {
			def.first = int32(id)
		}
	}
	return def
}

// specials returns the special tokens in the order of their ids.
func (o TrainOptions) specials() []string {
	names := slices.Concat([]string{o.BOS, o.EOS}, o.Special)
	if o.EOS == o.BOS {
		names = names[1:]
	}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}
