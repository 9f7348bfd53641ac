package sdktest

import (
	"slices"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// vocab is the size of the simulated vocabulary.
const vocab = 61

// document is a canvas under way.
type document struct {
	intro  strategy.Document
	given  []int32 // [N] tokens; blanks hold -1
	tokens []int32 // [N] tokens; what is still blank holds -1
	groups [][]int32
	want   []int32 // positions that the strategy proposed next; none = the default
	seen   seq.Key // everything committed so far
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

// proposal returns the rows of the next observation: what the strategy asked for,
// else the first window open positions.
func (d *document) proposal(window int) []int32 {
	if len(d.want) > 0 {
		return d.want
	}
	open := d.open()
	return open[:min(window, len(open))]
}

// row is what the simulated model says about a position, given all commits so far.
type row struct {
	token                          int32
	prob, maxProb, entropy, margin float32
}

func (d *document) observe(position int32) row {
	k := d.seen.With(uint64(position))
	// Eighths make ties, so that a strategy's way with them shows.
	top := float32(1+k.Intn(0, 8)) / 8
	r := row{token: int32(k.Intn(1, vocab)), prob: top, maxProb: top}
	if k.Intn(2, 4) == 0 { // the sampled token is not always the likeliest
		r.prob = top / 2
	}
	r.entropy = float32(k.Uniform(3)) * 4
	r.margin = top * float32(k.Uniform(4))
	return r
}

// commit fills a group. The tokens were sampled before any of them was committed.
func (d *document) commit(group, tokens []int32) {
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
