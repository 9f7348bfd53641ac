package docstest

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the outputs of the commands into the pages")

const root = "../.."

// TestPages runs the commands of every page.
func TestPages(t *testing.T) {
	if os.Getenv(nested) != "" {
		t.Skip("a page shows the command that runs this test")
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "a3"), ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build a3: %v\n%s", err, out)
	}
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	names := pages(t)
	for _, must := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		if !slices.Contains(names, must) {
			t.Errorf("there is no %s", must)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			p := page{root: root, bin: bin, ci: string(script)}
			checkLinks(t, filepath.Join(root, filepath.Dir(name)), string(text))
			checkMentions(t, filepath.Join(bin, "a3"), string(text))
			if changed := p.run(t, string(text)); *update && changed != string(text) {
				if err := os.WriteFile(filepath.Join(root, name), []byte(changed), 0o644); err != nil {
					t.Fatal(err)
				}
				t.Log("rewritten")
			}
		})
	}
}

// pages are the names of all pages, from the root.
func pages(t *testing.T) []string {
	t.Helper()
	skip, err := ignored(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || slices.Contains(skip, name)) {
			return fs.SkipDir
		}
		if !d.IsDir() && filepath.Ext(path) == ".md" {
			names = append(names, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A page is run against a repository and a built a3.
type page struct {
	root, bin string
	ci        string // the text of .ci/run
}

// run runs the commands of a page, and returns its text with the outputs that it saw in
// place of those that differ.
func (p page) run(t *testing.T, text string) string {
	t.Helper()
	blocks, err := parsePage(text)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	var sh *shell // made when it is needed: most pages show no command
	shellOf := func() *shell {
		if sh == nil {
			dir := t.TempDir()
			if err := copyTree(p.root, dir); err != nil {
				t.Fatalf("copy the repository: %v", err)
			}
			sh = newShell(t, dir, p.bin)
		}
		return sh
	}
	var edits []edit
	var onKafka session
	for _, b := range blocks {
		steps, err := b.steps()
		if err != nil {
			t.Error(err)
			continue
		}
		if b.kafka != "" && b.skip == "" {
			onKafka.add(b, steps)
			continue
		}
		t.Run(fmt.Sprintf("line %d", b.fence+1), func(t *testing.T) {
			if b.skip != "" {
				t.Skip(b.skip)
			}
			if b.file != "" {
				writeFile(t, filepath.Join(shellOf().dir, filepath.FromSlash(b.file)), b.lines)
			}
			alone := !strings.HasSuffix(b.file, "_test.go") // a test is compiled with its package, by the page's go test
			if b.lang == "go" && alone && len(b.lines) > 0 && strings.HasPrefix(b.lines[0], "package ") {
				compile(t, shellOf(), b.lines)
			}
			if steps = p.own(t, steps); steps != nil {
				results, err := shellOf().run(t.Context(), commands(steps))
				if err != nil {
					t.Fatal(err)
				}
				changes, problems := compare(steps, results, b.exit)
				if edits = append(edits, changes...); len(changes) > 0 && !*update {
					t.Log("go test ./pipeline/docstest -update writes what the commands print into the page")
				}
				for _, problem := range problems {
					t.Error(problem)
				}
			}
		})
	}
	if onKafka.steps != nil {
		t.Run("kafka", func(t *testing.T) { edits = append(edits, onKafka.run(t, shellOf)...) })
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	for _, e := range slices.Backward(edits) {
		lines = slices.Replace(lines, e.start, e.end, e.lines...)
	}
	return strings.Join(lines, "\n")
}

// own returns the steps that are not left to .ci/run.
func (p page) own(t *testing.T, steps []step) []step {
	return slices.DeleteFunc(steps, func(s step) bool {
		run := ciRuns(p.ci, s.command)
		if run {
			t.Logf("line %d: %s: left to .ci/run", s.line+1, s.command)
		}
		return run
	})
}

// An edit replaces lines of a page.
type edit struct {
	start, end int
	lines      []string
}

// compare holds the results of the steps of one block against the page. It returns what
// would put the outputs right, and what is wrong.
func compare(steps []step, results []result, exit int) (edits []edit, problems []string) {
	for i, s := range steps {
		wantStatus := 0
		if i == len(steps)-1 {
			wantStatus = exit
		}
		got := results[i]
		if got.status != wantStatus {
			problems = append(problems, fmt.Sprintf("line %d: $ %s\nends with status %d, want %d, and prints\n%s",
				s.line+1, s.command, got.status, wantStatus, got.output))
			continue
		}
		if s.want == nil || matches(s.want, got.output) {
			continue
		}
		shown := strings.Split(strings.TrimSuffix(trimLines(got.output), "\n"), "\n")
		edits = append(edits, edit{s.output, s.output + len(s.want), shown})
		if !*update {
			problems = append(problems, fmt.Sprintf("line %d: $ %s\nprints\n%s\nthe page shows\n%s",
				s.line+1, s.command, got.output, strings.Join(s.want, "\n")))
		}
	}
	return edits, problems
}

func commands(steps []step) []string {
	var commands []string
	for _, s := range steps {
		commands = append(commands, s.command)
	}
	return commands
}

func writeFile(t *testing.T, path string, lines []string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compile vets a Go file in a folder of its own within the repository.
func compile(t *testing.T, sh *shell, lines []string) {
	t.Helper()
	dir, err := os.MkdirTemp(sh.dir, "block")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "main.go"), lines)
	vet := exec.CommandContext(t.Context(), "go", "vet", ".")
	vet.Dir, vet.Env = dir, sh.env
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("the Go block does not compile: %v\n%s", err, out)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
