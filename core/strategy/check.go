package strategy

import (
	"fmt"
	"slices"
)

// MaxWindow is the largest Spec.Window.
const MaxWindow = 1 << 16

// Validate reports a specification that no engine can meet.
func (s Spec) Validate() error {
	switch {
	case s.Name == "":
		return fmt.Errorf("strategy specification without a name")
	case s.Columns&^ColumnAll != 0:
		return fmt.Errorf("strategy %q subscribes to unknown columns %#x", s.Name, uint32(s.Columns&^ColumnAll))
	case s.Window < 0 || s.Window > MaxWindow:
		return fmt.Errorf("strategy %q wants a window of %d positions, outside 0 to %d", s.Name, s.Window, MaxWindow)
	}
	return nil
}

// Check reports an observation whose columns disagree in length with the offsets,
// or with the columns subscribed to.
func (o *Observation) Check(columns Columns) error {
	d, r := len(o.Doc), len(o.Position)
	if len(o.Step) != d || len(o.Remain) != d {
		return fmt.Errorf("observation of %d documents has %d steps and %d remains", d, len(o.Step), len(o.Remain))
	}
	if err := checkOffsets("offset", o.Offset, d, r); err != nil {
		return fmt.Errorf("observation: %w", err)
	}
	for _, c := range []struct {
		column Columns
		name   string
		length int
	}{
		{ColumnToken, "token", len(o.Token)},
		{ColumnProb, "prob", len(o.Prob)},
		{ColumnMaxProb, "max_prob", len(o.MaxProb)},
		{ColumnEntropy, "entropy", len(o.Entropy)},
		{ColumnMargin, "margin", len(o.Margin)},
	} {
		want := 0
		if columns&c.column != 0 {
			want = r
		}
		if c.length != want {
			return fmt.Errorf("observation column %s has %d rows, want %d", c.name, c.length, want)
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

// Check holds a decision to RuleShape: offsets that fit D documents, ascend, and end
// where the columns end. The error is a *Violation. It comes before CheckDecision.
func (dec *Decision) Check(name string, documents int) error {
	err := checkOffsets("commit offset", dec.CommitOffset, documents, len(dec.Commit))
	switch {
	case err != nil:
	case dec.Token != nil && len(dec.Token) != len(dec.Commit):
		err = fmt.Errorf("%d tokens for %d committed positions", len(dec.Token), len(dec.Commit))
	case dec.ProposeOffset != nil:
		err = checkOffsets("propose offset", dec.ProposeOffset, documents, len(dec.Propose))
	case len(dec.Propose) > 0:
		err = fmt.Errorf("%d proposed positions without offsets", len(dec.Propose))
	}
	if err != nil {
		return &Violation{Strategy: name, Rule: RuleShape, Detail: err.Error()}
	}
	return nil
}

// CheckDecision holds the d-th document of a decision, whose shape is right, to the
// rules on commits and proposals. vocab is the number of token ids, 0 if unknown.
// open says whether a position of this document was open before the decision. The
// error is a *Violation.
func CheckDecision(name string, obs *Observation, dec *Decision, d int, vocab int32, open func(position int32) bool) error {
	broken := func(rule Rule, format string, args ...any) error {
		return &Violation{Strategy: name, Document: obs.Doc[d], Rule: rule, Detail: fmt.Sprintf(format, args...)}
	}
	first, end := dec.CommitOffset[d], dec.CommitOffset[d+1]
	if first == end {
		return broken(RuleProgress, "nothing is committed in step %d", obs.Step[d])
	}
	start, stop := obs.Rows(d)
	rows := obs.Position[start:stop]
	committed := make([]bool, len(rows))
	for i := first; i < end; i++ {
		p := dec.Commit[i]
		row, proposed := slices.BinarySearch(rows, p)
		if !proposed {
			return broken(RuleProposed, "position %d was not proposed in step %d", p, obs.Step[d])
		}
		if committed[row] {
			return broken(RuleProposed, "position %d is committed twice in step %d", p, obs.Step[d])
		}
		committed[row] = true
		if dec.Token == nil || dec.Token[i] == KeepToken {
			continue
		}
		if t := dec.Token[i]; t < 0 || (vocab > 0 && t >= vocab) {
			return broken(RuleToken, "token %d at position %d, the vocabulary has %d", t, p, vocab)
		}
	}
	if dec.ProposeOffset == nil {
		return nil
	}
	wanted := slices.Sorted(slices.Values(dec.Propose[dec.ProposeOffset[d]:dec.ProposeOffset[d+1]]))
	for i, p := range wanted {
		if i > 0 && p == wanted[i-1] {
			return broken(RuleOpen, "position %d is proposed twice", p)
		}
		row, observed := slices.BinarySearch(rows, p)
		if !open(p) || (observed && committed[row]) {
			return broken(RuleOpen, "position %d is not open", p)
		}
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
