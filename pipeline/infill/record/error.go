package record

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Error is a record that cannot be processed: the record's own fault, never the
// machine's. Trying again does not help; it belongs to the dead letters.
type Error struct {
	ID     string // the record's id, "" if it has none or it could not be read
	Field  string // such as `blanks[2].tokens`, "" for the record as a whole
	Reason string // what is wrong, with the values
	Remedy string // what to do about it, "" where Reason says it all
}

func (e *Error) Error() string {
	var s string
	if e.ID != "" {
		s = "record " + strconv.Quote(clip(e.ID, 64)) + ": "
	}
	if e.Field != "" {
		s += "field " + e.Field + ": "
	}
	s += e.Reason
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// place says where byte i of raw is, for a person with an editor.
func place(raw []byte, i int) string {
	line, start := 1, 0
	for j, c := range raw[:i] {
		if c == '\n' {
			line, start = line+1, j+1
		}
	}
	return fmt.Sprintf("at byte %d (line %d, column %d)", i, line, utf8.RuneCount(raw[start:i])+1)
}

// clip shortens s to about n bytes, without splitting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
