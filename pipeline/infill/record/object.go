package record

import (
	"fmt"
	"strconv"
)

// Field is one member of a JSON object. Key and Value alias the record.
type Field struct {
	Name  string // decoded
	Key   []byte // as written, with its quotes
	Value []byte // as written, without space around it
}

// Object is a JSON object's members, in the order written.
type Object []Field

// Get returns the value of the named field, nil if it is absent or null.
func (o Object) Get(name string) []byte {
	for _, f := range o {
		if f.Name == name && string(f.Value) != "null" {
			return f.Value
		}
	}
	return nil
}

// ParseObject splits a value, which is valid JSON, into its members. path names
// the value in errors, "" for the whole record.
func ParseObject(value []byte, path string) (Object, error) {
	if value[0] != '{' {
		return nil, &Error{Field: path, Reason: "want an object, got " + TypeName(value)}
	}
	var o Object
	seen := map[string]bool{}
	for i := skipSpace(value, 1); value[i] != '}'; {
		keyEnd := valueEnd(value, i)
		key := value[i:keyEnd]
		name, _ := decodeString(key) // a lone surrogate in a name shows as U+FFFD
		if seen[name] {
			return nil, &Error{Field: join(path, name), Reason: "given twice", Remedy: "keep one"}
		}
		seen[name] = true
		start := skipSpace(value, skipSpace(value, keyEnd)+1) // behind the colon
		end := valueEnd(value, start)
		o = append(o, Field{Name: name, Key: key, Value: value[start:end]})
		if i = skipSpace(value, end); value[i] == ',' {
			i = skipSpace(value, i+1)
		}
	}
	return o, nil
}

// ParseArray splits a value, which is valid JSON, into at most limit elements.
func ParseArray(value []byte, path string, limit int) ([][]byte, error) {
	if value[0] != '[' {
		return nil, &Error{Field: path, Reason: "want an array, got " + TypeName(value)}
	}
	var elements [][]byte
	for i := skipSpace(value, 1); value[i] != ']'; {
		if len(elements) == limit {
			return nil, &Error{Field: path, Reason: fmt.Sprintf("more than %d entries", limit), Remedy: "split the document, or raise the limit"}
		}
		end := valueEnd(value, i)
		elements = append(elements, value[i:end])
		if i = skipSpace(value, end); value[i] == ',' {
			i = skipSpace(value, i+1)
		}
	}
	return elements, nil
}

// ParseInt reads a JSON number that is written as a whole number and fits an int.
func ParseInt(value []byte, path string) (int, error) {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		got := TypeName(value)
		if got == "a number" {
			got = clip(string(value), 32)
		}
		return 0, &Error{Field: path, Reason: "want a whole number, got " + got}
	}
	return n, nil
}

// TypeName names the type of a JSON value, with its article.
func TypeName(value []byte) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// join appends a name to a path. A name that would not stand out is quoted.
func join(path, name string) string {
	if q := strconv.Quote(clip(name, 64)); name == "" || q != `"`+name+`"` {
		name = q
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// skipSpace returns the first index from i on that is not JSON white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns the end of the JSON value that starts at i. b is valid JSON, so
// counting brackets outside strings is enough.
func valueEnd(b []byte, i int) int {
	for depth := 0; ; {
		switch c := b[i]; {
		case c == '"':
			i = stringEnd(b, i)
		case c == '{' || c == '[':
			depth++
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case isDelimiter(c): // a comma, colon or space; there are none at depth 0
			i++
		default:
			for i < len(b) && !isDelimiter(b[i]) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// stringEnd returns the end of the JSON string whose opening quote is at i.
func stringEnd(b []byte, i int) int {
	for i++; ; i += 2 { // behind a backslash and what it escapes
		if i = nextSpecial(b, i); b[i] == '"' {
			return i + 1
		}
	}
}

func isDelimiter(c byte) bool {
	switch c {
	case ',', ':', ']', '}', '"', '[', '{', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}
