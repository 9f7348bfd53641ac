package ipcguard

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// everyType is a schema of all that ReadSchema knows.
func everyType() *arrow.Schema {
	inner := arrow.StructOf(
		arrow.Field{Name: "start", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		arrow.Field{Name: "names", Type: arrow.ListOf(arrow.BinaryTypes.String)},
	)
	types := []arrow.DataType{
		arrow.Null, arrow.FixedWidthTypes.Boolean, arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary,
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
		inner, arrow.ListOf(inner), arrow.LargeListOf(arrow.PrimitiveTypes.Float64),
	}
	fields := make([]arrow.Field, len(types))
	for i, typ := range types {
		fields[i] = arrow.Field{Name: "column " + string(rune('a'+i)), Type: typ, Nullable: i%2 == 0}
	}
	return arrow.NewSchema(fields, nil)
}

// written is a stream of one batch of so many rows of nulls.
func written(t testing.TB, schema *arrow.Schema, rows int) []byte {
	t.Helper()
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	defer b.Release()
	for i := range schema.NumFields() {
		for range rows {
			b.Field(i).AppendNull()
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What ReadSchema says is what Arrow's own reader says.
func TestReadSchema(t *testing.T) {
	want := everyType()
	value := written(t, want, 3)
	got, err := ReadSchema(bytes.NewReader(value))
	if err != nil || !got.Equal(want) {
		t.Fatalf("schema %v, %v\nwant %v", got, err, want)
	}
	reader, err := NewReader(bytes.NewReader(value), got, NewLedger(memory.NewGoAllocator()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	if !reader.Next() || reader.Record().NumRows() != 3 || reader.Next() || reader.Err() != nil {
		t.Errorf("the batch of three rows: %v", reader.Err())
	}
}

// A few bytes that claim a billion columns, or a billion bytes, are refused for what they
// are; nothing is allocated by what they claim.
func TestClaims(t *testing.T) {
	value := written(t, arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil), 1)
	length := int(binary.LittleEndian.Uint32(value[4:]))
	for at := 8; at+4 <= 8+length; at += 4 {
		broken := bytes.Clone(value)
		binary.LittleEndian.PutUint32(broken[at:], 1<<30)
		if allocated := testing.AllocsPerRun(1, func() { _, _ = ReadSchema(bytes.NewReader(broken)) }); allocated > 3*maxFields {
			t.Errorf("a claim at byte %d takes %v allocations", at, allocated)
		}
	}
	binary.LittleEndian.PutUint32(value[4:], 1<<30)
	if _, err := ReadSchema(bytes.NewReader(value)); err == nil || !strings.Contains(err.Error(), "of 1073741824 bytes") {
		t.Errorf("a header of a gigabyte: %v", err)
	}
	if _, err := ReadSchema(bytes.NewReader([]byte{255, 255, 255, 255, 0, 0, 0, 0})); err == nil || err == io.EOF {
		t.Errorf("a stream that ends at once: %v", err)
	}
}

// FuzzReadSchema: no input panics, and what is read is a schema that Arrow writes.
func FuzzReadSchema(f *testing.F) {
	for _, schema := range []*arrow.Schema{everyType(), arrow.NewSchema(nil, nil)} {
		value := written(f, schema, 1)
		f.Add(value)
		for _, at := range []int{8, 12, 20, 40, 60} {
			broken := bytes.Clone(value)
			broken[at%len(broken)] ^= 0x15
			f.Add(broken)
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		schema, err := ReadSchema(bytes.NewReader(value))
		if err != nil {
			return
		}
		again, err := ReadSchema(bytes.NewReader(written(t, schema, 0)))
		if err != nil || !again.Equal(schema) {
			t.Fatalf("read %v\nagain %v, %v", schema, again, err)
		}
	})
}
