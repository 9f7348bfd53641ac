// Command testreport reads the output of go test -json and prints what go test would:
// the closing line of each package, and all that a failed test said. It also appends a
// line for each skipped test, with its reason, to the file that it is given.
//
//	go test ./... -json | testreport skips.txt
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ... | testreport SKIPS")
		os.Exit(2)
	}
	skips, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		err = errors.Join(report(os.Stdin, os.Stdout, skips), skips.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
}

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// test names a running test; the empty Test is the package itself.
type test struct{ Package, Test string }

// A reporter keeps what tests print until it is known whether anyone wants to read it.
type reporter struct {
	out, skips io.Writer
	said       map[test][]string // of the tests that have not ended
}

// report copies what matters of the events to out, and the skipped tests to skips.
func report(in io.Reader, out, skips io.Writer) error {
	r := reporter{out, skips, map[test][]string{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := r.event(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return r.tell(func(test) bool { return true }) // go test itself was cut short
		}
		if err != nil {
			return err
		}
	}
}

func (r *reporter) event(line string) error {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		return r.print(line) // go test speaks plainly of its own mistakes
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		return r.print(e.Output)
	case "output":
		r.said[t] = append(r.said[t], e.Output)
	case "fail":
		// With its package end the tests that have not: they took it with them.
		return r.tell(func(other test) bool { return other == t || t.Test == "" && other.Package == t.Package })
	case "pass", "skip":
		var err error
		switch {
		case e.Test == "":
			err = r.print(slices.DeleteFunc(r.said[t], func(l string) bool { return !closing.MatchString(l) })...)
		case e.Action == "skip":
			_, err = fmt.Fprintf(r.skips, "skipped: %s in %s: %s\n", e.Test, e.Package, reason(r.said[t]))
		}
		delete(r.said, t)
		return err
	}
	return nil
}

// closing is the last line of a package that has not failed.
var closing = regexp.MustCompile(`^(ok  |\?   )`)

// tell prints and forgets all that some tests said, packages behind their tests.
func (r *reporter) tell(which func(test) bool) error {
	tests := slices.SortedFunc(maps.Keys(r.said), func(a, b test) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), -cmp.Compare(a.Test, b.Test))
	})
	for _, t := range tests {
		if which(t) {
			if err := r.print(r.said[t]...); err != nil {
				return err
			}
			delete(r.said, t)
		}
	}
	return nil
}

func (r *reporter) print(lines ...string) error {
	_, err := io.WriteString(r.out, strings.Join(lines, ""))
	return err
}

// position is where a test logged from: "    file_test.go:12: ".
var position = regexp.MustCompile(`^\s*\S+\.go:\d+: `)

// reason is what a test said before it was skipped, as one line.
func reason(lines []string) string {
	var words []string
	for _, l := range lines {
		if trimmed := strings.TrimSpace(l); !strings.HasPrefix(trimmed, "=== ") && !strings.HasPrefix(trimmed, "--- ") {
			words = append(words, strings.Fields(position.ReplaceAllString(l, ""))...)
		}
	}
	if len(words) == 0 {
		return "no reason given"
	}
	return strings.Join(words, " ")
}
