package tokenize

import "math/bits"

// merge is one rule of BPE: left followed by right becomes into. The earlier a rule
// stands in the list, its rank, the sooner it is applied.
type merge struct{ left, right, into int32 }

// pairTable maps a pair of ids to the rule for it: an open-addressing hash table,
// at most half full, so that a probe is one or two neighbouring cache lines.
type pairTable struct {
	shift uint8
	slots []pairSlot // length is a power of two
}

type pairSlot struct{ pair, rule uint64 }

// noRule is the answer for pairs that do not merge; it is greater than every rule.
// As a pair it marks an empty slot: no id is negative.
const noRule = ^uint64(0)

func pairOf(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// newPairTable holds the merges; of several rules for one pair the last holds.
// Rules for which skip is true are left out, the ranks of the others stay.
func newPairTable(merges []merge, skip func(merge) bool) pairTable {
	width := bits.Len(uint(2*len(merges) + 1))
	t := pairTable{shift: uint8(64 - width), slots: make([]pairSlot, 1<<width)}
	for i := range t.slots {
		t.slots[i].pair = noRule
	}
	for rank, m := range merges {
		if !skip(m) {
			t.put(pairOf(m.left, m.right), uint64(rank)<<32|uint64(uint32(m.into)))
		}
	}
	return t
}

func (t *pairTable) put(pair, rule uint64) {
	i := t.home(pair)
	for t.slots[i].pair != noRule && t.slots[i].pair != pair {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = pairSlot{pair, rule}
}

// get returns rank<<32 | into for the pair, or noRule. Rules compare by rank.
func (t *pairTable) get(left, right int32) uint64 {
	pair := pairOf(left, right)
	for i := t.home(pair); ; i++ {
		slot := &t.slots[i&(len(t.slots)-1)]
		if slot.pair == pair {
			return slot.rule
		}
		if slot.pair == noRule {
			return noRule
		}
	}
}

// home is where the search for a pair begins: Fibonacci hashing (Knuth, TAOCP 6.4).
func (t *pairTable) home(pair uint64) int { return int(pair * 0x9E3779B97F4A7C15 >> t.shift) }

// scanLimit is the number of symbols up to which looking at all of them for the next
// merge is cheaper than a heap.
const scanLimit = 48

// merger applies the rules to a word. It owns scratch memory; one goroutine uses it.
type merger struct {
	pairs      *pairTable
	prev, next []int32 // neighbours of each symbol that is left, -1 = none
	queue      heap[candidate]
}

// merge applies the rules to the symbols of a word, in place: always the rule of
// lowest rank, of equal ones the leftmost, until none applies. It returns the
// symbols that are left, a prefix of ids.
func (m *merger) merge(ids []int32) []int32 {
	if len(ids) <= scanLimit {
		return m.scan(ids)
	}
	return m.drain(ids)
}

func (m *merger) scan(ids []int32) []int32 {
	var rules [scanLimit]uint64 // rules[k] is the rule for ids[k], ids[k+1]
	for k := 0; k+1 < len(ids); k++ {
		rules[k] = m.pairs.get(ids[k], ids[k+1])
	}
	for len(ids) > 1 {
		best, at := noRule, 0
		for k, rule := range rules[:len(ids)-1] {
			if rule < best {
				best, at = rule, k
			}
		}
		if best == noRule {
			break
		}
		ids[at] = int32(uint32(best))
		copy(ids[at+1:], ids[at+2:])
		copy(rules[at:len(ids)-1], rules[at+1:len(ids)-1])
		ids = ids[:len(ids)-1]
		if at > 0 {
			rules[at-1] = m.pairs.get(ids[at-1], ids[at])
		}
		if at+1 < len(ids) {
			rules[at] = m.pairs.get(ids[at], ids[at+1])
		}
	}
	return ids
}

// candidate is a merge that was possible when it was queued. It is stale if either
// symbol has changed since.
type candidate struct {
	rule        uint64
	at          int32 // index of the left symbol
	left, right int32
}

func (c candidate) Before(d candidate) bool {
	return c.rule < d.rule || c.rule == d.rule && c.at < d.at
}

// drain is scan for long words, in O(n log n).
func (m *merger) drain(ids []int32) []int32 {
	n := len(ids)
	if cap(m.prev) < n {
		m.prev, m.next = make([]int32, n), make([]int32, n)
	}
	prev, next := m.prev[:n], m.next[:n]
	for i := range ids {
		prev[i], next[i] = int32(i)-1, int32(i)+1
	}
	next[n-1] = -1
	for i := range n - 1 {
		m.consider(ids, int32(i), int32(i)+1)
	}
	const gone int32 = -1
	for len(m.queue) > 0 {
		c := m.queue.pop()
		left := c.at
		right := next[left]
		if ids[left] != c.left || right < 0 || ids[right] != c.right {
			continue
		}
		ids[left], ids[right] = int32(uint32(c.rule)), gone
		after := next[right]
		next[left] = after
		if after >= 0 {
			prev[after] = left
			m.consider(ids, left, after)
		}
		if before := prev[left]; before >= 0 {
			m.consider(ids, before, left)
		}
	}
	kept := 0
	for i := int32(0); i >= 0; i = next[i] {
		ids[kept] = ids[i]
		kept++
	}
	return ids[:kept]
}

func (m *merger) consider(ids []int32, left, right int32) {
	if rule := m.pairs.get(ids[left], ids[right]); rule != noRule {
		m.queue.push(candidate{rule, left, ids[left], ids[right]})
	}
}
