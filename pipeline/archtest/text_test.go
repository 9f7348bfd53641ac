package archtest

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
)

const (
	maxLines     = 600 // of a file that people write
	maxMainLines = 25  // of main.go, which calls pipeline/cli
)

func TestText(t *testing.T) { expectNone(t, checkText(repository(t))) }

// The classes of one letter keep these expressions from matching themselves.
var (
	// unfinished is work that was left for later: it is done, or it is an issue.
	unfinished = regexp.MustCompile(`\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b`)
	// machinePath is a path of somebody's machine.
	machinePath = regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/([h]ome|[r]oot|[U]sers|[w]ork)/`)
)

func checkText(t *tree) []string {
	var bad []string
	for _, f := range t.files {
		if f.generated {
			continue
		}
		limit := maxLines
		if f.name == "main.go" {
			limit = maxMainLines - 1
		}
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			if w := unfinished.FindString(line); w != "" {
				bad = append(bad, fmt.Sprintf("%s:%d: %s", f.name, n, w))
			}
			if p := machinePath.FindString(line); p != "" {
				bad = append(bad, fmt.Sprintf("%s:%d: a path of one machine: %s", f.name, n, strings.TrimSpace(line)))
			}
		}
		if ext := path.Ext(f.name); n > limit && (ext == ".go" || ext == ".s") {
			bad = append(bad, fmt.Sprintf("%s has %d lines, the limit is %d", f.name, n, limit))
		}
	}
	return bad
}
