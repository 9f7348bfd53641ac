package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/any-order/a3/core/seq"
)

// Options are what all jobs let their user choose about records.
type Options struct {
	Plain   bool // a record is the text itself, not JSON
	Strict  bool // fields that the job does not read are errors
	MaxText int  // most bytes of a text
}

// DefaultOptions returns the options that hold where the user says nothing.
func DefaultOptions() Options { return Options{MaxText: 1 << 20} }

// Validate reports options that no record could meet.
func (o Options) Validate() error {
	if o.MaxText < 1 {
		return fmt.Errorf("max text is %d bytes; it must be at least 1", o.MaxText)
	}
	return nil
}

// maxID is the most bytes of an id. Ids are copied into errors, keys and headers.
const maxID = 1024

// Record is a parsed record. It aliases the bytes it was parsed from.
type Record struct {
	ID     string // decoded; "" = none
	Text   []byte
	Object Object // all fields as written; nil for a plain record

	rawID  []byte // as written; nil = none
	line   []byte // the record without space around it; nil for a plain record
	schema Schema
}

// Parse reads a record. job names the fields that the job reads and writes beside
// the id and the text. A record that breaks a rule of the package is an *Error.
func Parse(raw []byte, job Schema, opts Options) (*Record, error) {
	if opts.Plain {
		if err := checkSize(raw, opts.MaxText, ""); err != nil {
			return nil, err
		}
		return &Record{Text: raw}, nil
	}
	line := bytes.TrimPrefix(raw, []byte("\uFEFF"))
	skipped := len(raw) - len(line)
	line = bytes.Trim(line, " \t\r\n")
	if err := checkJSON(line, raw, skipped); err != nil {
		return nil, err
	}
	if line[0] != '{' {
		return nil, &Error{Reason: "want a JSON object, got " + TypeName(line), Remedy: `write {"text": "..."}, or read the input as plain text`}
	}
	object, err := ParseObject(line, "")
	if err != nil {
		return nil, err
	}
	r := &Record{Object: object, line: line, schema: Schema{
		Read:  slices.Concat([]string{"id"}, textNames(), job.Read),
		Write: job.Write,
	}}
	if err := r.readID(); err != nil {
		return nil, err
	}
	if err := r.schema.Check(object, "", opts.Strict); err != nil {
		return nil, r.Name(err)
	}
	if r.Text, err = text(object, opts.MaxText); err != nil {
		return nil, r.Name(err)
	}
	return r, nil
}

// Name puts the record's id into err, if it is an *Error, and returns it.
func (r *Record) Name(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.ID = r.ID
	}
	return err
}

// Key returns the key by which random numbers are drawn for the document: of the
// id, or, if there is none, of the content that the job works on.
func (r *Record) Key(content []byte) uint64 {
	if r.ID != "" {
		return seq.HashBytes([]byte(r.ID))
	}
	return seq.HashBytes(content)
}

// checkJSON finds the place of what is wrong. Places are told in terms of raw, of
// which line is a part.
func checkJSON(line, raw []byte, skipped int) error {
	if len(line) == 0 {
		return &Error{Reason: "empty record", Remedy: "remove the empty line"}
	}
	if utf8.Valid(line) && accepted(line) {
		return nil
	}
	start := skipped + skipSpace(raw[skipped:], 0)
	for i := 0; i < len(line); {
		c, size := utf8.DecodeRune(line[i:])
		if c == utf8.RuneError && size == 1 {
			return &Error{Reason: fmt.Sprintf("not valid UTF-8 %s: byte 0x%02X", place(raw, start+i), line[i]),
				Remedy: `convert the file to UTF-8, or give raw bytes as "text_b64" (base64)`}
		}
		i += size
	}
	var value json.RawMessage
	err := json.Unmarshal(line, &value)
	if err == nil {
		return nil
	}
	e := &Error{Reason: "not valid JSON: " + err.Error()}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := len(line)
		if syntax.Error() != "unexpected end of JSON input" {
			at = int(syntax.Offset) - 1 // it counts the bytes read, the bad one included
		}
		e.Reason = fmt.Sprintf("not valid JSON %s: %v", place(raw, start+at), err)
	}
	if line[0] != '{' && line[0] != '[' {
		e.Remedy = "if the input is plain text, read it as such"
	}
	return e
}

func (r *Record) readID() error {
	value := r.Object.Get("id")
	switch {
	case value == nil:
		return nil
	case value[0] == '"':
		id, whole := decodeString(value)
		if !whole {
			return &Error{Field: "id", Reason: "holds half of a surrogate pair, which is no text", Remedy: "mend the escape"}
		}
		if id == "" {
			return &Error{Field: "id", Reason: "empty", Remedy: "leave it out, or name the record"}
		}
		r.ID = id
	case TypeName(value) == "a number":
		r.ID = string(value)
	default:
		return &Error{Field: "id", Reason: "want a string or a number, got " + TypeName(value)}
	}
	if len(r.ID) > maxID {
		return r.Name(&Error{Field: "id", Reason: fmt.Sprintf("%d bytes; at most %d are allowed", len(r.ID), maxID), Remedy: "shorten it"})
	}
	r.rawID = value
	return nil
}

// text reads the text of a record, in whichever way it is given.
func text(o Object, limit int) ([]byte, error) {
	plain, coded, beside := o.Get("text"), o.Get("text_b64"), o.Get("bytes_b64")
	switch {
	case coded != nil && (plain != nil || beside != nil):
		return nil, &Error{Field: "text_b64", Reason: "given together with another text", Remedy: "keep one"}
	case coded != nil:
		return decodeBase64(coded, "text_b64", limit)
	case plain == nil:
		return nil, &Error{Field: "text", Reason: "missing", Remedy: `give "text", or "text_b64" for bytes that are not UTF-8`}
	case plain[0] != '"':
		return nil, &Error{Field: "text", Reason: "want a string, got " + TypeName(plain)}
	}
	b, whole := decodeBytes(plain)
	if !whole {
		return nil, &Error{Field: "text", Reason: "holds half of a surrogate pair, which is no text", Remedy: `mend the escape, or give raw bytes as "text_b64" (base64)`}
	}
	if beside == nil {
		return b, checkSize(b, limit, "text")
	}
	s := string(b)
	b, err := decodeBase64(beside, "bytes_b64", limit)
	if err == nil && Display(b) != s {
		err = &Error{Field: "bytes_b64", Reason: `does not hold the bytes of "text"`, Remedy: `change both, or give "text_b64" alone`}
	}
	return b, err
}

func decodeBase64(value []byte, field string, limit int) ([]byte, error) {
	if value[0] != '"' {
		return nil, &Error{Field: field, Reason: "want a string of base64, got " + TypeName(value)}
	}
	s, _ := decodeString(value)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, &Error{Field: field, Reason: err.Error(), Remedy: "write standard base64, with padding (RFC 4648, section 4)"}
	}
	return b, checkSize(b, limit, field)
}

func checkSize(text []byte, limit int, field string) error {
	if len(text) > limit {
		return &Error{Field: field, Reason: fmt.Sprintf("%d bytes; at most %d are allowed", len(text), limit), Remedy: "split the document, or raise the limit"}
	}
	return nil
}
