package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string // or the --set that the value came from; "" if there was neither
	Line int    // 0 = none
	Path string // of the field, such as job.infill.blank_tokens; "" = the document
	Text string // what is wrong and what would be right
}

// String returns "FILE:LINE: PATH: TEXT", without what there is not.
func (p Problem) String() string {
	at := ""
	if p.File != "" {
		at = p.File + ": "
		if p.Line > 0 {
			at = fmt.Sprintf("%s:%d: ", p.File, p.Line)
		}
	}
	return at + p.About(p.Path)
}

// About returns the text with what it is about, such as the flag that set the field.
func (p Problem) About(name string) string {
	switch {
	case name == "":
		return p.Text
	case strings.HasPrefix(p.Text, "is "): // it goes on from the name
		return name + " " + p.Text
	}
	return name + ": " + p.Text
}

// Problems are all that is wrong with a configuration, in the order of the document.
type Problems []Problem

// Error returns a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// err returns the problems as an error, sorted, or nil if there are none.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p
}
