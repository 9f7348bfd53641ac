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
	return rank(order, column, func(a, b float32) int { return cmp.Compare(b, a) }) // NaN is below all
}

// Ascending returns the rows of a column by ascending value: the surest first, of
// entropies. Otherwise it is like Descending.
func Ascending(order []int, column []float32) []int {
	return rank(order, column, func(a, b float32) int { return cmp.Compare(-b, -a) })
}

func rank(order []int, column []float32, compare func(a, b float32) int) []int {
	order = order[:0]
	for row := range column {
		order = append(order, row)
	}
	slices.SortStableFunc(order, func(a, b int) int { return compare(column[a], column[b]) })
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
