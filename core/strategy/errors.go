package strategy

import (
	"fmt"
	"maps"
	"slices"
)

// BatchError says which documents of a batch failed. It stands beside a result that
// is valid for all other documents; a failed document has an empty range, or a nil
// plan, in it. The caller gives up on the failed documents, which it still ends, and
// goes on with the others:
//
//	decision, err := s.Next(ctx, obs)
//	var failed *strategy.BatchError
//	if err != nil && !errors.As(err, &failed) {
//		return err
//	}
type BatchError struct {
	Failed map[uint64]error // by document id, never empty
}

// Error names the failed document with the lowest id.
func (e *BatchError) Error() string {
	ids := e.ids()
	switch len(ids) {
	case 0:
		return "no document failed"
	case 1:
		return fmt.Sprintf("document %d: %v", ids[0], e.Failed[ids[0]])
	}
	return fmt.Sprintf("%d documents failed, the first is document %d: %v", len(ids), ids[0], e.Failed[ids[0]])
}

// Unwrap returns the documents' errors, by ascending id.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, id := range e.ids() {
		errs = append(errs, e.Failed[id])
	}
	return errs
}

func (e *BatchError) ids() []uint64 { return slices.Sorted(maps.Keys(e.Failed)) }

// Rule is a rule of the contract that a strategy's answer can break.
type Rule string

// The rules that CheckPlan, Decision.CheckShape and Ledger.Check hold an answer to.
const (
	RuleShape    Rule = "the columns of an answer agree in length"
	RulePlan     Rule = "a plan holds each open position exactly once, in groups that are not empty"
	RuleProgress Rule = "each decision does something, but for one that is content with checked positions"
	RuleProposed Rule = "only proposed positions are committed, each once"
	RuleToken    Rule = "a committed or drafted token is KeepToken or lies in the vocabulary"
	RuleReopen   Rule = "only positions that the strategy filled are reopened, each once"
	RuleDraft    Rule = "a draft holds proposed positions, each once, and stands alone"
	RuleCheck    Rule = "only positions that the strategy filled are checked, each once, and nothing is proposed with them"
	RuleOpen     Rule = "only open positions are proposed, each once"
	RuleBias     Rule = "bias is finite or minus infinity, for tokens of the vocabulary at open positions"
	RuleState    Rule = "the state of a document has at most 1024 bytes"
	RuleBudget   Rule = "what is reopened and checked, and decisions that fill nothing, stay within a document's budget"
)

// Violation is an answer that breaks a rule.
type Violation struct {
	Strategy string // the strategy's name
	Document uint64 // the document's id; meaningless for RuleShape, which is about the whole batch
	Rule     Rule
	Detail   string // what was found
}

func (v *Violation) Error() string {
	if v.Rule == RuleShape {
		return fmt.Sprintf("strategy %q breaks the rule that %s: %s", v.Strategy, v.Rule, v.Detail)
	}
	return fmt.Sprintf("strategy %q, document %d, breaks the rule that %s: %s", v.Strategy, v.Document, v.Rule, v.Detail)
}
