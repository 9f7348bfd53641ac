package sdktest

import (
	"math"
	"slices"
	"strings"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// vocab is the size of the simulated vocabulary.
const vocab = 61

// Vocabulary is what the tokens of the simulated engine mean: words with a space before
// them, capitalised ones, the ends of words, marks, and a special token.
func Vocabulary() [][]byte {
	words := make([][]byte, vocab)
	for id := range words {
		word := string(rune('a'+id%26)) + string(rune('a'+id/3%26))
		switch {
		case id == 0: // special tokens mean nothing
		case id%5 == 1:
			words[id] = []byte(" " + strings.ToUpper(word[:1]) + word[1:])
		case id%5 == 2:
			words[id] = []byte(word)
		case id%11 == 3:
			words[id] = []byte(".")
		default:
			words[id] = []byte(" " + word)
		}
	}
	return words
}

// document is a canvas under way.
type document struct {
	intro  strategy.Document
	given  []int32 // [N] tokens; blanks hold -1
	tokens []int32 // [N] tokens; what is still blank holds -1
	groups [][]int32
	seen   seq.Key // everything that was done so far
	ledger *strategy.Ledger

	steps   int32           // decisions
	want    []int32         // positions that the strategy proposed next; none = the default
	checked []int32         // positions that it asked to check; none = proposals
	bias    []strategy.Bias // of the next proposal
	kept    int32           // tokens of the last draft that were kept
	state   []byte
}

// newDocument makes a document of n positions in which open are blank.
func newDocument(id uint64, key seq.Key, n int32, open ...int32) *document {
	d := &document{
		intro: strategy.Document{ID: id, Key: key, Length: n, Open: open},
		given: make([]int32, n),
		seen:  key,
	}
	for p := range n {
		d.given[p] = int32(key.Intn(uint64(p), vocab))
		if _, blank := slices.BinarySearch(open, p); blank {
			d.given[p] = -1
		}
	}
	d.tokens = slices.Clone(d.given)
	d.ledger = strategy.NewLedger(id, open)
	return d
}

// documents returns a fresh batch: borders, runs and scattered blanks, fewer and more
// than a window, and two documents that differ in nothing but their id.
func documents() []*document {
	key := func(i uint64) seq.Key { return seq.NewKey(7, i) }
	docs := []*document{
		newDocument(1, key(1), 1, 0),                                       // nothing but one blank
		newDocument(2, key(2), 9, 8),                                       // the last position
		newDocument(3, key(3), 12, 2, 3, 4, 5, 9),                          // a run and a loner
		newDocument(4, key(4), 40, blanks(40, 1)...),                       // all blank, more than a window
		newDocument(5, key(5), 100, blanks(100, 3)...),                     // scattered
		newDocument(1<<63+6, key(6), 20, 1, 4, 7, 8, 11, 12, 15, 17, 18),   // an id with its highest bit set
		newDocument(7, key(6), 20, 1, 4, 7, 8, 11, 12, 15, 17, 18),         // the same under another id
		newDocument(8, key(8), 40, 0, 1, 2, 3, 4, 5, 6, 7, 33, 34, 38, 39), // both borders
	}
	return docs
}

// blanks returns every step-th position below n.
func blanks(n, step int32) []int32 {
	var open []int32
	for p := int32(0); p < n; p += step {
		open = append(open, p)
	}
	return open
}

// open returns the positions still blank, ascending.
func (d *document) open() []int32 {
	var open []int32
	for p, t := range d.tokens {
		if t < 0 {
			open = append(open, int32(p))
		}
	}
	return open
}

func (d *document) isOpen(p int32) bool { return p >= 0 && int(p) < len(d.tokens) && d.tokens[p] < 0 }

// rows returns the positions of the next observation: those to be checked, else those
// that the strategy asked for, else the first window open positions.
func (d *document) rows(window int) []int32 {
	if len(d.checked) > 0 {
		return d.checked
	}
	if len(d.want) > 0 {
		return d.want
	}
	open := d.open()
	return open[:min(window, len(open))]
}

// done says whether the strategy has nothing to decide any more.
func (d *document) done() bool { return len(d.checked) == 0 && len(d.open()) == 0 }

// row is what the simulated model says about a position, given all that was done so far.
type row struct {
	token                          int32
	prob, maxProb, entropy, margin float32
}

func (d *document) observe(position int32) row {
	k := d.seen.With(uint64(position))
	// Eighths make ties, so that a strategy's way with them shows.
	top := float32(1+k.Intn(0, 8)) / 8
	r := row{token: int32(k.Intn(1, vocab)), prob: top, maxProb: top}
	if len(d.checked) > 0 {
		r.token = d.tokens[position]
	}
	for _, b := range d.bias {
		if b.Position == position && b.Value > 1 {
			r.token = b.Token
		} else if b.Position == position && b.Token == r.token && b.Value < -1 {
			r.token = (r.token + 1) % vocab
		}
	}
	if k.Intn(2, 4) == 0 { // the sampled token is not always the likeliest
		r.prob = top / 2
	}
	r.entropy = float32(k.Uniform(3)) * 4
	r.margin = top * float32(k.Uniform(4))
	return r
}

// likeliest returns the i-th likeliest token of a position, of which the likeliest has the
// given probability.
func (d *document) likeliest(position int32, i int, maxProb float32) (token int32, logProb float32) {
	first := d.seen.With(uint64(position)).Intn(5, vocab)
	return int32((first + i) % vocab), float32(math.Log(float64(maxProb))) - float32(i)
}

// commit fills a group. The tokens were sampled before any of them was committed.
func (d *document) commit(group, tokens []int32) {
	if len(group) == 0 {
		return
	}
	order := slices.Clone(group)
	slices.Sort(order)
	d.groups = append(d.groups, order)
	seen := d.seen.With(uint64(len(d.groups)))
	for i, p := range group {
		d.tokens[p] = tokens[i]
	}
	for _, p := range order {
		seen = seen.With(uint64(p), uint64(d.tokens[p]))
	}
	d.seen = seen
}

// apply does what was chosen, as the engine does, and counts it as a step.
func (d *document) apply(c strategy.Choice) {
	d.commit(c.Commit, d.tokensOf(c.Commit, c.Token))
	d.draft(c.Draft, d.tokensOf(c.Draft, c.DraftToken))
	for _, p := range c.Reopen {
		d.tokens[p] = -1
		d.seen = d.seen.With(1<<40, uint64(p))
		d.groups = append(d.groups, []int32{-1 - p}) // so that it shows
	}
	if c.State != nil {
		d.state = slices.Clone(c.State)
	}
	d.checked = slices.Sorted(slices.Values(c.Check))
	d.want = slices.Sorted(slices.Values(c.Propose))
	d.want = slices.DeleteFunc(d.want, func(p int32) bool { return !d.isOpen(p) })
	d.bias = slices.Clone(c.Bias)
	d.steps++
}

// tokensOf returns the tokens for positions of which some may be the engine's.
func (d *document) tokensOf(positions, token []int32) []int32 {
	tokens := make([]int32, len(positions))
	for i, p := range positions {
		tokens[i] = d.observe(p).token
		if token != nil && token[i] != strategy.KeepToken {
			tokens[i] = token[i]
		}
	}
	return tokens
}

// draft keeps some tokens of a draft, draws the next one anew and drops the rest.
func (d *document) draft(positions, tokens []int32) {
	d.kept = 0
	for i, p := range positions {
		d.kept = int32(i)
		if i > 0 && d.seen.With(uint64(p)).Intn(6, 3) == 0 {
			d.commit([]int32{p}, []int32{d.observe(p).token})
			return
		}
		d.commit([]int32{p}, tokens[i:i+1])
	}
	d.kept = int32(len(positions))
}
