package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/pipeline/infill/record"
)

// Join returns an Arrow IPC stream of one batch that holds JSON objects as rows. Its
// columns are the members of the objects, in the order in which they first appear; a
// member that an object does not have is null there. Equal objects give equal bytes.
func Join(objects [][]byte) ([]byte, error) {
	for i, object := range objects {
		if !json.Valid(object) || record.TypeName(bytes.TrimSpace(object)) != "an object" {
			return nil, fmt.Errorf("row %d is no JSON object", i+1)
		}
	}
	rows, ok := members(trimmed(objects))
	if !ok {
		return nil, fmt.Errorf("a JSON object has a member twice")
	}
	columns := columnsOf(rows, maxDepth)
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field()
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	defer b.Release()
	for i, c := range columns {
		for _, value := range c.values {
			appendJSON(b.Field(i), value)
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := w.Write(rec); err != nil {
		return nil, fmt.Errorf("write rows as Arrow: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write rows as Arrow: %w", err)
	}
	return out.Bytes(), nil
}

// maxDepth is how deep lists and structs are made; what is deeper stays JSON.
const maxDepth = 8

func trimmed(values [][]byte) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = bytes.TrimSpace(v)
	}
	return out
}

// members parses objects; nil stays nil. It returns false if one has a member twice.
func members(objects [][]byte) ([]record.Object, bool) {
	out := make([]record.Object, len(objects))
	for i, object := range objects {
		if object == nil {
			continue
		}
		o, err := record.ParseObject(object, "")
		if err != nil {
			return nil, false
		}
		out[i] = o
	}
	return out, true
}

// column is a column to be: one JSON value for each row, nil for null.
type column struct {
	name   string
	values [][]byte
	typ    arrow.DataType
}

func (c *column) field() arrow.Field { return arrow.Field{Name: c.name, Type: c.typ, Nullable: true} }

// columnsOf returns the columns of objects. depth is how deep they may be nested.
func columnsOf(objects []record.Object, depth int) []*column {
	var columns []*column
	byName := map[string]*column{}
	for i, o := range objects {
		for _, f := range o {
			c := byName[f.Name]
			if c == nil {
				c = &column{name: strings.ToValidUTF8(f.Name, "\uFFFD"), values: make([][]byte, len(objects))}
				byName[f.Name] = c
				columns = append(columns, c)
			}
			if string(f.Value) != "null" {
				c.values[i] = f.Value
			}
		}
	}
	for _, c := range columns {
		c.typ = typeOf(c.values, depth)
	}
	return columns
}

// typeOf returns the type of a column that holds the values: utf8, for their JSON, if they
// have no other in common.
func typeOf(values [][]byte, depth int) arrow.DataType {
	kind := ""
	for _, v := range values {
		if v == nil {
			continue
		}
		k := record.TypeName(v)
		if kind != "" && k != kind {
			return arrow.BinaryTypes.String
		}
		kind = k
	}
	switch kind {
	case "":
		return arrow.Null
	case "a boolean":
		return arrow.FixedWidthTypes.Boolean
	case "a number":
		return numberType(values)
	case "an array":
		if depth > 0 {
			if elements, ok := elementsOf(values); ok {
				return arrow.ListOf(typeOf(elements, depth-1))
			}
		}
	case "an object":
		if depth > 0 {
			if objects, ok := members(values); ok {
				return structType(columnsOf(objects, depth-1))
			}
		}
	}
	return arrow.BinaryTypes.String
}

// numberType returns int64 if all are whole and fit, float64 if not all are whole.
func numberType(values [][]byte) arrow.DataType {
	exact := true // as float64
	broken := 0
	for _, v := range values {
		switch {
		case v == nil:
		case bytes.ContainsAny(v, ".eE"):
			if _, err := strconv.ParseFloat(string(v), 64); err != nil {
				return arrow.BinaryTypes.String
			}
			broken++
		default:
			n, err := strconv.ParseInt(string(v), 10, 64)
			if err != nil {
				return arrow.BinaryTypes.String
			}
			exact = exact && n == int64(float64(n)) && n != math.MaxInt64
		}
	}
	switch {
	case broken == 0:
		return arrow.PrimitiveTypes.Int64
	case exact:
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.BinaryTypes.String
}

// elementsOf returns the elements of all arrays; false if an array cannot be split.
func elementsOf(arrays [][]byte) (elements [][]byte, ok bool) {
	for _, a := range arrays {
		if a == nil {
			continue
		}
		list, err := record.ParseArray(a, "", len(a))
		if err != nil {
			return nil, false
		}
		elements = append(elements, list...)
	}
	for i, e := range elements {
		if string(e) == "null" {
			elements[i] = nil
		}
	}
	return elements, true
}

func structType(columns []*column) arrow.DataType {
	if len(columns) == 0 {
		return arrow.BinaryTypes.String
	}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field()
	}
	return arrow.StructOf(fields...)
}

// appendJSON appends a JSON value, nil for null, to a builder of a type that typeOf chose
// for it.
func appendJSON(to array.Builder, value []byte) {
	if value == nil || string(value) == "null" {
		to.AppendNull()
		return
	}
	switch b := to.(type) {
	case *array.BooleanBuilder:
		b.Append(value[0] == 't')
	case *array.Int64Builder:
		n, _ := strconv.ParseInt(string(value), 10, 64) // numberType has tried
		b.Append(n)
	case *array.Float64Builder:
		x, _ := strconv.ParseFloat(string(value), 64)
		b.Append(x)
	case *array.ListBuilder:
		b.Append(true)
		elements, _ := record.ParseArray(value, "", len(value))
		for _, e := range elements {
			appendJSON(b.ValueBuilder(), e)
		}
	case *array.StructBuilder:
		b.Append(true)
		object, _ := record.ParseObject(value, "")
		for i, f := range b.Type().(*arrow.StructType).Fields() {
			appendJSON(b.FieldBuilder(i), object.Get(f.Name))
		}
	case *array.StringBuilder:
		b.Append(stringOf(value))
	}
}

// stringOf returns what a JSON string holds; of another value, the JSON itself.
func stringOf(value []byte) string {
	var s string
	if value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return string(value)
	}
	return s
}
