package rows

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/any-order/a3/pipeline/infill/record"
)

// encoder writes values as JSON.
type encoder struct {
	limit int // of bytes of a row
}

// errTooLong says that a stream's rows are longer than the limit. Lists may overlap, so a
// few bytes can tell of many.
var errTooLong = errors.New("the rows are too long as JSON; send smaller records")

// column appends a column's value as a member of a row's object.
func (e encoder) column(line []byte, name string, column arrow.Array, i int) ([]byte, error) {
	if b, ok := bytesAt(column, i); ok && name == "text" && !utf8.Valid(b) {
		return appendBase64(append(line, `"text_b64":`...), b), nil
	} else if ok && name == "text" {
		return appendString(append(line, `"text":`...), string(b))
	}
	line, err := appendKey(line, name)
	if err != nil {
		return nil, err
	}
	return e.value(line, column, i)
}

// bytesAt returns the text or the bytes at a row; false if there are none.
func bytesAt(column arrow.Array, i int) ([]byte, bool) {
	if column.IsNull(i) {
		return nil, false
	}
	switch a := column.(type) {
	case *array.String:
		return []byte(a.Value(i)), true
	case *array.LargeString:
		return []byte(a.Value(i)), true
	case *array.Binary:
		return a.Value(i), true
	case *array.LargeBinary:
		return a.Value(i), true
	}
	return nil, false
}

// value appends a value of an array.
func (e encoder) value(line []byte, values arrow.Array, i int) ([]byte, error) {
	if values.IsNull(i) {
		return append(line, "null"...), nil
	}
	switch a := values.(type) {
	case *array.Null:
		return append(line, "null"...), nil
	case *array.Boolean:
		return strconv.AppendBool(line, a.Value(i)), nil
	case *array.Int8:
		return strconv.AppendInt(line, int64(a.Value(i)), 10), nil
	case *array.Int16:
		return strconv.AppendInt(line, int64(a.Value(i)), 10), nil
	case *array.Int32:
		return strconv.AppendInt(line, int64(a.Value(i)), 10), nil
	case *array.Int64:
		return strconv.AppendInt(line, a.Value(i), 10), nil
	case *array.Uint8:
		return strconv.AppendUint(line, uint64(a.Value(i)), 10), nil
	case *array.Uint16:
		return strconv.AppendUint(line, uint64(a.Value(i)), 10), nil
	case *array.Uint32:
		return strconv.AppendUint(line, uint64(a.Value(i)), 10), nil
	case *array.Uint64:
		return strconv.AppendUint(line, a.Value(i), 10), nil
	case *array.Float16:
		return appendFloat(line, float64(a.Value(i).Float32()), 32)
	case *array.Float32:
		return appendFloat(line, float64(a.Value(i)), 32)
	case *array.Float64:
		return appendFloat(line, a.Value(i), 64)
	case *array.String:
		return appendString(line, a.Value(i))
	case *array.LargeString:
		return appendString(line, a.Value(i))
	case *array.Binary:
		return appendBase64(line, a.Value(i)), nil
	case *array.LargeBinary:
		return appendBase64(line, a.Value(i)), nil
	case *array.List:
		start, end := a.ValueOffsets(i)
		return e.list(line, a.ListValues(), start, end)
	case *array.LargeList:
		start, end := a.ValueOffsets(i)
		return e.list(line, a.ListValues(), start, end)
	case *array.Struct:
		return e.object(line, a, i)
	}
	panic(fmt.Sprintf("rows: an array of %v, which ipcguard does not read", values.DataType()))
}

func (e encoder) list(line []byte, values arrow.Array, start, end int64) ([]byte, error) {
	if start < 0 || start > end || end > int64(values.Len()) {
		return nil, fmt.Errorf("a list of the bounds %d to %d in %d values", start, end, values.Len())
	}
	line = append(line, '[')
	for i := start; i < end; i++ {
		if i > start {
			line = append(line, ',')
		}
		var err error
		if line, err = e.value(line, values, int(i)); err != nil {
			return nil, err
		}
		if len(line) > e.limit {
			return nil, errTooLong
		}
	}
	return append(line, ']'), nil
}

func (e encoder) object(line []byte, a *array.Struct, i int) ([]byte, error) {
	line = append(line, '{')
	for f, field := range a.DataType().(*arrow.StructType).Fields() {
		if f > 0 {
			line = append(line, ',')
		}
		var err error
		if line, err = appendKey(line, field.Name); err != nil {
			return nil, err
		}
		if line, err = e.value(line, a.Field(f), i); err != nil {
			return nil, err
		}
	}
	return append(line, '}'), nil
}

// appendFloat writes a number so that it is known from a whole one.
func appendFloat(line []byte, x float64, bits int) ([]byte, error) {
	switch {
	case math.IsNaN(x):
		return append(line, "null"...), nil
	case math.IsInf(x, 0):
		return nil, errors.New("infinite, and JSON has no such number; write null")
	}
	switch size := math.Abs(x); {
	case size >= 1e15 || size < 1e-6 && x != 0:
		return strconv.AppendFloat(line, x, 'e', -1, bits), nil
	case x == math.Trunc(x):
		return strconv.AppendFloat(line, x, 'f', 1, bits), nil
	}
	return strconv.AppendFloat(line, x, 'f', -1, bits), nil
}

func appendKey(line []byte, name string) ([]byte, error) {
	line, err := appendString(line, name)
	return append(line, ':'), err
}

func appendString(line []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("not valid UTF-8; write the column as binary")
	}
	return record.AppendString(line, s), nil
}

func appendBase64(line, b []byte) []byte {
	line = append(line, '"')
	line = base64.StdEncoding.AppendEncode(line, b)
	return append(line, '"')
}
