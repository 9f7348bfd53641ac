package record

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// The Append functions build one line of JSON. Numbers and order are the same on
// every machine. Values follow AppendKey; commas between members come by themselves.

// AppendKey appends the name of the next member of an object. name is one of ours:
// it needs no escapes.
func AppendKey(dst []byte, name string) []byte {
	dst = append(appendComma(dst), '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendComma appends a comma unless the object or array has just been opened. A
// value never ends with an opening bracket: in a string, the quote comes behind it.
func appendComma(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}

// AppendText appends text under name, and, where it is not valid UTF-8, its bytes
// under bytesName beside.
func AppendText(dst []byte, name, bytesName string, text []byte) []byte {
	dst = AppendString(AppendKey(dst, name), Display(text))
	if utf8.Valid(text) {
		return dst
	}
	dst = append(AppendKey(dst, bytesName), '"')
	dst = base64.StdEncoding.AppendEncode(dst, text)
	return append(dst, '"')
}

// AppendInt appends an integer under name.
func AppendInt(dst []byte, name string, n int) []byte {
	return strconv.AppendInt(AppendKey(dst, name), int64(n), 10)
}

// AppendInts appends an array of integers under name.
func AppendInts(dst []byte, name string, ns []int32) []byte {
	dst = append(AppendKey(dst, name), '[')
	for _, n := range ns {
		dst = strconv.AppendInt(appendComma(dst), int64(n), 10)
	}
	return append(dst, ']')
}

// AppendFloat appends a number under name, with six decimals. It panics on NaN and
// infinities, which JSON cannot carry: callers check first, with Finite.
func AppendFloat(dst []byte, name string, x float64) []byte {
	return appendDecimal(AppendKey(dst, name), x)
}

// AppendFloats appends an array of numbers under name, as AppendFloat does.
func AppendFloats(dst []byte, name string, xs []float64) []byte {
	dst = append(AppendKey(dst, name), '[')
	for _, x := range xs {
		dst = appendDecimal(appendComma(dst), x)
	}
	return append(dst, ']')
}

func appendDecimal(dst []byte, x float64) []byte {
	if !Finite(x) {
		panic(fmt.Sprintf("record: %v is not a JSON number", x))
	}
	format := byte('f')
	if math.Abs(x) >= 1e15 {
		format = 'e'
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, x, format, 6, 64)
	if string(dst[start:]) == "-0.000000" {
		dst = append(dst[:start], "0.000000"...)
	}
	return dst
}

// Finite reports whether JSON can carry x.
func Finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// AppendID appends the id as it was written, if there is one.
func (r *Record) AppendID(dst []byte) []byte {
	if r.rawID == nil {
		return dst
	}
	return append(AppendKey(dst, "id"), r.rawID...)
}

// AppendRest appends the fields of the record that pass through.
func (r *Record) AppendRest(dst []byte) []byte {
	return AppendFields(dst, r.schema.Rest(r.Object))
}

// AppendFields appends members as they were written, on one line.
func AppendFields(dst []byte, fields Object) []byte {
	for _, f := range fields {
		dst = append(appendComma(dst), f.Key...)
		dst = append(dst, ':')
		dst = appendOneLine(dst, f.Value)
	}
	return dst
}

// Unchanged returns the line for a record that the job had nothing to do to: the
// record itself. A plain record becomes JSON as all output does.
func (r *Record) Unchanged() []byte {
	if r.line == nil {
		return append(AppendText([]byte{'{'}, "text", "bytes_b64", r.Text), '}')
	}
	return appendOneLine(nil, r.line)
}

// appendOneLine appends valid JSON, with spaces for line breaks. Inside strings
// JSON has none.
func appendOneLine(dst, value []byte) []byte {
	for _, c := range value {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// AppendString appends a JSON string. Only what must be escaped is; so are U+2028
// and U+2029, which some readers of lines take for line breaks.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c == '\u2028' || c == '\u2029':
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[c&15])
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}
