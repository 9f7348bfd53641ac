package infill

import (
	"fmt"
	"strconv"

	"github.com/any-order/a3/pipeline/infill/record"
)

// blankSchema names the fields of an entry of "blanks", in input and output.
func blankSchema() record.Schema {
	return record.Schema{
		Read:  []string{"start", "end", "tokens"},
		Write: []string{"text", "bytes_b64", "replaced", "replaced_b64", "token_ids", "logprob", "order"},
	}
}

// parseBlanks reads the "blanks" field: spans of text.
func parseBlanks(value, text []byte, opts Options) ([]Blank, error) {
	entries, err := record.ParseArray(value, "blanks", opts.MaxBlanks)
	if err != nil {
		return nil, err
	}
	blanks := make([]Blank, 0, len(entries))
	end := 0
	for i, entry := range entries {
		path := "blanks[" + strconv.Itoa(i) + "]"
		b, err := parseBlank(entry, path, text, opts)
		if err != nil {
			return nil, err
		}
		if b.Start < end {
			return nil, &record.Error{Field: path + ".start",
				Reason: fmt.Sprintf("%d lies before the end of the blank before it, %d", b.Start, end),
				Remedy: "blanks must not overlap and are listed by start"}
		}
		end = b.End
		blanks = append(blanks, b)
	}
	return blanks, nil
}

func parseBlank(value []byte, path string, text []byte, opts Options) (Blank, error) {
	object, err := record.ParseObject(value, path)
	if err != nil {
		return Blank{}, err
	}
	if err := blankSchema().Check(object, path, opts.Strict); err != nil {
		return Blank{}, err
	}
	b := Blank{Tokens: opts.BlankTokens, fields: object}
	if b.Start, err = parseOffset(object, "start", path, text); err != nil {
		return Blank{}, err
	}
	if b.End, err = parseOffset(object, "end", path, text); err != nil {
		return Blank{}, err
	}
	if b.End < b.Start {
		return Blank{}, &record.Error{Field: path + ".end", Reason: fmt.Sprintf("%d lies before start, %d", b.End, b.Start),
			Remedy: "a blank is the bytes from start up to, not including, end"}
	}
	if tokens := object.Get("tokens"); tokens != nil {
		if b.Tokens, err = parseTokens(tokens, path+".tokens"); err != nil {
			return Blank{}, err
		}
	}
	return b, checkTokens(b.Tokens, path+".tokens", opts)
}

// parseOffset reads a byte offset that is a character border of text.
func parseOffset(object record.Object, name, path string, text []byte) (int, error) {
	path += "." + name
	value := object.Get(name)
	if value == nil {
		return 0, &record.Error{Field: path, Reason: "missing", Remedy: "give a byte offset in text"}
	}
	at, err := record.ParseInt(value, path)
	if err != nil {
		return 0, err
	}
	if at < 0 || at > len(text) {
		return 0, &record.Error{Field: path, Reason: fmt.Sprintf("%d is outside the text of %d bytes", at, len(text)),
			Remedy: "offsets count bytes of UTF-8, from 0"}
	}
	if start, end, splits := record.SplitsCharacter(text, at); splits {
		return 0, &record.Error{Field: path, Reason: fmt.Sprintf("%d lies inside a character, %q", at, text[start:end]),
			Remedy: fmt.Sprintf("offsets count bytes of UTF-8; use %d or %d", start, end)}
	}
	return at, nil
}

// parseTokens reads a blank's length. The forms to come are refused by name.
func parseTokens(value []byte, path string) (int, error) {
	if c := value[0]; c == '"' || c == '[' || c == '{' {
		return 0, unsupportedLength(path, string(value))
	}
	return record.ParseInt(value, path)
}

func unsupportedLength(path, got string) error {
	return &record.Error{Field: path, Reason: fmt.Sprintf("length %.32s is not a number; automatic lengths and ranges are not supported yet", got),
		Remedy: "give a number of tokens, or leave it out for the default"}
}

func checkTokens(n int, path string, opts Options) error {
	if n >= 1 && n <= opts.MaxTokens {
		return nil
	}
	err := &record.Error{Field: path, Reason: fmt.Sprintf("%d tokens; a blank has 1 to %d", n, opts.MaxTokens),
		Remedy: "use several blanks, or raise the limit"}
	if n < 1 {
		err.Remedy = "give a number of tokens, or leave it out for the default"
	}
	return err
}
