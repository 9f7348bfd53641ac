package strategy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/any-order/a3/core/strategy"
)

func TestCheckPlan(t *testing.T) {
	doc := strategy.Document{ID: 7, Length: 6, Open: []int32{1, 3, 4}}
	for _, c := range []struct {
		name string
		plan strategy.Plan
		want string // part of the detail; "" = valid
	}{
		{"any order", strategy.Plan{{4}, {3, 1}}, ""},
		{"nothing", nil, "3 of 3 open positions are missing, the first is 1"},
		{"one missing", strategy.Plan{{1, 4}}, "1 of 3 open positions are missing, the first is 3"},
		{"given position", strategy.Plan{{1, 2}}, "group 0 holds position 2, which is not open"},
		{"outside", strategy.Plan{{1, 3, 4}, {99}}, "group 1 holds position 99"},
		{"negative", strategy.Plan{{-1}}, "position -1"},
		{"twice", strategy.Plan{{1, 3}, {3, 4}}, "group 1 holds position 3 again"},
		{"empty group", strategy.Plan{{1, 3, 4}, {}}, "group 1 is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkViolation(t, strategy.CheckPlan("s", doc, c.plan), strategy.RulePlan, 7, c.want)
		})
	}
}

func TestCheckDecision(t *testing.T) {
	obs := &strategy.Observation{
		Doc: []uint64{5, 9}, Step: []int32{0, 2}, Remain: []int32{1, 4},
		Offset: []int32{0, 1, 4}, Position: []int32{0, 2, 4, 6},
	}
	open := func(p int32) bool { return p == 2 || p == 4 || p == 6 || p == 8 }
	// The first document always commits its only position; the cases are about the second.
	decide := func(commit, token, propose []int32) *strategy.Decision {
		dec := &strategy.Decision{CommitOffset: []int32{0, 1, int32(1 + len(commit))}, Commit: append([]int32{0}, commit...)}
		if token != nil {
			dec.Token = append([]int32{strategy.KeepToken}, token...)
		}
		if propose != nil {
			dec.ProposeOffset, dec.Propose = []int32{0, 0, int32(len(propose))}, propose
		}
		return dec
	}
	for _, c := range []struct {
		name string
		dec  *strategy.Decision
		rule strategy.Rule
		want string
	}{
		{"one", decide([]int32{4}, nil, nil), "", ""},
		{"any order, own tokens", decide([]int32{6, 2}, []int32{strategy.KeepToken, 9}, []int32{8, 4}), "", ""},
		{"no progress", decide(nil, nil, nil), strategy.RuleProgress, "step 2"},
		{"not proposed", decide([]int32{8}, nil, nil), strategy.RuleProposed, "position 8"},
		{"another document's", decide([]int32{0}, nil, nil), strategy.RuleProposed, "position 0"},
		{"twice", decide([]int32{4, 4}, nil, nil), strategy.RuleProposed, "position 4 is committed twice"},
		{"token too large", decide([]int32{4}, []int32{10}, nil), strategy.RuleToken, "token 10"},
		{"token negative", decide([]int32{4}, []int32{-2}, nil), strategy.RuleToken, "token -2"},
		{"propose a closed position", decide([]int32{4}, nil, []int32{3}), strategy.RuleOpen, "position 3"},
		{"propose what is committed", decide([]int32{4}, nil, []int32{2, 4}), strategy.RuleOpen, "position 4"},
		{"propose twice", decide([]int32{4}, nil, []int32{2, 2}), strategy.RuleOpen, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.dec.Check("s", 2); err != nil {
				t.Fatal(err)
			}
			if err := strategy.CheckDecision("s", obs, c.dec, 0, 10, open); err != nil {
				t.Errorf("first document: %v", err)
			}
			checkViolation(t, strategy.CheckDecision("s", obs, c.dec, 1, 10, open), c.rule, 9, c.want)
		})
	}
}

func TestDecisionShape(t *testing.T) {
	for _, c := range []struct {
		name string
		dec  strategy.Decision
		want string
	}{
		{"right", strategy.Decision{CommitOffset: []int32{0, 1, 1}, Commit: []int32{3}}, ""},
		{"no offsets", strategy.Decision{Commit: []int32{3}}, "0 entries"},
		{"one document short", strategy.Decision{CommitOffset: []int32{0, 1}, Commit: []int32{3}}, "2 entries"},
		{"starts late", strategy.Decision{CommitOffset: []int32{1, 1, 1}, Commit: []int32{3}}, "from 1 to 1"},
		{"ends late", strategy.Decision{CommitOffset: []int32{0, 1, 2}, Commit: []int32{3}}, "from 0 to 2"},
		{"descends", strategy.Decision{CommitOffset: []int32{0, 2, 1}, Commit: []int32{3}}, "does not ascend"},
		{"tokens", strategy.Decision{CommitOffset: []int32{0, 1, 1}, Commit: []int32{3}, Token: []int32{}}, "0 tokens for 1"},
		{"propose", strategy.Decision{CommitOffset: []int32{0, 1, 1}, Commit: []int32{3}, ProposeOffset: []int32{0}}, "propose offset"},
		{"propose without offsets", strategy.Decision{CommitOffset: []int32{0, 1, 1}, Commit: []int32{3}, Propose: []int32{1}}, "without offsets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkViolation(t, c.dec.Check("s", 2), strategy.RuleShape, 0, c.want)
		})
	}
}

func TestObservationCheck(t *testing.T) {
	obs := strategy.Observation{
		Doc: []uint64{1}, Step: []int32{0}, Remain: []int32{2}, Offset: []int32{0, 2}, Position: []int32{3, 4},
		Prob: []float32{0.5, 0.25},
	}
	if err := obs.Check(strategy.ColumnProb); err != nil {
		t.Errorf("valid observation: %v", err)
	}
	if err := obs.Check(strategy.ColumnProb | strategy.ColumnMargin); err == nil {
		t.Error("a column that was subscribed to is missing, and nobody noticed")
	}
	if err := obs.Check(0); err == nil {
		t.Error("a column came that was not subscribed to, and nobody noticed")
	}
	obs.Offset[1] = 1
	if err := obs.Check(strategy.ColumnProb); err == nil {
		t.Error("the offsets end early, and nobody noticed")
	}
}

func TestSpecValidate(t *testing.T) {
	if err := (strategy.Spec{Name: "s", Columns: strategy.ColumnAll}).Validate(); err != nil {
		t.Error(err)
	}
	for _, s := range []strategy.Spec{
		{},
		{Name: "s", Columns: strategy.ColumnAll + 1},
		{Name: "s", Window: -1},
		{Name: "s", Window: strategy.MaxWindow + 1},
	} {
		if s.Validate() == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
}

func TestBatchError(t *testing.T) {
	low := errors.New("low")
	err := &strategy.BatchError{Failed: map[uint64]error{9: errors.New("high"), 3: low}}
	if !errors.Is(err, low) {
		t.Error("the documents' errors are not reachable")
	}
	if got := err.Error(); !strings.Contains(got, "2 documents") || !strings.Contains(got, "document 3: low") {
		t.Errorf("message %q", got)
	}
}

// checkViolation wants a violation of the rule whose detail contains want, or no
// error when want is empty.
func checkViolation(t *testing.T, err error, rule strategy.Rule, doc uint64, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("valid answer refused: %v", err)
		}
		return
	}
	var v *strategy.Violation
	if !errors.As(err, &v) {
		t.Fatalf("got %v, want a violation", err)
	}
	if v.Rule != rule || v.Document != doc || v.Strategy != "s" || !strings.Contains(v.Detail, want) {
		t.Errorf("got %+v, want rule %q, document %d, detail with %q", v, rule, doc, want)
	}
}
