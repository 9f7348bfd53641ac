package pipeline

import "fmt"

// FailureLimit ends a run in which too much fails: a mistake in the configuration, or a
// broken plugin, would otherwise send a whole topic to the dead letters. The zero value
// is no limit.
type FailureLimit struct {
	Most int // that may fail
	Of   int // of so many records in a row
}

// Validate reports a limit that makes no sense.
func (l FailureLimit) Validate() error {
	if l == (FailureLimit{}) {
		return nil
	}
	if l.Most < 0 || l.Of < 1 || l.Of > maxFailuresOf {
		return fmt.Errorf("pipeline: a limit of %d failures of %d records: must be at least 0, of 1 to %d records", l.Most, l.Of, maxFailuresOf)
	}
	return nil
}

const maxFailuresOf = 1_000_000

// TooManyFailures ends a run. The records that it was at are not acknowledged: they come
// again when the cause is mended.
type TooManyFailures struct {
	Failed, Of, Most int
	Origin           string // of the last one
	Reason           error  // why that one failed
}

// Error names the limit and one of the reasons.
func (e *TooManyFailures) Error() string {
	return fmt.Sprintf("%d of the last %d records failed, the limit is %d; the last one, %s: %v", e.Failed, e.Of, e.Most, e.Origin, e.Reason)
}

// Unwrap gives the reason of the last failure.
func (e *TooManyFailures) Unwrap() error { return e.Reason }

// failures counts those among the last records.
type failures struct {
	last []bool // a ring
	at   int
	n    int // in the ring
	most int
}

func newFailures(l FailureLimit) *failures {
	return &failures{last: make([]bool, l.Of), most: l.Most}
}

// add counts an item, and returns an error if that is one too many.
func (f *failures) add(item *Item) error {
	if len(f.last) == 0 {
		return nil
	}
	if f.last[f.at] {
		f.n--
	}
	f.last[f.at] = item.Err != nil
	f.at = (f.at + 1) % len(f.last)
	if item.Err == nil {
		return nil
	}
	if f.n++; f.n > f.most {
		return &TooManyFailures{Failed: f.n, Of: len(f.last), Most: f.most, Origin: item.Delivery.Origin.String(), Reason: item.Err}
	}
	return nil
}
