package parallel

import "slices"

// Balance deals pieces of known cost to n parts of about equal cost: the costliest
// first, each to the part that has least, ties to the lowest part. It returns the part of
// every piece, which depends on the costs and n alone.
func Balance(costs []int, n int) []int {
	costliest := make([]int, len(costs))
	for i := range costliest {
		costliest[i] = i
	}
	slices.SortStableFunc(costliest, func(i, j int) int { return costs[j] - costs[i] })
	part := make([]int, len(costs))
	load := make([]int, n)
	for _, i := range costliest {
		least := 0
		for p := range load {
			if load[p] < load[least] {
				least = p
			}
		}
		part[i] = least
		load[least] += costs[i]
	}
	return part
}
