package ipcguard

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// Bounds of a schema, far above what people write.
const (
	maxFields  = 4096    // columns, and those inside them
	maxName    = 1 << 10 // bytes of a column's name; names may overlap
	maxNesting = 16      // of lists and structs
	maxHeader  = 1 << 24 // bytes of the schema message
)

// ReadSchema reads the schema at the start of a stream. It knows numbers, booleans, text,
// bytes, and lists and structs of them; another type is an error that names the column.
// What a schema says beside names and types is left out.
func ReadSchema(r io.Reader) (schema *arrow.Schema, err error) {
	meta, err := readHeader(r)
	if err == io.EOF {
		return nil, fmt.Errorf("the stream has no schema")
	}
	if err != nil {
		return nil, err
	}
	if len(meta) > maxHeader {
		return nil, fmt.Errorf("the schema message has %d bytes; at most %d are read", len(meta), maxHeader)
	}
	defer func() { // offsets that lead out of the message
		if p := recover(); p != nil {
			schema, err = nil, fmt.Errorf("the schema message is damaged: %v", p)
		}
	}()
	message := root(meta)
	if got := message.byte(messageHeaderType); got != headerSchema {
		return nil, fmt.Errorf("the stream begins with a message of type %d, not with its schema", got)
	}
	s := message.table(messageHeader)
	if s.short(schemaEndianness) != 0 {
		return nil, fmt.Errorf("the stream is big-endian; write it on a little-endian machine")
	}
	left := maxFields
	fields, err := readFields(s, schemaFields, "", maxNesting, &left)
	if err != nil {
		return nil, err
	}
	return arrow.NewSchema(fields, nil), nil
}

// The tables of Arrow's format, Message.fbs and Schema.fbs: places of their fields, and
// values of their enumerations.
const (
	messageHeaderType, messageHeader = 1, 2
	headerSchema, headerRecordBatch  = 1, 3
	schemaEndianness, schemaFields   = 0, 1
	fieldName, fieldNullable         = 0, 1
	fieldTypeType, fieldType         = 2, 3
	fieldDictionary, fieldChildren   = 4, 5
	intBits, intSigned               = 0, 1
	floatPrecision                   = 0
	batchCompression                 = 3
)

// typeNames are the types by their numbers.
var typeNames = [...]string{"none", "null", "int", "float", "binary", "utf8", "bool", "decimal", "date", "time", "timestamp", "interval",
	"list", "struct", "union", "fixed_size_binary", "fixed_size_list", "map", "duration", "large_binary", "large_utf8", "large_list",
	"run_end_encoded", "binary_view", "utf8_view", "list_view", "large_list_view"}

// readFields reads the fields of a schema, or the children of a field. left is how many
// fields may yet come.
func readFields(t table, place int, path string, nesting int, left *int) ([]arrow.Field, error) {
	if nesting == 0 {
		return nil, fmt.Errorf("column %s is nested deeper than %d", path, maxNesting)
	}
	var fields []arrow.Field
	seen := map[string]bool{}
	for i := range t.vectorLen(place) {
		if *left--; *left < 0 {
			return nil, fmt.Errorf("more than %d columns", maxFields)
		}
		f := t.element(place, i)
		name, ok := f.string(fieldName, maxName)
		if !ok {
			return nil, fmt.Errorf("a column's name has more than %d bytes", maxName)
		}
		here := strings.TrimPrefix(path+"."+name, ".")
		if seen[name] {
			return nil, fmt.Errorf("column %s is there twice; rename or drop one", here)
		}
		seen[name] = true
		if f.has(fieldDictionary) {
			return nil, fmt.Errorf("column %s is dictionary-encoded; cast it to the type of its values", here)
		}
		children, err := readFields(f, fieldChildren, here, nesting-1, left)
		if err != nil {
			return nil, err
		}
		typ := dataType(f, children)
		if typ == nil {
			got := "of an unknown type"
			if n := int(f.byte(fieldTypeType)); n < len(typeNames) {
				got = "of type " + typeNames[n]
			}
			return nil, fmt.Errorf("column %s is %s, which is not read; cast it to text or a number, or drop it", here, got)
		}
		fields = append(fields, arrow.Field{Name: name, Type: typ, Nullable: f.byte(fieldNullable) != 0})
	}
	return fields, nil
}

// dataType returns the type of a field, nil for one that is not read.
func dataType(f table, children []arrow.Field) arrow.DataType {
	number := int(f.byte(fieldTypeType))
	if number >= len(typeNames) {
		return nil
	}
	switch typeNames[number] {
	case "null":
		return arrow.Null
	case "bool":
		return arrow.FixedWidthTypes.Boolean
	case "utf8":
		return arrow.BinaryTypes.String
	case "large_utf8":
		return arrow.BinaryTypes.LargeString
	case "binary":
		return arrow.BinaryTypes.Binary
	case "large_binary":
		return arrow.BinaryTypes.LargeBinary
	case "int":
		t := f.table(fieldType)
		return integer(t.int(intBits), t.byte(intSigned) != 0)
	case "float":
		switch f.table(fieldType).short(floatPrecision) {
		case 0:
			return arrow.FixedWidthTypes.Float16
		case 1:
			return arrow.PrimitiveTypes.Float32
		case 2:
			return arrow.PrimitiveTypes.Float64
		}
	case "list":
		if len(children) == 1 {
			return arrow.ListOfField(children[0])
		}
	case "large_list":
		if len(children) == 1 {
			return arrow.LargeListOfField(children[0])
		}
	case "struct":
		return arrow.StructOf(children...)
	}
	return nil
}

func integer(bits int32, signed bool) arrow.DataType {
	types := map[int32][2]arrow.DataType{
		8:  {arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int8},
		16: {arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Int16},
		32: {arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Int32},
		64: {arrow.PrimitiveTypes.Uint64, arrow.PrimitiveTypes.Int64},
	}
	if signed {
		return types[bits][1]
	}
	return types[bits][0]
}

// table is a table of a FlatBuffer. What leads out of the buffer panics.
type table struct {
	b  []byte
	at int
}

// root returns the table that a buffer begins with.
func root(b []byte) table { return table{b, int(binary.LittleEndian.Uint32(b))} }

// field returns where a field stands; 0 for one that has its default.
func (t table) field(place int) int {
	vtable := t.at - int(int32(binary.LittleEndian.Uint32(t.b[t.at:])))
	if entry := 4 + 2*place; entry+2 <= int(binary.LittleEndian.Uint16(t.b[vtable:])) {
		if offset := int(binary.LittleEndian.Uint16(t.b[vtable+entry:])); offset != 0 {
			return t.at + offset
		}
	}
	return 0
}

func (t table) has(place int) bool { return t.field(place) != 0 }

func (t table) byte(place int) byte {
	if at := t.field(place); at != 0 {
		return t.b[at]
	}
	return 0
}

func (t table) short(place int) int16 {
	if at := t.field(place); at != 0 {
		return int16(binary.LittleEndian.Uint16(t.b[at:]))
	}
	return 0
}

func (t table) int(place int) int32 {
	if at := t.field(place); at != 0 {
		return int32(binary.LittleEndian.Uint32(t.b[at:]))
	}
	return 0
}

// follow returns where the reference at a place leads.
func (t table) follow(at int) int { return at + int(binary.LittleEndian.Uint32(t.b[at:])) }

// table returns the table that a field refers to.
func (t table) table(place int) table {
	at := t.field(place)
	if at == 0 {
		panic(fmt.Sprintf("field %d is missing", place))
	}
	return table{t.b, t.follow(at)}
}

// string returns a copy of a text; false for one of more than limit bytes.
func (t table) string(place, limit int) (string, bool) {
	at := t.field(place)
	if at == 0 {
		return "", true
	}
	at = t.follow(at)
	n := int(binary.LittleEndian.Uint32(t.b[at:]))
	if n > limit {
		return "", false
	}
	return string(t.b[at+4:][:n]), true
}

// vectorLen returns how many elements a vector of tables claims to have.
func (t table) vectorLen(place int) int {
	at := t.field(place)
	if at == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(t.b[t.follow(at):]))
}

func (t table) element(place, i int) table {
	at := t.follow(t.field(place)) + 4 + 4*i
	return table{t.b, t.follow(at)}
}
