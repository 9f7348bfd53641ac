package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// stepper is a Plugin as a strategy.Strategy.
//
// Documents are introduced to an instance with the first observation of theirs that
// it gets, not before: then a document that crashes Begin is isolated like one that
// crashes Next, and an instance that replaces another learns of a document when it
// is needed.
type stepper struct {
	*Plugin

	// All guarded by Plugin.mu.
	documents  map[uint64]*document
	generation int                // of the instance that knows the documents marked begun
	whole      *strategy.Decision // about all documents of the current batch, by one attempt; nil = there were more
}

// document is one that was begun and not ended.
type document struct {
	intro  strategy.Document
	ledger *strategy.Ledger
	begun  bool // known to the instance of the stepper's generation
}

// Begin notes the documents.
func (s *stepper) Begin(ctx context.Context, docs []strategy.Document) error {
	if err := checkDocuments(docs); err != nil {
		return err
	}
	_, done, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer done()
	for _, doc := range docs {
		if s.documents[doc.ID] != nil {
			return fmt.Errorf("document %d is begun already", doc.ID)
		}
	}
	for _, doc := range docs {
		doc.Open, doc.Tokens = slices.Clone(doc.Open), slices.Clone(doc.Tokens)
		s.documents[doc.ID] = &document{intro: doc, ledger: strategy.NewLedger(doc.ID, doc.Open)}
	}
	return nil
}

// End forgets the documents, here and in the instance. Unknown ones are ignored. An
// instance that fails here is replaced at the next call.
func (s *stepper) End(ctx context.Context, ids []uint64) error {
	ctx, done, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer done()
	var known []uint64
	for _, id := range ids {
		if doc := s.documents[id]; doc != nil && doc.begun && s.generation == s.supervisor.generation {
			known = append(known, id)
		}
		delete(s.documents, id)
	}
	current := s.supervisor.current
	if len(known) == 0 || current == nil || current.Broken() {
		return nil
	}
	if err := current.End(ctx, known); err != nil {
		s.options.Logger.Info("strategy fails to end documents", "error", current.Explain(err))
	}
	return nil
}

// Next returns a decision that keeps the rules of the contract. A *BatchError names
// the documents for which no such decision was to be had.
func (s *stepper) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	if err := obs.Check(s.Spec()); err != nil {
		return nil, err
	}
	ctx, done, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	for d, id := range obs.Doc {
		if s.documents[id] == nil {
			return nil, fmt.Errorf("document %d is not begun", id)
		}
		if start, end := obs.Rows(d); start == end {
			return nil, fmt.Errorf("document %d has no proposed position", id)
		}
		s.documents[id].ledger.Observe(obs, d)
	}
	if len(obs.Doc) == 0 {
		return &strategy.Decision{CommitOffset: []int32{0}}, nil
	}

	parts := make([]strategy.Choice, len(obs.Doc)) // the zero one belongs to a failed document
	batch := isolation{supervisor: s.supervisor}
	s.whole = nil
	batch.try = func(ctx context.Context, i instance, part []int) (map[int]error, error) {
		if err := s.introduce(ctx, i, obs, part, &batch); err != nil {
			return nil, err
		}
		part = slices.DeleteFunc(slices.Clone(part), func(d int) bool { return batch.failed[d] != nil })
		if len(part) == 0 {
			return nil, nil
		}
		return s.decide(ctx, i, selectDocuments(obs, part), part, parts, &batch)
	}
	if err := batch.run(ctx, upTo(len(obs.Doc))); err != nil {
		return nil, err
	}
	decision := s.whole
	if decision == nil {
		decision = &strategy.Decision{}
		for d := range parts {
			decision.Append(parts[d])
		}
	}
	for d, id := range obs.Doc {
		s.documents[id].ledger.Apply(decision.At(d))
	}
	return decision, batchError(batch.failed, func(d int) uint64 { return obs.Doc[d] })
}

// introduce begins those documents of the batch that the instance does not know.
func (s *stepper) introduce(ctx context.Context, i instance, obs *strategy.Observation, part []int, batch *isolation) error {
	if s.generation != s.supervisor.generation {
		for _, doc := range s.documents {
			doc.begun = false
		}
		s.generation = s.supervisor.generation
	}
	var fresh []strategy.Document
	for _, d := range part {
		if doc := s.documents[obs.Doc[d]]; !doc.begun {
			fresh = append(fresh, doc.intro)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err := i.Begin(ctx, fresh)
	var failed *strategy.BatchError
	if errors.As(err, &failed) {
		err = batch.giveUp(failed.Failed, part, func(d int) uint64 { return obs.Doc[d] })
	}
	if err != nil {
		return err
	}
	for _, d := range part {
		s.documents[obs.Doc[d]].begun = batch.failed[d] == nil
	}
	return nil
}

// decide asks for a decision about obs, whose documents are those of the batch with
// the indexes in part, and keeps what is right of it in parts.
func (s *stepper) decide(ctx context.Context, i instance, obs *strategy.Observation, part []int, parts []strategy.Choice, batch *isolation) (map[int]error, error) {
	decision, err := i.Next(ctx, obs)
	var failed *strategy.BatchError
	if errors.As(err, &failed) {
		index := make(map[int]uint64, len(part))
		for k, d := range part {
			index[d] = obs.Doc[k]
		}
		err = batch.giveUp(failed.Failed, part, func(d int) uint64 { return index[d] })
	}
	if err != nil {
		return nil, err
	}
	name := s.Identity().Name
	if decision == nil {
		return nil, fmt.Errorf("%w: no decision was returned", ErrRefused)
	}
	if err := decision.CheckShape(name, len(part)); err != nil {
		return nil, err
	}
	refused := make(map[int]error)
	all := len(part) == len(parts) // of the first attempt, as nearly always
	for k, d := range part {
		if batch.failed[d] != nil {
			all = false
			continue
		}
		choice := decision.At(k)
		if err := s.documents[obs.Doc[k]].ledger.Check(name, obs, k, choice, s.options.Vocab); err != nil {
			refused[d] = err
		}
	}
	if all && len(refused) == 0 {
		s.whole = decision
		return nil, nil
	}
	for k, d := range part {
		if batch.failed[d] == nil && refused[d] == nil {
			parts[d] = decision.At(k).Clone() // the instance may use its memory again in the next attempt
		}
	}
	return refused, nil
}
