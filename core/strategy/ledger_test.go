package strategy_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/any-order/a3/core/strategy"
)

const vocab = 10

// seen is the ledger of a document with blanks 0, 2, 4, 6 and 8, of which 0 was filled,
// and the observation of its next step, which proposes 2, 4 and 6, beside another's.
func seen() (*strategy.Ledger, *strategy.Observation) {
	l := strategy.NewLedger(9, []int32{0, 2, 4, 6, 8})
	l.Apply(strategy.Choice{Commit: []int32{0}})
	return l, &strategy.Observation{
		Doc: []uint64{5, 9}, Step: []int32{0, 2}, Remain: []int32{1, 4},
		Offset: []int32{0, 1, 4}, Position: []int32{0, 2, 4, 6},
	}
}

func TestRules(t *testing.T) {
	type c = strategy.Choice
	bias := func(p, token int32, value float64) c {
		return c{Commit: []int32{2}, Bias: []strategy.Bias{{Position: p, Token: token, Value: float32(value)}}}
	}
	for _, test := range []struct {
		name   string
		choice c
		rule   strategy.Rule
		want   string
	}{
		{"one", c{Commit: []int32{4}}, "", ""},
		{"any order, own tokens", c{Commit: []int32{6, 2}, Token: []int32{strategy.KeepToken, 9}, Propose: []int32{8, 4}}, "", ""},
		{"nothing", c{}, strategy.RuleProgress, "step 2"},
		{"state alone", c{State: []byte{1}}, strategy.RuleProgress, "step 2"},
		{"look elsewhere", c{Propose: []int32{8}}, "", ""},
		{"not proposed", c{Commit: []int32{8}}, strategy.RuleProposed, "position 8"},
		{"another document's", c{Commit: []int32{0}}, strategy.RuleProposed, "position 0"},
		{"twice", c{Commit: []int32{4, 4}}, strategy.RuleProposed, "position 4 is committed twice"},
		{"token too large", c{Commit: []int32{4}, Token: []int32{10}}, strategy.RuleToken, "token 10"},
		{"token negative", c{Commit: []int32{4}, Token: []int32{-2}}, strategy.RuleToken, "token -2"},
		{"propose a closed position", c{Commit: []int32{4}, Propose: []int32{3}}, strategy.RuleOpen, "position 3"},
		{"propose what is committed", c{Commit: []int32{4}, Propose: []int32{2, 4}}, strategy.RuleOpen, "position 4"},
		{"propose twice", c{Commit: []int32{4}, Propose: []int32{2, 2}}, strategy.RuleOpen, "twice"},
		{"reopen", c{Reopen: []int32{0}}, "", ""},
		{"reopen and propose", c{Commit: []int32{2}, Reopen: []int32{0}, Propose: []int32{8, 0}}, "", ""},
		{"reopen a given one", c{Reopen: []int32{1}}, strategy.RuleReopen, "position 1"},
		{"reopen what is committed here", c{Commit: []int32{2}, Reopen: []int32{2}}, strategy.RuleReopen, "position 2"},
		{"reopen twice", c{Reopen: []int32{0, 0}}, strategy.RuleReopen, "twice"},
		{"draft", c{Draft: []int32{6, 2}, DraftToken: []int32{3, -1}, Propose: []int32{2, 8}}, "", ""},
		{"draft beside a commit", c{Draft: []int32{6}, Commit: []int32{2}}, strategy.RuleDraft, "beside a draft"},
		{"draft what is not proposed", c{Draft: []int32{6, 8}}, strategy.RuleDraft, "position 8"},
		{"draft twice", c{Draft: []int32{6, 2, 6}}, strategy.RuleDraft, "position 6 is drafted twice"},
		{"draft no token", c{Draft: []int32{6}, DraftToken: []int32{10}}, strategy.RuleToken, "token 10"},
		{"check", c{Commit: []int32{4}, Check: []int32{4, 0}}, "", ""},
		{"check an open one", c{Check: []int32{4}}, strategy.RuleCheck, "position 4 is not filled"},
		{"check a reopened one", c{Reopen: []int32{0}, Check: []int32{0}}, strategy.RuleCheck, "position 0"},
		{"check twice", c{Check: []int32{0, 0}}, strategy.RuleCheck, "twice"},
		{"check and propose", c{Check: []int32{0}, Propose: []int32{2}}, strategy.RuleCheck, "beside a check"},
		{"ban", bias(4, 3, math.Inf(-1)), "", ""},
		{"bias a filled one", bias(0, 3, 1), strategy.RuleBias, "position 0"},
		{"bias what is committed", bias(2, 3, 1), strategy.RuleBias, "position 2"},
		{"bias no token", bias(4, 10, 1), strategy.RuleBias, "token 10"},
		{"infinite bias", bias(4, 3, math.Inf(1)), strategy.RuleBias, "+Inf"},
		{"bias that is no number", bias(4, 3, math.NaN()), strategy.RuleBias, "NaN"},
		{"too much bias", c{Commit: []int32{2}, Bias: slices.Repeat([]strategy.Bias{{Position: 4}}, strategy.MaxBias+1)}, strategy.RuleBias, "4097 entries"},
		{"state", c{Commit: []int32{2}, State: make([]byte, 1024)}, "", ""},
		{"too much state", c{Commit: []int32{2}, State: make([]byte, 1025)}, strategy.RuleState, "1025 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, o := seen()
			checkViolation(t, l.Check("s", o, 1, test.choice, vocab), test.rule, 9, test.want)
		})
	}
}

// Checked rows are not open; an empty answer to them is content.
func TestRulesAfterCheck(t *testing.T) {
	l, o := seen()
	o.Kind, o.Position[1] = []strategy.Kind{strategy.Proposed, strategy.Checked}, 0
	o.Offset[2], o.Position = 2, o.Position[:2]
	checkViolation(t, l.Check("s", o, 1, strategy.Choice{}, vocab), "", 9, "")
	checkViolation(t, l.Check("s", o, 1, strategy.Choice{Reopen: []int32{0}}, vocab), "", 9, "")
	checkViolation(t, l.Check("s", o, 1, strategy.Choice{Commit: []int32{0}}, vocab), strategy.RuleProposed, 9, "position 0")
	checkViolation(t, l.Check("s", o, 1, strategy.Choice{Draft: []int32{0}}, vocab), strategy.RuleDraft, 9, "position 0")
}

// The budget ends what fills nothing: for ever reopening, checking, looking.
func TestBudget(t *testing.T) {
	for name, c := range map[string]strategy.Choice{
		"look":  {Propose: []int32{8}},
		"check": {Check: []int32{0}},
	} {
		l, o := seen()
		steps := 0
		for ; l.Check("s", o, 1, c, vocab) == nil; steps++ {
			l.Apply(c)
			if steps > 1000 {
				t.Fatal("it never ends")
			}
		}
		checkViolation(t, l.Check("s", o, 1, c, vocab), strategy.RuleBudget, 9, "of 36")
		if want := map[string]int{"look": 36, "check": 18}[name]; steps != want {
			t.Errorf("%s: %d decisions, want %d", name, steps, want)
		}
		if err := l.Check("s", o, 1, strategy.Choice{Commit: []int32{2}}, vocab); err != nil {
			t.Errorf("%s: a spent budget refuses commits: %v", name, err)
		}
	}
}

// What stays of a draft is known with the next observation.
func TestLedgerFollowsDrafts(t *testing.T) {
	for accepted, want := range []string{"2", "2 6", "2 6 4"} {
		l, o := seen()
		l.Apply(strategy.Choice{Draft: []int32{2, 6, 4}})
		if accepted > 0 {
			o.Accepted = []int32{0, int32(accepted)}
		}
		l.Observe(o, 1)
		for _, p := range []int32{2, 6, 4} {
			filled := slices.Contains([]int32{2, 6, 4}[:len(want)/2+1], p)
			if l.Filled(p) != filled || l.Open(p) == filled {
				t.Errorf("%d accepted: position %d is filled %v, want %s filled", accepted, p, l.Filled(p), want)
			}
		}
		l.Observe(o, 1) // once is enough
		if l.Open(8) != true || l.Open(1) || l.Filled(1) {
			t.Error("other positions changed")
		}
	}
}

// What is appended is what is found at its place.
func TestDecisionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.Int32Range(0, 99), 0, 3)
		choice := rapid.Custom(func(t *rapid.T) strategy.Choice {
			c := strategy.Choice{
				Commit: some.Draw(t, "commit"), Reopen: some.Draw(t, "reopen"), Draft: some.Draw(t, "draft"),
				Check: some.Draw(t, "check"), Propose: some.Draw(t, "propose"),
			}
			if rapid.Bool().Draw(t, "tokens") {
				c.Token = slices.Clone(c.Commit)
				c.DraftToken = slices.Clone(c.Draft)
			}
			if rapid.Bool().Draw(t, "more") {
				c.Bias = []strategy.Bias{{Position: 1, Token: 2, Value: 3}}
				c.State = []byte("x")
			}
			return c
		})
		want := rapid.SliceOfN(choice, 0, 5).Draw(t, "choices")
		dec := &strategy.Decision{}
		dec.Append(strategy.Choice{Commit: []int32{7}})
		for range 2 { // the second time in used memory
			dec.Reset()
			for _, c := range want {
				dec.Append(c)
			}
			if err := dec.CheckShape("s", len(want)); err != nil {
				t.Fatal(err)
			}
			for d, c := range want {
				got := dec.At(d)
				if !same(got, c) {
					t.Fatalf("choice %d is %+v, want %+v", d, got, c)
				}
				if clone := got.Clone(); !reflect.DeepEqual(clone, got) {
					t.Fatalf("the clone is %+v, want %+v", clone, got)
				}
			}
		}
	})
}

// same compares choices; tokens that are absent are those kept, and an empty list is none.
func same(a, b strategy.Choice) bool {
	kept := func(token, positions []int32) []int32 {
		if token == nil {
			return slices.Repeat([]int32{strategy.KeepToken}, len(positions))
		}
		return token
	}
	return slices.Equal(a.Commit, b.Commit) && slices.Equal(kept(a.Token, a.Commit), kept(b.Token, b.Commit)) &&
		slices.Equal(a.Reopen, b.Reopen) && slices.Equal(a.Draft, b.Draft) &&
		slices.Equal(kept(a.DraftToken, a.Draft), kept(b.DraftToken, b.Draft)) &&
		slices.Equal(a.Check, b.Check) && slices.Equal(a.Propose, b.Propose) && slices.Equal(a.Bias, b.Bias) &&
		string(a.State) == string(b.State) && (a.State == nil) == (b.State == nil)
}
