package archtest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependenciesAreJustified keeps the tables of CONTRIBUTING.md and go.mod in step.
func TestDependenciesAreJustified(t *testing.T) {
	page, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", "../../go.mod").Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod goMod
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	expectNone(t, checkDependencies(string(page), mod))
}

// goMod is what go mod edit -json tells of go.mod.
type goMod struct {
	Require []struct {
		Path     string
		Indirect bool
	}
	Tool []struct{ Path string }
}

// dependency is a row of the tables: a path in backquotes, and a reason.
var dependency = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| *([^|]*?) *\\|$")

func checkDependencies(page string, mod goMod) []string {
	_, section, _ := strings.Cut(page, "\n## Dependencies\n")
	var bad, needed, justified []string
	for _, r := range mod.Require {
		if !r.Indirect {
			needed = append(needed, r.Path)
		}
	}
	for _, tool := range mod.Tool {
		needed = append(needed, tool.Path)
	}
	for _, row := range dependency.FindAllStringSubmatch(section, -1) {
		path, reason := row[1], row[2]
		if reason == "" {
			bad = append(bad, fmt.Sprintf("CONTRIBUTING.md gives no reason for %s", path))
		}
		if !slices.ContainsFunc(needed, func(n string) bool { return within(n, []string{path}) }) {
			bad = append(bad, fmt.Sprintf("CONTRIBUTING.md justifies %s, which go.mod does not require: drop the row", path))
		}
		justified = append(justified, path)
	}
	for _, n := range needed {
		if !within(n, justified) {
			bad = append(bad, fmt.Sprintf("go.mod requires %s: say why in a row of CONTRIBUTING.md", n))
		}
	}
	return bad
}

func TestDependencyRulesBite(t *testing.T) {
	const head = "text\n\n## Dependencies\n\n"
	for _, c := range []struct{ name, page, mod, want string }{
		{"in step", head + "| `a.org/x` | fast |\n", `{"Require":[{"Path":"a.org/x"}]}`, ""},
		{"below", head + "| `a.org/x` | fast |\n", `{"Require":[{"Path":"a.org/x/pkg/y"}]}`, ""},
		{"indirect", head, `{"Require":[{"Path":"a.org/x","Indirect":true}]}`, ""},
		{"no row", head, `{"Require":[{"Path":"a.org/x"}]}`, "go.mod requires a.org/x"},
		{"row elsewhere", "| `a.org/x` | fast |\n" + head, `{"Require":[{"Path":"a.org/x"}]}`, "go.mod requires a.org/x"},
		{"tool", head, `{"Tool":[{"Path":"a.org/cmd/x"}]}`, "go.mod requires a.org/cmd/x"},
		{"stale row", head + "| `a.org/x` | fast |\n", `{}`, "drop the row"},
		{"no reason", head + "| `a.org/x` | |\n", `{"Require":[{"Path":"a.org/x"}]}`, "no reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mod goMod
			if err := json.Unmarshal([]byte(c.mod), &mod); err != nil {
				t.Fatal(err)
			}
			got := checkDependencies(c.page, mod)
			if c.want == "" && got != nil || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("violations %q, want %q", got, c.want)
			}
		})
	}
}
