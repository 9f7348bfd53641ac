package batching

import (
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/any-order/a3/core/seq"
)

func TestDocumentsRoundTrip(t *testing.T) {
	mem := checked(t)
	docs := testDocuments(5)
	docs[1].Text, docs[1].Provenance = []byte("Once\xff"), "Alice, public domain"
	docs[2].Tokens, docs[2].Text = nil, []byte{}
	docs[3].Tokens = []int32{}
	rec := NewDocuments(mem, docs)
	back, err := Documents(rec)
	if err != nil {
		t.Fatal(err)
	}
	slice := rec.NewSlice(2, 4)
	part, err := Documents(slice)
	if err != nil {
		t.Fatal(err)
	}
	slice.Release()
	rec.Release()
	if !reflect.DeepEqual(back, docs) {
		t.Errorf("%+v\nwant\n%+v", back, docs)
	}
	if !reflect.DeepEqual(part, docs[2:4]) {
		t.Errorf("slice: %+v\nwant\n%+v", part, docs[2:4])
	}

	rec = NewDocuments(mem, []Document{{ID: "x"}})
	defer rec.Release()
	if _, err := Documents(rec); err == nil || !strings.Contains(err.Error(), "both null") {
		t.Errorf("neither text nor tokens: %v", err)
	}
	if _, err := DecodeRows(rec); err == nil || !strings.Contains(err.Error(), `"documents", want "decode"`) {
		t.Errorf("documents read as decode batch: %v", err)
	}
}

func TestDecodeRoundTrip(t *testing.T) {
	mem := checked(t)
	c := seq.NewCanvas(testBOS, 10)
	c.AppendBlank(2)
	c.AppendKnown(11)
	rows := []DecodeRow{{Doc: 1 << 63, Canvas: c}, {Doc: 5, Canvas: seq.NewCanvas(testBOS)}}
	rec := NewDecodeBatch(mem, rows)
	if got := rec.Column(decodeGroup).String(); got != "[[0 0 (null) (null) 0] [0]]" {
		t.Errorf("group column is %s", got)
	}
	back, err := DecodeRows(rec)
	if err != nil {
		t.Fatal(err)
	}
	slice := rec.NewSlice(1, 2)
	part, err := DecodeRows(slice)
	if err != nil {
		t.Fatal(err)
	}
	slice.Release()
	rec.Release()
	if !reflect.DeepEqual(back, rows) {
		t.Errorf("%+v\nwant\n%+v", back, rows)
	}
	if !reflect.DeepEqual(part, rows[1:]) {
		t.Errorf("slice: %+v\nwant\n%+v", part, rows[1:])
	}
}

// decodeRecord builds a decode batch of one row by hand.
func decodeRecord(t *testing.T, schema *arrow.Schema, tokens []int32, group []int32) arrow.Record {
	t.Helper()
	b := array.NewRecordBuilder(checked(t), schema)
	defer b.Release()
	b.Field(decodeDoc).(*array.Uint64Builder).Append(1)
	appendInt32s(b.Field(decodeTokens), tokens)
	appendInt32s(b.Field(decodeGroup), group)
	rec := b.NewRecord()
	t.Cleanup(rec.Release)
	return rec
}

func TestDecodeErrors(t *testing.T) {
	remade := func(change func(meta map[string]string, fields []arrow.Field)) *arrow.Schema {
		s := DecodeSchema()
		meta := s.Metadata().ToMap()
		fields := append([]arrow.Field{}, s.Fields()...)
		change(meta, fields)
		m := arrow.MetadataFrom(meta)
		return arrow.NewSchema(fields, &m)
	}
	for want, rec := range map[string]arrow.Record{
		"2 tokens but 1 group ids":    decodeRecord(t, DecodeSchema(), []int32{1, 2}, []int32{0}),
		"position 1: group 3":         decodeRecord(t, DecodeSchema(), []int32{1, 2}, []int32{0, 3}),
		"no a3.schema":                decodeRecord(t, remade(func(m map[string]string, _ []arrow.Field) { delete(m, metaSchema) }), nil, nil),
		`version "3"; this program r`: decodeRecord(t, remade(func(m map[string]string, _ []arrow.Field) { m[metaVersion] = "3" }), nil, nil),
		"column 0 is":                 decodeRecord(t, remade(func(_ map[string]string, f []arrow.Field) { f[0].Name = "key" }), nil, nil),
	} {
		if _, err := DecodeRows(rec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}
