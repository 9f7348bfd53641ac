package connectors

import (
	"maps"
	"slices"
	"strconv"
)

// ItemError says which records of a batch failed; the others are durable.
type ItemError struct {
	Failed map[int]error // index into the batch -> reason
}

// Error names the first failed record and counts the others.
func (e *ItemError) Error() string {
	if len(e.Failed) == 0 {
		return "write failed"
	}
	first := slices.Min(slices.Collect(maps.Keys(e.Failed)))
	text := "write of record " + strconv.Itoa(first) + " of the batch: " + e.Failed[first].Error()
	if more := len(e.Failed) - 1; more > 0 {
		text += " (and " + strconv.Itoa(more) + " more)"
	}
	return text
}

// Unwrap gives the reasons in the order of the batch, so that errors.Is and
// errors.As see each of them.
func (e *ItemError) Unwrap() []error {
	reasons := make([]error, 0, len(e.Failed))
	for _, i := range slices.Sorted(maps.Keys(e.Failed)) {
		reasons = append(reasons, e.Failed[i])
	}
	return reasons
}
