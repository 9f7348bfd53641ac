package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// planner is a Plugin as a strategy.Planner.
type planner struct{ *Plugin }

// Plan returns plans that hold each open position exactly once. A *BatchError names
// the documents for which no such plan was to be had.
func (p planner) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	if err := checkDocuments(docs); err != nil {
		return nil, err
	}
	ctx, done, err := p.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(docs) == 0 {
		return nil, nil
	}

	plans := make([]strategy.Plan, len(docs))
	batch := isolation{supervisor: p.supervisor}
	batch.try = func(ctx context.Context, i instance, part []int) (map[int]error, error) {
		asked := make([]strategy.Document, len(part))
		for k, d := range part {
			asked[k] = docs[d]
		}
		answer, err := i.Plan(ctx, asked)
		var failed *strategy.BatchError
		if errors.As(err, &failed) {
			err = batch.giveUp(failed.Failed, part, func(d int) uint64 { return docs[d].ID })
		}
		if err != nil {
			return nil, err
		}
		refused := make(map[int]error)
		for k, d := range part {
			if batch.failed[d] != nil {
				continue
			}
			if err := strategy.CheckPlan(p.Identity().Name, docs[d], answer[k]); err != nil {
				refused[d] = err
				continue
			}
			plans[d] = clonePlan(answer[k]) // the instance may use it again in the next attempt
		}
		return refused, nil
	}
	if err := batch.run(ctx, upTo(len(docs))); err != nil {
		return nil, err
	}
	return plans, batchError(batch.failed, func(d int) uint64 { return docs[d].ID })
}

func clonePlan(plan strategy.Plan) strategy.Plan {
	own := make(strategy.Plan, len(plan))
	for g := range plan {
		own[g] = slices.Clone(plan[g])
	}
	return own
}

// checkDocuments reports introductions that no strategy should see.
func checkDocuments(docs []strategy.Document) error {
	seen := make(map[uint64]bool, len(docs))
	for _, doc := range docs {
		if seen[doc.ID] {
			return fmt.Errorf("document %d is twice in the batch", doc.ID)
		}
		seen[doc.ID] = true
		last := int32(-1)
		for _, p := range doc.Open {
			if p <= last || p >= doc.Length {
				return fmt.Errorf("document %d: open position %d follows %d in a length of %d", doc.ID, p, last, doc.Length)
			}
			last = p
		}
	}
	return nil
}

// batchError names failed documents by id; nil when there are none.
func batchError(failed map[int]error, id func(d int) uint64) error {
	if len(failed) == 0 {
		return nil
	}
	e := &strategy.BatchError{Failed: make(map[uint64]error, len(failed))}
	for d, err := range failed {
		e.Failed[id(d)] = err
	}
	return e
}
