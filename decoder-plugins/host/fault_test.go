package host

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/any-order/a3/core/strategy"
)

func TestFillsWithoutFault(t *testing.T) {
	for _, inProcess := range []bool{true, false} {
		t.Run(fmt.Sprintf("in process %v", inProcess), func(t *testing.T) {
			o := options(t)
			o.InProcess = inProcess
			p := open(t, "faulty", o)
			got, err := fill(t.Context(), p.Strategy(), 5, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantFilled(t, got)
			if p.Planner() != nil {
				t.Error("it is a planner, too")
			}
		})
	}
}

// TestSingleFault: what goes wrong once is made good, and nobody notices.
func TestSingleFault(t *testing.T) {
	for _, c := range []struct {
		fault    string
		restarts int
		cause    string
	}{
		{"exit", 1, "exit status 3"},
		{"begin", 1, "exit status 5"},
		{"panic", 1, `panic: lost my mind`},
		{"hang", 1, ErrTimeout.Error()},
		{"end", 1, "between two calls: the plugin crashed: exit status 5"},
		{"oversize", 1, "ResourceExhausted"},
		{"shape", 0, ""},
		{"given", 0, ""},
		{"error", 0, ""},
		{"stranger", 0, ""},
		{"stdout", 0, ""},
		{"flood", 0, ""},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			var r restarts
			o := options(t)
			o.OnRestart = r.on
			if c.fault == "hang" {
				o.CallTimeout = 300 * time.Millisecond
			}
			p := open(t, "faulty:fault="+c.fault+",document=2,once="+filepath.Join(t.TempDir(), "once"), o)
			for range 2 { // the same documents again, after they were ended
				got, err := fill(t.Context(), p.Strategy(), 3, nil)
				if err != nil {
					t.Fatal(err)
				}
				wantFilled(t, got)
			}
			if len(r.causes) != c.restarts {
				t.Fatalf("restarts for %v, want %d", r.causes, c.restarts)
			}
			if c.restarts > 0 && !strings.Contains(r.causes[0].Error(), c.cause) {
				t.Errorf("restarted because %v, want %q", r.causes[0], c.cause)
			}
		})
	}
}

// TestBadDocument: a document that goes wrong each time fails alone, and says why.
func TestBadDocument(t *testing.T) {
	for _, c := range []struct {
		fault string
		is    error
		rule  strategy.Rule
		want  string
	}{
		{"exit", ErrCrashed, "", "exit status 3"},
		{"begin", ErrCrashed, "", "exit status 5"},
		{"panic", ErrCrashed, "", "lost my mind"},
		{"oversize", nil, "", "ResourceExhausted"},
		{"error", ErrRefused, "", "cannot decide"},
		{"document", ErrRefused, "", "do not like it"},
		{"stranger", ErrRefused, "", "document 999, which is not in the batch"},
		{"nothing", nil, strategy.RuleProgress, "document 4"},
		{"given", nil, strategy.RuleProposed, "position 0"},
		{"twice", nil, strategy.RuleProposed, "committed twice"},
		{"token", nil, strategy.RuleToken, "token 10"},
		{"reopen", nil, strategy.RuleOpen, "is not open"},
		{"stale", nil, strategy.RuleOpen, "is not open"},
		{"shape", nil, strategy.RuleShape, "runs from 1"},
		{"far", nil, strategy.RuleProposed, "position 1073741824"},
		{"negative", nil, strategy.RuleProposed, "position -1"},
		{"negative token", nil, strategy.RuleToken, "token -7"},
		{"reopen-given", nil, strategy.RuleReopen, "position 0 was not filled"},
		{"check-open", nil, strategy.RuleCheck, "position 2 is not filled"},
		{"draft-beside", nil, strategy.RuleDraft, "beside a draft"},
		{"infinite-bias", nil, strategy.RuleBias, "+Inf"},
		{"large-state", nil, strategy.RuleState, "1048576 bytes"},
		{"look", nil, strategy.RuleBudget, "of 40"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			p := open(t, "faulty:document=4,fault="+c.fault, options(t))
			got, err := fill(t.Context(), p.Strategy(), 6, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantFilled(t, got, 4)
			failed := got[4].failed
			if c.is != nil && !errors.Is(failed, c.is) || !strings.Contains(failed.Error(), c.want) {
				t.Errorf("failed because %v, want %v with %q", failed, c.is, c.want)
			}
			var violation *strategy.Violation
			if c.rule != "" && (!errors.As(failed, &violation) || violation.Rule != c.rule || violation.Strategy != "faulty") {
				t.Errorf("failed because %v, want a violation of %q", failed, c.rule)
			}
		})
	}
}

// TestPanicInProcess: a panic is to a strategy in this process what a crash is to one
// outside.
func TestPanicInProcess(t *testing.T) {
	o := options(t)
	o.InProcess = true
	p := open(t, "faulty:document=2,fault=panic", o)
	got, err := fill(t.Context(), p.Strategy(), 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFilled(t, got, 2)
	if failed := got[2].failed; !errors.Is(failed, ErrCrashed) || !strings.Contains(failed.Error(), "lost my mind") {
		t.Errorf("failed because %v", failed)
	}
}

func TestPlanner(t *testing.T) {
	for _, c := range []struct{ fault, want string }{
		{"", ""},
		{"exit", "exit status 3"},
		{"missing", "1 of 6 open positions are missing"},
		{"document", "do not like it"},
		{"short", "plans for"},
	} {
		t.Run("fault "+c.fault, func(t *testing.T) {
			t.Parallel()
			p := open(t, "planning:document=3,fault="+c.fault, options(t))
			if p.Strategy() != nil {
				t.Fatal("it is a strategy, too")
			}
			docs := intros(5)
			plans, err := p.Planner().Plan(t.Context(), docs)
			var failed *strategy.BatchError
			if c.fault == "" && err != nil || c.fault != "" && !errors.As(err, &failed) {
				t.Fatal(err)
			}
			for i, d := range docs {
				if c.fault != "" && d.ID == 3 {
					if plans[i] != nil || !strings.Contains(failed.Failed[3].Error(), c.want) {
						t.Errorf("plan %v, failed because %v, want %q", plans[i], failed.Failed[3], c.want)
					}
					continue
				}
				if err := strategy.CheckPlan("planning", d, plans[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestCrashLoop: the host gives up on a plugin with which no document can be served,
// and stays so.
func TestCrashLoop(t *testing.T) {
	var r restarts
	o := options(t)
	o.OnRestart = r.on
	o.MaxFailures = 5
	p := open(t, "faulty:fault=exit", o)
	_, err := fill(t.Context(), p.Strategy(), 4, nil)
	var breaker *BreakerError
	if !errors.As(err, &breaker) || breaker.Failures != 5 || breaker.Strategy != "faulty" || !errors.Is(err, ErrCrashed) {
		t.Fatalf("got %v, want a breaker after 5 failures", err)
	}
	if len(r.causes) != 4 {
		t.Errorf("%d restarts, want 4", len(r.causes))
	}
	if err := p.Strategy().End(t.Context(), []uint64{1, 2, 3, 4}); err != nil {
		t.Error(err)
	}
	if _, err := fill(t.Context(), p.Strategy(), 1, nil); !errors.As(err, &breaker) {
		t.Errorf("a later call returns %v", err)
	}
	if len(r.causes) != 4 {
		t.Error("a later call starts the plugin again")
	}
}

// TestHostileAnswers: answers that break the protocol fail every document, by name.
func TestHostileAnswers(t *testing.T) {
	for name, want := range map[string]string{
		"raw-batch":  "batch 2 was answered, want 1",
		"raw-kind":   "want done",
		"raw-empty":  "want done",
		"raw-torn":   "commit_offset has 3 bytes, not a multiple of 4",
		"raw-hangup": "without an answer",
		"raw-huge":   "ResourceExhausted",
		"raw-long":   "xxx...",
		"raw-flood":  "batch 1 was answered, want 2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, name, options(t))
			got, err := fill(t.Context(), p.Strategy(), 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			failed := got[1].failed
			if failed == nil || !strings.Contains(failed.Error(), want) {
				t.Errorf("failed because %v, want %q", failed, want)
			}
			if n := len(failed.Error()); n > 4096 {
				t.Errorf("the reason has %d bytes", n)
			}
		})
	}
}
