package sdk

import (
	"cmp"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// Descending returns the rows of a column by descending value: the surest first, of
// probabilities. Among equals the lowest position comes first, and what is no number
// last. It uses the memory of order, which may be nil.
func Descending(order []int, column []float32) []int {
	order = ascendingRows(order, len(column))
	// cmp.Compare takes NaN for less than all numbers.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(column[b], column[a]) })
	return order
}

// Ascending returns the rows of a column by ascending value: the surest first, of
// entropies. Otherwise it is like Descending.
func Ascending(order []int, column []float32) []int {
	order = ascendingRows(order, len(column))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(-column[b], -column[a]) })
	return order
}

func ascendingRows(order []int, n int) []int {
	order = order[:0]
	for row := range n {
		order = append(order, row)
	}
	return order
}

// Commit returns the choice that fills the positions of the given rows with the engine's
// tokens.
func (v View) Commit(rows []int) strategy.Choice {
	positions := make([]int32, len(rows))
	for i, row := range rows {
		positions[i] = v.Position[row]
	}
	slices.Sort(positions)
	return strategy.Choice{Commit: positions}
}
