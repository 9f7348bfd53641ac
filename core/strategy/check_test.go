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
		{"reopen", strategy.Decision{CommitOffset: []int32{0, 0, 0}, ReopenOffset: []int32{0, 1, 2}, Reopen: []int32{1}}, "reopen offset"},
		{"check", strategy.Decision{CommitOffset: []int32{0, 0, 0}, CheckOffset: []int32{0, 2, 1}, Check: []int32{1}}, "check offset"},
		{"bias without offsets", strategy.Decision{CommitOffset: []int32{0, 0, 0}, Bias: make([]strategy.Bias, 2)}, "2 entries of bias without offsets"},
		{"draft tokens", strategy.Decision{CommitOffset: []int32{0, 0, 0}, DraftToken: []int32{1}}, "1 tokens for 0 drafted"},
		{"states", strategy.Decision{CommitOffset: []int32{0, 0, 0}, State: make([][]byte, 3)}, "states of 3 documents, want 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkViolation(t, c.dec.CheckShape("s", 2), strategy.RuleShape, 0, c.want)
		})
	}
}

func TestObservationCheck(t *testing.T) {
	full := func() strategy.Observation {
		return strategy.Observation{
			Doc: []uint64{1}, Step: []int32{0}, Remain: []int32{2}, Offset: []int32{0, 2}, Position: []int32{3, 4},
			Prob: []float32{0.5, 0.25},
		}
	}
	spec := func(columns strategy.Columns) strategy.Spec { return strategy.Spec{Name: "s", Columns: columns} }
	for _, c := range []struct {
		name   string
		spec   strategy.Spec
		change func(o *strategy.Observation)
		want   string
	}{
		{"valid", spec(strategy.ColumnProb), nil, ""},
		{"missing column", spec(strategy.ColumnProb | strategy.ColumnMargin), nil, "margin has 0 entries, want 2"},
		{"column that was not asked for", spec(0), nil, "prob has 2 entries, want 0"},
		{"offsets end early", spec(strategy.ColumnProb), func(o *strategy.Observation) { o.Offset[1] = 1 }, "from 0 to 1, want 0 to 2"},
		{"steps", spec(strategy.ColumnProb), func(o *strategy.Observation) { o.Step = nil }, "0 steps"},
		{"kinds", spec(strategy.ColumnProb), func(o *strategy.Observation) { o.Kind = make([]strategy.Kind, 2) }, "kind has 2 entries, want 1"},
		{"states", spec(strategy.ColumnProb), func(o *strategy.Observation) { o.State = make([][]byte, 1) }, ""},
		{"text", strategy.Spec{Name: "s", Columns: strategy.ColumnProb, Text: true}, nil, "known has 0 entries, want 1"},
		{"likeliest", strategy.Spec{Name: "s", Columns: strategy.ColumnProb, Top: 3}, func(o *strategy.Observation) {
			o.TopToken, o.TopLogProb = make([]int32, 6), make([]float32, 5)
		}, "top_log_prob has 5 entries, want 6"},
	} {
		o := full()
		if c.change != nil {
			c.change(&o)
		}
		if err := o.Check(c.spec); c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
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
		{Name: "s", Top: -1},
		{Name: "s", Top: strategy.MaxTop + 1},
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
