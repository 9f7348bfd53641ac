//go:build unix

package cli_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/decoder-plugins/sdktest"
	"github.com/any-order/a3/pipeline/cli"
)

// wrongs are strategies that are each wrong in one way: the rule of the suite that must
// notice, what it must say, and the strategy.
var wrongs = map[string]struct {
	rule, want string
	instance   sdk.Instance
}{
	"specification": {"specification", "it changes from", sdk.Stepwise(
		strategy.Spec{Name: "specification", Window: 1 + os.Getpid()%1000}, surest)},
	"shape":    {fills, string(strategy.RuleShape), torn{named("shape", surest)}},
	"plan":     {fills, string(strategy.RulePlan), planOf(func(open []int32) strategy.Plan { return strategy.Plan{open[:len(open)/2]} })},
	"progress": {fills, string(strategy.RuleProgress), named("progress", func(sdk.View) strategy.Choice { return strategy.Choice{} })},
	"proposed": {fills, string(strategy.RuleProposed), named("proposed", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: []int32{v.Document.Length}}
	})},
	"token": {fills, string(strategy.RuleToken), named("token", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[:1], Token: []int32{1 << 20}}
	})},
	"open": {fills, string(strategy.RuleOpen), named("open", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[:1], Propose: v.Position[:1]}
	})},
	"reopen": {fills, string(strategy.RuleReopen), named("reopen", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[:1], Reopen: v.Position[:1]}
	})},
	"draft": {fills, string(strategy.RuleDraft), named("draft", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[:1], Draft: v.Position[:1]}
	})},
	"checks": {fills, string(strategy.RuleCheck), named("checks", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Check: v.Position[:1]}
	})},
	"bias": {fills, string(strategy.RuleBias), named("bias", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[:1], Bias: []strategy.Bias{{Position: v.Position[0]}}}
	})},
	"state": {fills, string(strategy.RuleState), named("state", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[:1], State: make([]byte, strategy.MaxState+1)}
	})},
	"budget": {fills, string(strategy.RuleBudget), named("budget", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Propose: v.Position[:1]}
	})},
	"chance": {"repeats itself", "a second time", named("chance", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[os.Getpid()%len(v.Position):][:1]}
	})},
	"crash": {fills, "last words were", named("crash", func(sdk.View) strategy.Choice { panic("no more") })},
	"mates": {"does not depend on batch mates", "alone", counting{named("mates", surest)}},
	"batch": {"does not depend on a batch's composition", "in batches of other documents", counting{named("batch", surest)}},
	"ids": {"does not depend on ids", "under another id", named("ids", func(v sdk.View) strategy.Choice {
		return strategy.Choice{Commit: v.Position[int(v.Document.ID%7)%len(v.Position):][:1]}
	})},
	"memory":  {"goes on after a restart", "with a restart", remembering()},
	"nothing": {"takes documents without blanks", "is empty", planOf(func(open []int32) strategy.Plan { return strategy.Plan{open} })},
}

const fills = "fills each blank once"

func named(name string, decide func(sdk.View) strategy.Choice) sdk.Instance {
	return sdk.Stepwise(strategy.Spec{Name: name, Columns: strategy.ColumnProb}, decide)
}

func surest(v sdk.View) strategy.Choice { return strategy.Choice{Commit: v.Position[:1]} }

// torn forgets the last document of a decision.
type torn struct{ sdk.Instance }

func (t torn) Begin(ctx context.Context, docs []strategy.Document) error {
	return t.Instance.(strategy.Strategy).Begin(ctx, docs)
}
func (t torn) End(ctx context.Context, ids []uint64) error {
	return t.Instance.(strategy.Strategy).End(ctx, ids)
}
func (t torn) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	dec, err := t.Instance.(strategy.Strategy).Next(ctx, obs)
	dec.CommitOffset = dec.CommitOffset[:len(dec.CommitOffset)-1]
	return dec, err
}

// counting looks at the size of the batch.
type counting struct{ sdk.Instance }

func (c counting) Begin(ctx context.Context, docs []strategy.Document) error {
	return c.Instance.(strategy.Strategy).Begin(ctx, docs)
}
func (c counting) End(ctx context.Context, ids []uint64) error {
	return c.Instance.(strategy.Strategy).End(ctx, ids)
}
func (c counting) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	dec := &strategy.Decision{}
	for d := range obs.Doc {
		start, end := obs.Rows(d)
		dec.Append(strategy.Choice{Commit: obs.Position[start:end][len(obs.Doc)%(end-start):][:1]})
	}
	return dec, nil
}

// remembering counts its calls.
func remembering() sdk.Instance {
	calls := 0
	return named("memory", func(v sdk.View) strategy.Choice {
		calls++
		return strategy.Choice{Commit: v.Position[calls/40%len(v.Position):][:1]}
	})
}

type planOf func(open []int32) strategy.Plan

func (planOf) Spec() strategy.Spec { return strategy.Spec{Name: "plans", Planned: true} }
func (p planOf) Plan(_ context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	for i, d := range docs {
		plans[i] = p(d.Open)
	}
	return plans, nil
}

// serveWrong runs one of the wrong strategies as a plugin.
func serveWrong(fault string) {
	w := wrongs[fault]
	sdk.Main(func(sdk.Params) (sdk.Instance, error) { return w.instance, nil },
		sdk.Info{Name: w.instance.Spec().Name, Version: "1", Doc: "Is wrong in one way."})
}

// TestCheckFindsWhatIsWrong checks an executable for each rule that breaks it.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for fault, w := range wrongs {
		t.Run(fault, func(t *testing.T) {
			path := filepath.Join(dir, fault)
			// A plugin is started and ended dozens of times, and the race detector sleeps for a
			// second at each end.
			script := fmt.Sprintf("#!/bin/sh\nexport GORACE=atexit_sleep_ms=0\nexec '%s' %s %s\n", self, wrongArgument, fault)
			if err := os.WriteFile(path+".new", []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
			r := run(t, nil, "plugins", "check", path)
			if r.code != cli.ExitFailed || !strings.Contains(r.stderr, "broken") {
				t.Errorf("exit code %d, %s", r.code, r.stderr)
			}
			lines := strings.Split(r.stdout, "\n")
			at := slices.Index(lines, "  BROKEN  "+w.rule)
			if at < 0 || !strings.Contains(lines[at+1], w.want) {
				t.Errorf("want rule %q broken with %q, got\n%s", w.rule, w.want, r.stdout)
			}
		})
	}
}

// TestEachRuleHasAWrong finds rules, of the contract and of the suite, that no strategy of
// wrongs breaks.
func TestEachRuleHasAWrong(t *testing.T) {
	for _, rule := range sdktest.Rules() {
		if rule.Name == "returns when cancelled" {
			continue // a plugin cannot break it: the host ends the call. The suite's own test does
		}
		found := false
		for _, w := range wrongs {
			found = found || w.rule == rule.Name
		}
		if !found {
			t.Errorf("nobody breaks %q of the suite", rule.Name)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash("../../core/strategy/errors.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Rule") {
			return true
		}
		rules++
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, w := range wrongs {
			found = found || w.want == text
		}
		if !found {
			t.Errorf("nobody breaks %s of the contract", spec.Names[0].Name)
		}
		return false
	})
	if rules < 12 {
		t.Errorf("%d rules of the contract are found", rules)
	}
}

// TestPluginDirectory lists and runs what lies in a folder.
func TestPluginDirectory(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"first":  fmt.Sprintf("#!/bin/sh\nexec '%s' serve-plugin ar\n", self),
		"quits":  "#!/bin/sh\nexit 7\n",
		"readme": "not a program",
	} {
		mode := os.FileMode(0o755)
		if name == "readme" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	out := succeed(t, "plugins", "list", "--plugin-dir", dir)
	for _, want := range []string{"confidence", filepath.Join(dir, "first") + ", sha256:", "quits", "exit status 7"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "readme") {
		t.Errorf("a file that is no program is listed:\n%s", out)
	}
	documents := strings.NewReader(`{"text":"Once {{blank:2}} a time."}` + "\n")
	r := run(t, documents, "infill", "--plugin-dir", dir, "--strategy", "first", "--quiet")
	if r.code != cli.ExitOK || !strings.Contains(r.stdout, `"steps":2`) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
