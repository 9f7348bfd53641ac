// Command testreport reads the output of go test -json and prints what go test would:
// the closing line of each package, and all that a failed test said. It also appends a
// line for each skipped test, with its reason, to the file that it is given.
//
//	go test ./... -json | testreport skips.txt
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
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

// report copies what matters of the events to out, and the skipped tests to skips.
func report(in io.Reader, out, skips io.Writer) error {
	said := map[test][]string{} // what each running test has printed
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			if err := one(line, said, out, skips); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func one(line string, said map[test][]string, out, skips io.Writer) error {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		_, err := io.WriteString(out, line) // go test speaks plainly of its own mistakes
		return err
	}
	t := test{e.Package, e.Test}
	var err error
	switch {
	case e.Action == "build-output":
		_, err = io.WriteString(out, e.Output)
	case e.Action == "output" && (e.Test != "" || e.Output == "PASS\n"):
		said[t] = append(said[t], e.Output)
	case e.Action == "output":
		_, err = io.WriteString(out, e.Output)
	case e.Action == "fail" && e.Test == "":
		// A test that has not ended took the package with it.
		for running, lines := range said {
			if running.Package == e.Package && running.Test != "" {
				_, werr := io.WriteString(out, strings.Join(lines, ""))
				err = errors.Join(err, werr)
			}
		}
	case e.Action == "fail":
		_, err = io.WriteString(out, strings.Join(said[t], ""))
		delete(said, t)
	case e.Action == "skip" && e.Test != "":
		_, err = fmt.Fprintf(skips, "skipped: %s in %s: %s\n", e.Test, e.Package, reason(said[t]))
		delete(said, t)
	case e.Action == "pass":
		delete(said, t)
	}
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
