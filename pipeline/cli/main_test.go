package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/any-order/a3/pipeline/cli"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

// TestMain lets the test binary be the program: under the name a3, and where a test in
// this process makes the command line run a strategy from "its own executable".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve-plugin" {
		os.Exit(cli.Main())
	}
	if len(os.Args) == 3 && os.Args[1] == wrongArgument {
		serveWrong(os.Args[2])
		return
	}
	testscript.Main(leakChecked{m}, map[string]func(){"a3": func() { os.Exit(cli.Main()) }})
}

// wrongArgument makes the test binary a plugin that is wrong in one way.
const wrongArgument = "wrong-plugin"

// leakChecked fails a run of tests that leaves goroutines.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// result is what a command line left.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command line in this process.
func run(t *testing.T, stdin io.Reader, args ...string) result {
	t.Helper()
	// Against hanging only: under the race detector, on a busy machine, some take a minute.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, cli.Env{
		Args: args, Stdin: stdin, Stdout: &stdout, Stderr: &stderr, Environ: environ(), Stop: make(chan struct{}),
	})
	return result{code, stdout.String(), stderr.String()}
}

// succeed is run for a command line without input that has to succeed; it returns
// standard output.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := run(t, nil, args...)
	if r.code != cli.ExitOK {
		t.Fatalf("a3 %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// environ is that of this process; under the race detector, processes end at once.
func environ() []string { return append(os.Environ(), "GORACE=atexit_sleep_ms=0") }

// process prepares the program as a process of its own.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Args = append([]string{"a3"}, args...)
	cmd.Env = environ()
	return cmd
}

// tinyModel makes a model directory.
func tinyModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := modelstest.Write(dir, 1); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents returns n records with blanks, a line each; every third has no id. The
// field n numbers them.
func documents(n int) []string {
	out := make([]string, n)
	for i, story := range modelstest.Stories(n) {
		words := strings.Split(story, " ")
		words[3] = "{{blank:2}}"
		words[len(words)/2] = "w{{blank:1}}d"
		words[len(words)-1] = "{{blank:3}}"
		id := fmt.Sprintf(`"id": "doc %d", `, i)
		if i%3 == 0 {
			id = ""
		}
		out[i] = fmt.Sprintf(`{%s"text": %q, "n": %d}`, id, strings.Join(words, " "), i)
	}
	return out
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// lineCounter keeps what is written and lets a test wait for lines.
type lineCounter struct {
	more chan struct{} // a token: there is more than was seen

	mu  sync.Mutex
	buf bytes.Buffer // mu
}

func newLineCounter() *lineCounter { return &lineCounter{more: make(chan struct{}, 1)} }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
	return c.buf.Write(p)
}

func (c *lineCounter) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// wait returns when there are n lines.
func (c *lineCounter) wait(t *testing.T, n int) {
	t.Helper()
	late := time.After(30 * time.Second)
	for strings.Count(c.text(), "\n") < n {
		select {
		case <-c.more:
		case <-late:
			t.Fatalf("no %d lines after 30 s, but\n%s", n, c.text())
		}
	}
}
