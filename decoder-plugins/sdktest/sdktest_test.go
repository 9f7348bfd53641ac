package sdktest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// stepper is a right strategy, with a hook for each way to be wrong: it commits the
// first proposed position of each document.
type stepper struct {
	columns strategy.Columns
	name    func() string
	begin   func(ctx context.Context, docs []strategy.Document) error
	next    func(ctx context.Context, obs *strategy.Observation, dec *strategy.Decision)
}

func (s *stepper) Spec() strategy.Spec {
	spec := strategy.Spec{Name: "s", Columns: s.columns}
	if s.name != nil {
		spec.Name = s.name()
	}
	return spec
}

func (s *stepper) Begin(ctx context.Context, docs []strategy.Document) error {
	if s.begin != nil {
		return s.begin(ctx, docs)
	}
	return nil
}

func (s *stepper) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	commits := make([][]int32, len(obs.Doc))
	for d := range obs.Doc {
		start, _ := obs.Rows(d)
		commits[d] = []int32{obs.Position[start]}
	}
	dec := decide(commits)
	if s.next != nil {
		s.next(ctx, obs, dec)
	}
	return dec, nil
}

func (s *stepper) End(context.Context, []uint64) error { return nil }

// decide makes a decision of one commit list a document.
func decide(commits [][]int32) *strategy.Decision {
	dec := &strategy.Decision{CommitOffset: []int32{0}}
	for _, c := range commits {
		dec.Commit = append(dec.Commit, c...)
		dec.CommitOffset = append(dec.CommitOffset, int32(len(dec.Commit)))
	}
	return dec
}

type planner func(docs []strategy.Document) []strategy.Plan

func (planner) Spec() strategy.Spec { return strategy.Spec{Name: "s", Planned: true} }
func (p planner) Plan(_ context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	return p(docs), nil
}

func allAtOnce(docs []strategy.Document) []strategy.Plan {
	plans := make([]strategy.Plan, len(docs))
	for i, d := range docs {
		if len(d.Open) > 0 {
			plans[i] = strategy.Plan{slices.Clone(d.Open)}
		}
	}
	return plans
}

// last makes a decision commit the last proposed position of a document instead.
func last(obs *strategy.Observation, dec *strategy.Decision, d int) {
	_, end := obs.Rows(d)
	dec.Commit[d] = obs.Position[end-1]
}

func open(build func() sdk.Instance) Open {
	return func(context.Context) (sdk.Instance, func() error, error) {
		return build(), func() error { return nil }, nil
	}
}

// TestSuiteCanPass is the other half of TestSuiteCanFail.
func TestSuiteCanPass(t *testing.T) {
	for name, build := range map[string]func() sdk.Instance{
		"stepper": func() sdk.Instance { return &stepper{} },
		"planner": func() sdk.Instance { return planner(allAtOnce) },
		"own tokens and proposals": func() sdk.Instance {
			return &stepper{columns: strategy.ColumnAll, next: func(_ context.Context, obs *strategy.Observation, dec *strategy.Decision) {
				dec.Token = make([]int32, len(dec.Commit))
				dec.ProposeOffset = []int32{0}
				for d := range obs.Doc {
					start, end := obs.Rows(d)
					dec.Propose = append(dec.Propose, obs.Position[start+1:end]...)
					dec.ProposeOffset = append(dec.ProposeOffset, int32(len(dec.Propose)))
				}
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Check(t.Context(), open(build)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSuiteCanFail holds strategies that are each wrong in one way to the rules: the
// named rule must notice, with the given words.
func TestSuiteCanFail(t *testing.T) {
	const (
		spec     = "specification"
		fills    = "fills each blank once"
		repeats  = "repeats itself"
		mates    = "does not depend on batch mates"
		batches  = "does not depend on a batch's composition"
		ids      = "does not depend on ids"
		restarts = "goes on after a restart"
		nothing  = "takes documents without blanks"
		cancels  = "returns when cancelled"
	)
	release := make(chan struct{}) // ends the calls that hang
	type observation = strategy.Observation
	type decision = strategy.Decision
	wrong := func(columns strategy.Columns, next func(ctx context.Context, obs *observation, dec *decision)) func() sdk.Instance {
		return func() sdk.Instance { return &stepper{columns: columns, next: next} }
	}
	calls, instances := 0, 0
	for _, c := range []struct {
		name, rule, want string
		build            func() sdk.Instance
	}{
		{"commits nothing", fills, string(strategy.RuleProgress), wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			*dec = *decide(make([][]int32, len(obs.Doc)))
		})},
		{"commits a given position", fills, string(strategy.RuleProposed), wrong(0, func(_ context.Context, _ *observation, dec *decision) {
			dec.Commit[0]++
		})},
		{"commits twice", fills, "committed twice", wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			commits := make([][]int32, len(obs.Doc))
			for d := range commits {
				commits[d] = []int32{dec.Commit[d], dec.Commit[d]}
			}
			*dec = *decide(commits)
		})},
		{"invents a token", fills, string(strategy.RuleToken), wrong(0, func(_ context.Context, _ *observation, dec *decision) {
			dec.Token = slices.Repeat([]int32{vocab}, len(dec.Commit))
		})},
		{"proposes what it commits", fills, string(strategy.RuleOpen), wrong(0, func(_ context.Context, _ *observation, dec *decision) {
			dec.Propose, dec.ProposeOffset = dec.Commit, dec.CommitOffset
		})},
		{"reopens a given position", fills, string(strategy.RuleReopen), wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			dec.ReopenOffset, dec.Reopen = make([]int32, len(obs.Doc)+1), []int32{0}
			dec.ReopenOffset[len(obs.Doc)] = 1
		})},
		{"drafts beside a commit", fills, string(strategy.RuleDraft), wrong(0, func(_ context.Context, _ *observation, dec *decision) {
			dec.DraftOffset, dec.Draft = dec.CommitOffset, dec.Commit
		})},
		{"checks what is open", fills, string(strategy.RuleCheck), wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			*dec = decision{}
			for d := range obs.Doc {
				start, _ := obs.Rows(d)
				dec.Append(strategy.Choice{Check: obs.Position[start : start+1]})
			}
		})},
		{"biases what it commits", fills, string(strategy.RuleBias), wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			dec.BiasOffset = dec.CommitOffset
			for _, p := range dec.Commit {
				dec.Bias = append(dec.Bias, strategy.Bias{Position: p})
			}
		})},
		{"keeps too much state", fills, string(strategy.RuleState), wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			dec.State = make([][]byte, len(obs.Doc))
			dec.State[0] = make([]byte, strategy.MaxState+1)
		})},
		{"looks for ever", fills, string(strategy.RuleBudget), wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			*dec = decision{}
			for d := range obs.Doc {
				start, _ := obs.Rows(d)
				dec.Append(strategy.Choice{Propose: obs.Position[start : start+1]})
			}
		})},
		{"forgets a document", fills, string(strategy.RuleShape), wrong(0, func(_ context.Context, _ *observation, dec *decision) {
			dec.CommitOffset = dec.CommitOffset[:len(dec.CommitOffset)-1]
		})},
		{"reads a column that it did not ask for", fills, "panics", wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			if obs.Margin[0] > 0.5 {
				last(obs, dec, 0)
			}
		})},
		{"counts its calls over all instances", repeats, "a second time", wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			if calls++; calls%13 == 0 {
				last(obs, dec, 0)
			}
		})},
		{"looks at the size of the batch", mates, "alone", wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			if len(obs.Doc) == 1 {
				last(obs, dec, 0)
			}
		})},
		{"looks at its neighbours", batches, "in batches of other documents", wrong(strategy.ColumnProb, func(_ context.Context, obs *observation, dec *decision) {
			for d := range obs.Doc {
				if obs.Prob[0] > 0.5 {
					last(obs, dec, d)
				}
			}
		})},
		{"looks at the id", ids, "under another id", wrong(0, func(_ context.Context, obs *observation, dec *decision) {
			for d, id := range obs.Doc {
				if id%2 == 0 {
					last(obs, dec, d)
				}
			}
		})},
		{"remembers", restarts, "with a restart before every step", func() sdk.Instance {
			steps := 0
			return &stepper{next: func(_ context.Context, obs *observation, dec *decision) {
				if steps++; steps%2 == 0 {
					for d := range obs.Doc {
						last(obs, dec, d)
					}
				}
			}}
		}},
		{"writes into the observation", fills, "belongs to the caller", wrong(strategy.ColumnProb, func(_ context.Context, obs *observation, _ *decision) {
			slices.Sort(obs.Prob)
			obs.Prob[0] = 2
		})},
		{"writes into the introduction", fills, "belongs to the caller", func() sdk.Instance {
			return &stepper{begin: func(_ context.Context, docs []strategy.Document) error {
				slices.Reverse(docs[2].Open)
				return nil
			}}
		}},
		{"keeps the introduction", fills, string(strategy.RuleProposed), func() sdk.Instance {
			kept := make(map[uint64][]int32)
			return &stepper{
				begin: func(_ context.Context, docs []strategy.Document) error {
					for _, d := range docs {
						kept[d.ID] = d.Open
					}
					return nil
				},
				next: func(_ context.Context, obs *observation, dec *decision) {
					for d, id := range obs.Doc {
						dec.Commit[d] = kept[id][obs.Step[d]]
					}
				},
			}
		}},
		{"changes its specification", spec, "it changes", func() sdk.Instance {
			return &stepper{name: func() string {
				instances++
				return strings.Repeat("s", instances)
			}}
		}},
		{"is nothing", fills, "neither", func() sdk.Instance { return struct{ sdk.Instance }{planner(nil)} }},
		{"plans a part", fills, string(strategy.RulePlan), func() sdk.Instance {
			return planner(func(docs []strategy.Document) []strategy.Plan {
				plans := allAtOnce(docs)
				plans[4][0] = plans[4][0][1:]
				return plans
			})
		}},
		{"plans too few", mates, "0 plans for 1 documents", func() sdk.Instance {
			return planner(func(docs []strategy.Document) []strategy.Plan {
				if len(docs) == 1 {
					return nil
				}
				return allAtOnce(docs)
			})
		}},
		{"plans empty groups", nothing, "is empty", func() sdk.Instance {
			return planner(func(docs []strategy.Document) []strategy.Plan {
				plans := make([]strategy.Plan, len(docs))
				for i, d := range docs {
					plans[i] = strategy.Plan{slices.Clone(d.Open)}
				}
				return plans
			})
		}},
		{"hangs", cancels, "does not return", func() sdk.Instance {
			return &stepper{next: func(ctx context.Context, _ *observation, _ *decision) {
				if ctx.Done() != nil && ctx.Err() != nil {
					<-release
				}
			}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, rule := range Rules() {
				if rule.Name != c.rule {
					continue
				}
				err := rule.Check(context.Background(), open(c.build))
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("rule %q says %v, want an error with %q", c.rule, err, c.want)
				}
				return
			}
			t.Fatalf("no rule %q", c.rule)
		})
	}
	close(release)
	goleak.VerifyNone(t)
}

// TestSimulationDependsOnOrder shows that the rules can tell orders apart: the same
// blanks filled in another order get other tokens.
func TestSimulationDependsOnOrder(t *testing.T) {
	forward := newDocument(1, 5, 4, 0, 1, 2, 3)
	backward := newDocument(1, 5, 4, 0, 1, 2, 3)
	for i := range int32(4) {
		forward.commit([]int32{i}, []int32{forward.observe(i).token})
		backward.commit([]int32{3 - i}, []int32{backward.observe(3 - i).token})
	}
	if slices.Equal(forward.tokens, backward.tokens) {
		t.Error("the simulated model does not see what was committed before")
	}
}
