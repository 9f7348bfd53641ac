package strategy

import (
	"fmt"
	"slices"
)

// Bounds of what a strategy may ask for.
const (
	MaxWindow = 1 << 16 // the largest Spec.Window
	MaxTop    = 64      // the largest Spec.Top
	MaxState  = 1024    // bytes of state a document
	MaxBias   = 4096    // entries of bias a document and decision
)

// Validate reports a specification that no engine can meet.
func (s Spec) Validate() error {
	switch {
	case s.Name == "":
		return fmt.Errorf("strategy specification without a name")
	case s.Columns&^ColumnAll != 0:
		return fmt.Errorf("strategy %q subscribes to unknown columns %#x", s.Name, uint32(s.Columns&^ColumnAll))
	case s.Window < 0 || s.Window > MaxWindow:
		return fmt.Errorf("strategy %q wants a window of %d positions, outside 0 to %d", s.Name, s.Window, MaxWindow)
	case s.Top < 0 || s.Top > MaxTop:
		return fmt.Errorf("strategy %q wants the %d likeliest tokens, outside 0 to %d", s.Name, s.Top, MaxTop)
	}
	return nil
}

// Check reports an observation whose columns disagree in length with the offsets, or
// with the specification.
func (o *Observation) Check(spec Spec) error {
	d, r := len(o.Doc), len(o.Position)
	if len(o.Step) != d || len(o.Remain) != d {
		return fmt.Errorf("observation of %d documents has %d steps and %d remains", d, len(o.Step), len(o.Remain))
	}
	if err := checkOffsets("offset", o.Offset, d, r); err != nil {
		return fmt.Errorf("observation: %w", err)
	}
	known := 0
	if spec.Text {
		known = d
	}
	for _, c := range []struct {
		name     string
		length   int
		want     int
		optional bool // none is right, too
	}{
		{"token", len(o.Token), r * int(spec.Columns&ColumnToken/ColumnToken), false},
		{"prob", len(o.Prob), r * int(spec.Columns&ColumnProb/ColumnProb), false},
		{"max_prob", len(o.MaxProb), r * int(spec.Columns&ColumnMaxProb/ColumnMaxProb), false},
		{"entropy", len(o.Entropy), r * int(spec.Columns&ColumnEntropy/ColumnEntropy), false},
		{"margin", len(o.Margin), r * int(spec.Columns&ColumnMargin/ColumnMargin), false},
		{"top_token", len(o.TopToken), r * spec.Top, false},
		{"top_log_prob", len(o.TopLogProb), r * spec.Top, false},
		{"known", len(o.Known), known, false},
		{"kind", len(o.Kind), d, true},
		{"accepted", len(o.Accepted), d, true},
		{"state", len(o.State), d, true},
	} {
		if c.length != c.want && !(c.optional && c.length == 0) {
			return fmt.Errorf("observation column %s has %d entries, want %d", c.name, c.length, c.want)
		}
	}
	return nil
}

// CheckPlan holds a plan to RulePlan. The error is a *Violation.
func CheckPlan(name string, doc Document, plan Plan) error {
	broken := func(format string, args ...any) error {
		return &Violation{Strategy: name, Document: doc.ID, Rule: RulePlan, Detail: fmt.Sprintf(format, args...)}
	}
	seen := make([]bool, len(doc.Open))
	planned := 0
	for g, group := range plan {
		if len(group) == 0 {
			return broken("group %d is empty", g)
		}
		for _, p := range group {
			i, open := slices.BinarySearch(doc.Open, p)
			if !open {
				return broken("group %d holds position %d, which is not open", g, p)
			}
			if seen[i] {
				return broken("group %d holds position %d again", g, p)
			}
			seen[i] = true
			planned++
		}
	}
	if planned < len(doc.Open) {
		missing := doc.Open[slices.Index(seen, false)]
		return broken("%d of %d open positions are missing, the first is %d", len(doc.Open)-planned, len(doc.Open), missing)
	}
	return nil
}

// CheckShape holds a decision to RuleShape: offsets that fit D documents, ascend, and
// end where the columns end. The error is a *Violation. It comes before Ledger.Check.
func (dec *Decision) CheckShape(name string, documents int) error {
	broken := func(format string, args ...any) error {
		return &Violation{Strategy: name, Rule: RuleShape, Detail: fmt.Sprintf(format, args...)}
	}
	if err := checkOffsets("commit offset", dec.CommitOffset, documents, len(dec.Commit)); err != nil {
		return broken("%v", err)
	}
	for _, c := range []struct {
		name   string
		offset []int32
		length int
	}{
		{"reopen", dec.ReopenOffset, len(dec.Reopen)},
		{"draft", dec.DraftOffset, len(dec.Draft)},
		{"check", dec.CheckOffset, len(dec.Check)},
		{"propose", dec.ProposeOffset, len(dec.Propose)},
		{"bias", dec.BiasOffset, len(dec.Bias)},
	} {
		if c.offset == nil {
			if c.length > 0 {
				return broken("%d entries of %s without offsets", c.length, c.name)
			}
			continue
		}
		if err := checkOffsets(c.name+" offset", c.offset, documents, c.length); err != nil {
			return broken("%v", err)
		}
	}
	switch {
	case dec.Token != nil && len(dec.Token) != len(dec.Commit):
		return broken("%d tokens for %d committed positions", len(dec.Token), len(dec.Commit))
	case dec.DraftToken != nil && len(dec.DraftToken) != len(dec.Draft):
		return broken("%d tokens for %d drafted positions", len(dec.DraftToken), len(dec.Draft))
	case dec.State != nil && len(dec.State) != documents:
		return broken("states of %d documents, want %d", len(dec.State), documents)
	}
	return nil
}

// checkOffsets reports offsets that are not n+1 ascending bounds from 0 to total.
func checkOffsets(what string, offset []int32, n, total int) error {
	if len(offset) != n+1 {
		return fmt.Errorf("%s has %d entries for %d documents, want %d", what, len(offset), n, n+1)
	}
	if offset[0] != 0 || int(offset[n]) != total {
		return fmt.Errorf("%s runs from %d to %d, want 0 to %d", what, offset[0], offset[n], total)
	}
	if !slices.IsSorted(offset) {
		return fmt.Errorf("%s does not ascend", what)
	}
	return nil
}
