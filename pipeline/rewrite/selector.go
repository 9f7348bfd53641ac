package rewrite

import (
	"fmt"
	"regexp"
	"strings"
)

// Selector finds the parts of a text that are to be written anew.
type Selector struct {
	pattern *regexp.Regexp
}

// ParseSelector reads a selector as the command line gives it: regex:PATTERN, with
// a pattern in RE2 syntax. If the pattern has a capture group, the group is the
// part that is replaced, and the rest of the match its context; a second group is
// refused.
func ParseSelector(s string) (*Selector, error) {
	kind, pattern, ok := strings.Cut(s, ":")
	if !ok || kind != "regex" {
		return nil, fmt.Errorf(`selector %q: want regex:PATTERN, such as regex:\bcat\b`, s)
	}
	if pattern == "" {
		return nil, fmt.Errorf("selector %q: the pattern is empty", s)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("selector %q: %w", s, err)
	}
	if n := re.NumSubexp(); n > 1 {
		return nil, fmt.Errorf("selector %q: %d capture groups, at most one is allowed, the part to replace; write the others as (?:...)", s, n)
	}
	return &Selector{pattern: re}, nil
}

// find returns the parts of text to replace, start and end in bytes: ascending, not
// overlapping, not empty; at most limit of them.
func (s *Selector) find(text []byte, limit int) [][2]int {
	var parts [][2]int
	for _, m := range s.pattern.FindAllSubmatchIndex(text, -1) {
		start, end := m[len(m)-2], m[len(m)-1] // of the group if there is one, -1 if it took no part
		if start < 0 || start == end {
			continue
		}
		if parts = append(parts, [2]int{start, end}); len(parts) == limit {
			break
		}
	}
	return parts
}
