package docstest

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// sample is a page with one of each; ~ stands for a backquote.
const sample = `# Title

~~~console
$ a3 one \
    two
args: one two
$ cat <<END
> a   b
> END
a ... b
~~~

1. In a list:
   ~~~console skip="needs a broker" kafka=localhost:9092 exit=2
   $ a3 broker
   ~~~

~~~sh
# a comment
go test ./...
echo one \
  two
~~~

~~~go file=x/main.go
package main
~~~

~~~text
$5 is no command
~~~
`

func ticks(s string) string { return strings.ReplaceAll(s, "~", "`") }

func TestParsePage(t *testing.T) {
	blocks, err := parsePage(ticks(sample))
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 5 {
		t.Fatalf("found %d blocks: %+v", len(blocks), blocks)
	}
	console, err := blocks[0].steps()
	if err != nil {
		t.Fatal(err)
	}
	if want := []step{
		{command: "a3 one \\\n    two", line: 3, output: 5, want: []string{"args: one two"}},
		{command: "cat <<END\na   b\nEND", line: 6, output: 9, want: []string{"a ... b"}},
	}; !reflect.DeepEqual(console, want) {
		t.Errorf("steps %+v, want %+v", console, want)
	}
	if b := blocks[1]; b.skip != "needs a broker" || b.kafka != "localhost:9092" || b.exit != 2 || b.lines[0] != "$ a3 broker" {
		t.Errorf("block in a list: %+v", b)
	}
	script, err := blocks[2].steps()
	if err != nil {
		t.Fatal(err)
	}
	if len(script) != 2 || script[0].command != "go test ./..." || script[1].command != "echo one \\\n  two" {
		t.Errorf("script %+v", script)
	}
	if b := blocks[3]; b.file != "x/main.go" || b.lang != "go" {
		t.Errorf("file %+v", b)
	}
	if steps, err := blocks[4].steps(); err != nil || steps != nil {
		t.Errorf("text: %v, %v", steps, err)
	}
}

func TestBadPages(t *testing.T) {
	for name, c := range map[string]struct{ page, want string }{
		"open":        {"~~~console\n$ a3\n", "line 1: the block is not closed"},
		"attribute":   {"~~~console skpi=x\n~~~\n", "skpi= is not known"},
		"no value":    {"~~~console skip\n~~~\n", "not key=value"},
		"no reason":   {"~~~console skip=\n~~~\n", "not key=value"},
		"status":      {"~~~console exit=one\n~~~\n", "not a number"},
		"no command":  {"~~~console\n~~~\n", "no command"},
		"output only": {"~~~console\nout\n~~~\n", "line 2: output without a command"},
		"other shell": {"~~~bash\na3\n~~~\n", "would not be run"},
		"hidden":      {"~~~\nFirst\n$ a3\n~~~\n", "line 3: call the block console"},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, err := parsePage(ticks(c.page))
			for _, b := range blocks {
				if err == nil {
					_, err = b.steps()
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a\nb", "a\nb\n", true},
		{"a\nb", "a  \nb\n\n", true},
		{"a", "a\nb\n", false},
		{"a\nb", "a\n", false},
		{"...", "", true},
		{"...", "a\nb\n", true},
		{"a\n...\nd", "a\nb\nc\nd\n", true},
		{"a\n...\nd", "a\nd\n", true},
		{"a\n...\nd", "a\nb\nc\n", false},
		{"took ... s, {x}", "took 1.5 s, {x}\n", true},
		{"took ... s", "took 1.5\n s\n", false},
		{"a.c", "abc\n", false},
		{`{"logprob":-11.878411,"n":2}`, `{"logprob":-11.878400,"n":2}` + "\n", true},
		{`{"logprob":-11.878411,"n":2}`, `{"logprob":-11.888411,"n":2}` + "\n", false},
		{`{"logprob":-11.878411,"n":2}`, `{"logprob":-11.878411,"n":3}` + "\n", false},
		{"... 0.5 and 0.25", "1.5 0.5 and 0.25\n", true},
		{"... 0.5 and 0.25", "1.5 0.25 and 0.5\n", false},
		{"v1.2.3", "v1.2.4\n", false},
	} {
		if got := matches(strings.Split(c.want, "\n"), c.got); got != c.ok {
			t.Errorf("matches(%q, %q) = %v", c.want, c.got, got)
		}
	}
}

// fakeA3 makes a folder with an a3 that shows its arguments, or fails if it is asked to.
func fakeA3(t *testing.T) (bin string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("commands are run by sh, which Windows has not")
	}
	bin = t.TempDir()
	script := "#!/bin/sh\nif [ \"$1\" = fail ]; then echo complaint >&2; exit 3; fi\necho \"args: $*\"\n"
	if err := os.WriteFile(filepath.Join(bin, "a3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestShell(t *testing.T) {
	t.Setenv("A3_ORACLE", "of whoever runs the test")
	got, err := newShell(t, t.TempDir(), fakeA3(t)).run(t.Context(), []string{
		"go run . infill 'a b' | cat", "a3 fail", "echo $?", "mkdir sub && cd sub", `printf '%s' "${PWD##*/}"`, "echo -$A3_ORACLE-", "read x",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []result{
		{"args: infill a b\n", 0}, {"complaint\n", 3}, {"3\n", 0}, {"", 0}, {"sub", 0}, {"--\n", 0}, {"", 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestShellThatEnds(t *testing.T) {
	sh := newShell(t, t.TempDir(), fakeA3(t))
	for _, c := range []struct{ command, want string }{
		{"echo said; exit 4", "said"},
		{"if", "before the last command"},
	} {
		if _, err := sh.run(t.Context(), []string{c.command, "true"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.command, err, c.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := sh.run(ctx, []string{"exec sleep 60"}); err == nil {
		t.Error("a command that does not end is waited for")
	}
}

func TestCIRuns(t *testing.T) {
	const script = "tests() {\n  go test ./... -json | report\n}\n  CGO_ENABLED=1 go test -race ./... -json | report\n  go vet ./... ./x\n"
	for command, want := range map[string]bool{
		"go test ./...":       true,
		"go test -race ./...": true,
		"go test":             false,
		"go vet ./...":        false,
		"bash .ci/run":        true,
		"a3 infill":           false,
	} {
		if got := ciRuns(script, command); got != want {
			t.Errorf("ciRuns(%q) = %v, want %v", command, got, want)
		}
	}
}

// TestREADMEsTestCommandIsInCI holds .ci/run to what this package leaves to it.
func TestREADMEsTestCommandIsInCI(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if !ciRuns(string(script), "go test ./...") {
		t.Error(".ci/run does not run go test ./...")
	}
}

func TestRunPage(t *testing.T) {
	repo := t.TempDir()
	writeFile(t, filepath.Join(repo, "go.mod"), []string{"module example.org/x", "", "go 1.26"})
	writeFile(t, filepath.Join(repo, "runs", "large"), []string{"not copied"})
	writeFile(t, filepath.Join(repo, ".gitignore"), []string{"/runs/"})
	p := page{root: repo, bin: fakeA3(t), ci: "  go test ./... -json | report\n"}
	text := ticks(`# A page

~~~sh
go test ./...
~~~

~~~go file=cmd/main.go
package main

func main() { println("hello") }
~~~

~~~console
$ go run ./cmd
hello
$ echo kept > kept.txt; ls runs 2>/dev/null || echo fresh
fresh
~~~

~~~console exit=3
$ cat kept.txt
kept
$ go run . fail
complaint
~~~
`)
	if got := p.run(t, text); got != text {
		t.Errorf("the page came back as\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(repo, "kept.txt")); err == nil {
		t.Error("the commands ran in the repository itself")
	}
}

func TestCompare(t *testing.T) {
	steps := []step{
		{command: "a", line: 3, output: 4, want: []string{"old", "lines"}},
		{command: "b", line: 6, output: 7},
		{command: "c", line: 7, output: 8},
	}
	results := []result{{"new\n", 0}, {"not shown\n", 0}, {"complaint\n", 1}}
	edits, problems := compare(steps, results, 0)
	if want := []edit{{4, 6, []string{"new"}}}; !reflect.DeepEqual(edits, want) {
		t.Errorf("edits %v, want %v", edits, want)
	}
	if len(problems) != 2 || !strings.Contains(problems[0], "line 4: $ a\nprints\nnew\n\nthe page shows\nold\nlines") ||
		!strings.Contains(problems[1], "line 8: $ c\nends with status 1, want 0, and prints\ncomplaint") {
		t.Errorf("problems %q", problems)
	}
	if _, problems := compare(steps[1:], results[1:], 1); problems != nil {
		t.Errorf("the expected status is a problem: %q", problems)
	}
	if _, problems := compare(steps[1:], []result{{"", 1}, {"", 1}}, 1); len(problems) != 1 {
		t.Errorf("a status other than 0 before the last command: %q", problems)
	}
}

func TestUpdate(t *testing.T) {
	bin := fakeA3(t)
	old := *update
	*update = true
	t.Cleanup(func() { *update = old })
	p := page{root: t.TempDir(), bin: bin}
	const before = "~~~console\n$ a3 x\n@@X@@\nmore\n$ a3 y\nargs: ...\n$ a3 z\nold\n~~~\nend\n"
	const after = "~~~console\n$ a3 x\nargs: x\n$ a3 y\nargs: ...\n$ a3 z\nargs: z\n~~~\nend\n"
	if got := p.run(t, ticks(before)); got != ticks(after) {
		t.Errorf("updated to\n%s\nwant\n%s", got, ticks(after))
	}
}

const help = `Infill reads documents.

Usage:
  a3 infill [flags] [INPUT...]

Flags:
  -h, --help            help for infill
  -o, --output string   file
      --seed uint       of all random numbers; see --strategy
`

func TestMentions(t *testing.T) {
	for text, want := range map[string]string{
		"infill stories.jsonl -o out.jsonl": "",
		"infill --seed=7 x.jsonl":           "",
		"infill --strategy random x":        "there is no flag --strategy",
		"infill -x":                         "there is no flag -x",
		"plugins list":                      "there is no such command",
		"infil x.jsonl":                     "there is no such command",
	} {
		command, flags := parseMention(text)
		if got := unknown(help, command, flags); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := mention.FindAllStringSubmatch(prose(t, ticks("See ~a3 score x~.\n~~~json\n~a3 no~\n~~~\n")), -1); len(got) != 1 || got[0][1] != "score x" {
		t.Errorf("mentions %q", got)
	}
}
