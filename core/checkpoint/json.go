package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// eachField calls fn for every key of the JSON object in data, in order. It refuses
// what encoding/json lets pass: duplicate keys, invalid UTF-8, text after the object.
func eachField(data []byte, fn func(key string, value json.RawMessage) error) error {
	if !utf8.Valid(data) {
		return errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil {
		return jsonError(err)
	}
	if open != json.Delim('{') {
		return fmt.Errorf("want a JSON object, got %v", open)
	}
	seen := make(map[string]bool)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return jsonError(err)
		}
		name := key.(string) // the decoder allows nothing else as a key
		if seen[name] {
			return fmt.Errorf("key %s occurs twice", quote(name))
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("key %s: %w", quote(name), jsonError(err))
		}
		if nestedDeeper(value, maxNesting) {
			return fmt.Errorf("key %s: nested deeper than %d levels", quote(name), maxNesting)
		}
		if err := fn(name, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return jsonError(err)
	}
	if rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("%d bytes follow the JSON object", len(rest))
	}
	return nil
}

// maxNesting bounds what is passed through: indenting a value of n levels takes up to
// n bytes for each of its own.
const maxNesting = 64

// nestedDeeper reports whether raw, a valid JSON value, has more than limit levels.
func nestedDeeper(raw json.RawMessage, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString:
			if c == '\\' {
				i++ // the escaped character is never the closing quote
			}
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// jsonError names the end of the text for what it is: the file was cut.
func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON text is cut off")
	}
	return err
}

// fields takes a JSON object apart, key by key. The first error sticks, so that a
// reader lists its keys and asks once; what nobody took stays in rest.
type fields struct {
	rest map[string]json.RawMessage
	err  error
}

func newFields(data []byte) *fields {
	f := &fields{rest: make(map[string]json.RawMessage)}
	f.err = eachField(data, func(key string, value json.RawMessage) error {
		f.rest[key] = value
		return nil
	})
	return f
}

// take stores the value of key in dst and reports whether there was one. A missing
// key and null leave dst as it is.
func take[T any](f *fields, key string, dst *T) bool {
	raw, ok := f.rest[key]
	delete(f.rest, key)
	if !ok || f.err != nil || isNull(raw) {
		return false
	}
	var value T
	if err := strictUnmarshal(raw, &value); err != nil {
		f.fail(key, "%w", err)
		return false
	}
	*dst = value
	return true
}

// need is take for a key that must be there.
func need[T any](f *fields, key string, dst *T) {
	if !take(f, key, dst) {
		f.fail(key, "is missing")
	}
}

// done returns the first error; a key that nobody took is one.
func (f *fields) done() error {
	if f.err == nil {
		for _, key := range sortedKeys(f.rest) {
			return fmt.Errorf("unknown field %s", quote(key))
		}
	}
	return f.err
}

func (f *fields) fail(key, format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...))
	}
}

// strictUnmarshal decodes one value, with an error in words for a wrong type. A null
// anywhere inside is refused, because encoding/json would read it as zero.
func strictUnmarshal(raw json.RawMessage, dst any) error {
	if holdsNull(raw) {
		return fmt.Errorf("null is not allowed here: %s", quote(string(raw)))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(dst)
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) {
		return fmt.Errorf("want %s, got %s", typeErr.Type, quote(string(raw)))
	}
	return err
}

func holdsNull(raw json.RawMessage) bool {
	if !bytes.Contains(raw, []byte("null")) {
		return false
	}
	for dec := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := dec.Token()
		if err != nil {
			return false // the end, or an error that decoding will name
		}
		if token == nil {
			return true
		}
	}
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// quote shows a name that a file gave, cut to a length that fits an error.
func quote(s string) string {
	const limit = 100
	if len(s) > limit {
		return fmt.Sprintf("%q...", s[:limit])
	}
	return fmt.Sprintf("%q", s)
}
