package batching

import (
	"slices"

	"github.com/any-order/a3/core/seq"
)

// DefaultShards is the number of logical shards over which a trainer splits a
// batch. It is fixed, whatever the number of threads, because the tree in which
// gradients are summed follows from it.
const DefaultShards = 8

// Shards splits segments over n shards of about equal cost, counted in positions:
// longest first, each to the shard that has least, ties to the lowest index. Within
// a shard segments keep their order; shards may be empty. The result depends on the
// segments' lengths and n alone.
func Shards(segments []seq.Segment, n int) [][]seq.Segment {
	longestFirst := make([]int, len(segments))
	for i := range longestFirst {
		longestFirst[i] = i
	}
	slices.SortStableFunc(longestFirst, func(a, b int) int { return segments[b].Len() - segments[a].Len() })

	shardOf, load, count := make([]int, len(segments)), make([]int, n), make([]int, n)
	for _, i := range longestFirst {
		least := 0
		for s := range load {
			if load[s] < load[least] {
				least = s
			}
		}
		shardOf[i] = least
		load[least] += segments[i].Len()
		count[least]++
	}
	shards := make([][]seq.Segment, n)
	for s := range shards {
		shards[s] = make([]seq.Segment, 0, count[s])
	}
	for i, segment := range segments {
		shards[shardOf[i]] = append(shards[shardOf[i]], segment)
	}
	return shards
}
