package infill

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/any-order/a3/pipeline/infill/record"
)

// A marker is {{blank}} or {{blank:N}}.
const (
	markerOpen  = "{{"
	markerWord  = "blank"
	markerClose = "}}"
)

// maxMarker is the most bytes between ":" and "}}": enough for any number, and
// what an error quotes of a marker that is never closed.
const maxMarker = 16

// cutMarkers removes the markers from text and returns the rest, with a blank for
// each, start and end where it stood. Escaped markers lose one pair of braces.
func cutMarkers(text []byte, opts Options) ([]byte, []Blank, error) {
	var (
		given  []byte
		blanks []Blank
		done   int // text[:done] has been dealt with
	)
	for {
		word, braces, ok := nextMarker(text, done)
		if !ok {
			break
		}
		if braces >= 2*len(markerOpen) { // escaped: one pair goes, the rest is text
			given = append(given, text[done:word-len(markerOpen)]...)
			given = append(given, markerWord...)
			done = word + len(markerWord)
			continue
		}
		given = append(given, text[done:word-len(markerOpen)]...)
		tokens, end, err := readMarker(text, word, opts)
		if err != nil {
			return nil, nil, err
		}
		if len(blanks) == opts.MaxBlanks {
			return nil, nil, &record.Error{Field: "text", Reason: fmt.Sprintf("more than %d blanks", opts.MaxBlanks), Remedy: "split the document, or raise the limit"}
		}
		blanks = append(blanks, Blank{Start: len(given), End: len(given), Tokens: tokens})
		done = end
	}
	if done == 0 {
		return text, nil, nil
	}
	return append(given, text[done:]...), blanks, nil
}

// nextMarker finds the next "{{blank}}" or "{{blank:" from byte from on, escaped or
// not. It returns where its word starts and how many braces stand before that.
func nextMarker(text []byte, from int) (word, braces int, ok bool) {
	for at := from; ; {
		i := bytes.Index(text[at:], []byte(markerOpen+markerWord))
		if i < 0 {
			return 0, 0, false
		}
		word = at + i + len(markerOpen)
		at = word + len(markerWord)
		if rest := text[at:]; bytes.HasPrefix(rest, []byte(markerClose)) || bytes.HasPrefix(rest, []byte(":")) {
			before := text[from:word]
			return word, len(before) - len(bytes.TrimRight(before, "{")), true
		}
	}
}

// readMarker reads the length of the marker whose word starts at byte word, and
// where the marker ends.
func readMarker(text []byte, word int, opts Options) (tokens, end int, err error) {
	start := word - len(markerOpen)
	rest := word + len(markerWord)
	if text[rest] != ':' {
		return opts.BlankTokens, rest + len(markerClose), nil
	}
	number := text[rest+1:]
	i := bytes.Index(number[:min(len(number), maxMarker+len(markerClose))], []byte(markerClose))
	field := fmt.Sprintf("text, marker at byte %d", start)
	if i < 0 {
		return 0, 0, &record.Error{Field: field, Reason: fmt.Sprintf("%q is not closed", record.Display(number[:min(len(number), maxMarker)])),
			Remedy: "write {{blank:4}}, or {{{{blank:... for that text itself"}
	}
	number = number[:i]
	if len(bytes.Trim(number, "0123456789")) > 0 || i == 0 {
		return 0, 0, unsupportedLength(field, strconv.Quote(string(number)))
	}
	tokens, err = strconv.Atoi(string(number))
	if err != nil {
		return 0, 0, &record.Error{Field: field, Reason: err.Error()}
	}
	return tokens, rest + 1 + i + len(markerClose), checkTokens(tokens, field, opts)
}
