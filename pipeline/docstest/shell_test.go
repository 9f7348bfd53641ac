package docstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// blockTimeout bounds the commands of one block.
const blockTimeout = 5 * time.Minute

// A shell runs commands in a folder, with a3 at hand.
type shell struct {
	dir string
	env []string
}

// newShell returns a shell in dir that finds the binary a3 in the folder bin. Commands see
// a home of their own, and none of the settings of whoever runs the test. They compute in
// float32, which every machine has: bfloat16, the default where there are tiles for it, may
// choose another token where two are about equally probable.
func newShell(t *testing.T, dir, bin string) *shell {
	t.Helper()
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "A3_") || slices.Contains([]string{"PATH", "HOME", "TERM", "PWD"}, name)
	})
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return &shell{dir: dir, env: append(env,
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+t.TempDir(), "TERM=dumb", "A3_COMPUTE=float32", nested+"=1")}
}

// nested is set for commands that the pages show, so that a go test among them does not
// run the pages again.
const nested = "A3_TEST_DOCS_NESTED"

// prelude makes go run . the binary that was built already; mark ends the output of a
// command with its status, and keeps the status.
const prelude = `
go() {
	if [ "${1-} ${2-}" = "run ." ]; then shift 2; a3 "$@"; else command go "$@"; fi
}
mark() {
	status=$?
	printf '\n<end of command: %d>\n' "$status"
	return "$status"
}
`

var marked = regexp.MustCompile(`\n<end of command: (\d+)>\n`)

// A result is what came of a command: standard output and error as they came, and status.
type result struct {
	output string
	status int
}

// run runs commands in one shell, one after another, whether they succeed or not.
func (s *shell) run(ctx context.Context, commands []string) ([]result, error) {
	script := prelude
	for _, c := range commands {
		script += c + "\nmark\n"
	}
	ctx, cancel := context.WithTimeout(ctx, blockTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.WaitDelay = 10 * time.Second // for what the shell started and left, which ends here
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly there is nothing left
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("not done in %v, printed\n%s", blockTimeout, &out)
	}

	var results []result
	start := 0
	for _, m := range marked.FindAllSubmatchIndex(out.Bytes(), -1) {
		status, err := strconv.Atoi(string(out.Bytes()[m[2]:m[3]]))
		if err != nil {
			return nil, err
		}
		results = append(results, result{output: string(out.Bytes()[start:m[0]]), status: status})
		start = m[1]
	}
	if len(results) != len(commands) {
		return nil, fmt.Errorf("the shell ended (%v) before the last command, printed\n%s", err, &out)
	}
	return results, nil
}

// ignored are the entries of the root that .gitignore names ("/bin/"): what a build or a
// run leaves there is no part of the repository.
func ignored(root string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "/"); ok {
			names = append(names, strings.TrimSuffix(name, "/"))
		}
	}
	return names, err
}

// copyTree copies the repository to a new folder, without what git does not keep.
func copyTree(root, to string) error {
	skip, err := ignored(root)
	if err != nil {
		return err
	}
	skip = append(skip, ".git")
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, name); {
		case slices.Contains(skip, name) && d.IsDir():
			return fs.SkipDir
		case slices.Contains(skip, name):
			return nil
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// ciRuns says whether a command is one that .ci/run has in a line of its own, or .ci/run.
func ciRuns(script, command string) bool {
	if command == "bash .ci/run" {
		return true
	}
	line := regexp.MustCompile(`(?m)(^|\s)` + regexp.QuoteMeta(command) + `( -json \| report)?$`)
	return line.MatchString(script)
}
