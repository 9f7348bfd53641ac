package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// isolation serves one batch in as many attempts as it takes. A batch that fails is
// tried again, since a killed process is likelier than a bad document, and then
// halved, until the failure is pinned to single documents; their batch mates are
// served. Documents are named by their index in the batch.
type isolation struct {
	supervisor *supervisor

	// try serves the documents with the instance and keeps their results. A nil error
	// means that the answer came and had the right form; refused are the documents for
	// which it breaks a rule.
	try func(ctx context.Context, i instance, docs []int) (refused map[int]error, err error)

	attempts int
	failed   map[int]error // documents given up, with the reason
}

// run serves the documents. The error is final, for the whole batch.
func (b *isolation) run(ctx context.Context, docs []int) error {
	b.failed = make(map[int]error)
	return b.serve(ctx, docs, false)
}

func (b *isolation) serve(ctx context.Context, docs []int, again bool) error {
	var refused map[int]error
	b.attempts++
	final, err := b.supervisor.attempt(ctx, func(i instance) (wrong, err error) {
		refused, err = b.try(ctx, i, docs)
		if len(refused) == len(docs) {
			wrong = refused[docs[0]]
		}
		return wrong, err
	})
	switch {
	case final:
		return err
	case err == nil:
		for _, d := range slices.Sorted(maps.Keys(refused)) {
			if again {
				b.failed[d] = refused[d]
			} else if err := b.serve(ctx, []int{d}, true); err != nil {
				return err
			}
		}
		return nil
	case !again:
		return b.serve(ctx, docs, true)
	case len(docs) == 1:
		b.failed[docs[0]] = err
		return nil
	}
	half := len(docs) / 2
	if err := b.serve(ctx, docs[:half], true); err != nil {
		return err
	}
	return b.serve(ctx, docs[half:], true)
}

// giveUp takes what a strategy has against single documents. They are not tried
// again: a strategy is a pure function.
func (b *isolation) giveUp(failed map[uint64]error, docs []int, id func(d int) uint64) error {
	for _, d := range docs {
		if err, ok := failed[id(d)]; ok {
			b.failed[d] = fmt.Errorf("strategy %s: %w: %w", b.supervisor.name, ErrRefused, err)
			delete(failed, id(d))
		}
	}
	for id := range failed {
		return fmt.Errorf("%w: it failed document %d, which is not in the batch", ErrRefused, id)
	}
	return nil
}

// upTo returns 0 to n-1.
func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
