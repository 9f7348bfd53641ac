package parallel

import "slices"

// Balancer deals pieces of known cost to parts of about equal cost. Its zero value is
// ready; it reuses its memory.
type Balancer struct{ costliest, part, load []int }

// Deal deals pieces to n parts: the costliest first, each to the part that has least,
// ties to the lowest part. It returns the part of every piece, valid until the next call,
// which depends on the costs and n alone.
func (b *Balancer) Deal(costs []int, n int) []int {
	b.costliest = b.costliest[:0]
	for i := range costs {
		b.costliest = append(b.costliest, i)
	}
	slices.SortStableFunc(b.costliest, func(i, j int) int { return costs[j] - costs[i] })
	b.part = slices.Grow(b.part[:0], len(costs))[:len(costs)]
	b.load = slices.Grow(b.load[:0], n)[:n]
	clear(b.load)
	for _, i := range b.costliest {
		least := 0
		for p := range b.load {
			if b.load[p] < b.load[least] {
				least = p
			}
		}
		b.part[i] = least
		b.load[least] += costs[i]
	}
	return b.part
}

// Balance is Deal with memory of its own.
func Balance(costs []int, n int) []int { return new(Balancer).Deal(costs, n) }
