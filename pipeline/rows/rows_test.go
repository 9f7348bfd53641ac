package rows

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/float16"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// stream writes batches as a producer would.
func stream(t testing.TB, recs []arrow.Record, opts ...ipc.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(opts, ipc.WithSchema(recs[0].Schema()))...)
	for _, rec := range recs {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// batch builds one batch; fill appends the rows.
func batch(fields []arrow.Field, fill func(b *array.RecordBuilder)) arrow.Record {
	b := array.NewRecordBuilder(memory.NewGoAllocator(), arrow.NewSchema(fields, nil))
	defer b.Release()
	fill(b)
	return b.NewRecord()
}

func split(t *testing.T, value []byte) []string {
	t.Helper()
	rows, err := Split(value, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		if r.Err != nil {
			out = append(out, "error: "+r.Err.Error())
		} else {
			out = append(out, string(r.JSON))
		}
	}
	return out
}

func wantRows(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func text(b *array.RecordBuilder, column int, values ...string) {
	b.Field(column).(*array.StringBuilder).AppendValues(values, nil)
}

func TestSplitSimple(t *testing.T) {
	fields := []arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}, {Name: "text", Type: arrow.BinaryTypes.String}}
	first := batch(fields, func(b *array.RecordBuilder) {
		text(b, 0, "a", "b")
		text(b, 1, "Once {{blank:2}}.", "line\nbreak <&> \u2028")
	})
	second := batch(fields, func(b *array.RecordBuilder) { text(b, 0, "c"); text(b, 1, "") })
	wantRows(t, split(t, stream(t, []arrow.Record{first, second})),
		`{"id":"a","text":"Once {{blank:2}}."}`,
		`{"id":"b","text":"line\nbreak <&> \u2028"}`,
		`{"id":"c","text":""}`)
}

// Each type that is read, with nulls.
func TestSplitTypes(t *testing.T) {
	list := arrow.ListOf(arrow.PrimitiveTypes.Int32)
	object := arrow.StructOf(arrow.Field{Name: "start", Type: arrow.PrimitiveTypes.Uint8}, arrow.Field{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true})
	types := []arrow.DataType{
		arrow.Null, arrow.FixedWidthTypes.Boolean,
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
		arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary,
		list, arrow.LargeListOf(arrow.BinaryTypes.String), object, arrow.ListOf(object),
	}
	rec := batch(fieldsOf(types), func(b *array.RecordBuilder) {
		values := []string{"null", "true", "-8", "-16", "-32", "-9223372036854775808", "8", "16", "32", "18446744073709551615",
			"1.5", "0.1", "1e-9", `"x"`, `"y"`, `"/w=="`, `"AA=="`, "[1, null, 3]", `["a", "b"]`, `{"start": 3, "name": null}`, `[{"start": 3, "name": "n"}]`}
		for i, v := range values {
			if h, ok := b.Field(i).(*array.Float16Builder); ok {
				h.Append(float16.New(1.5))
			} else if i == 0 {
				b.Field(i).AppendNull()
			} else if err := b.Field(i).AppendValueFromString(strings.Trim(v, `"`)); err != nil {
				t.Fatal(i, err)
			}
			b.Field(i).AppendNull()
		}
	})
	wantRows(t, split(t, stream(t, []arrow.Record{rec})),
		`{"a":null,"b":true,"c":-8,"d":-16,"e":-32,"f":-9223372036854775808,"g":8,"h":16,"i":32,"j":18446744073709551615,`+
			`"k":1.5,"l":0.1,"m":1e-09,"n":"x","o":"y","p":"/w==","q":"AA==","r":[1,null,3],"s":["a","b"],"t":{"start":3,"name":null},"u":[{"start":3,"name":"n"}]}`,
		`{"a":null,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null,"h":null,"i":null,"j":null,"k":null,"l":null,"m":null,`+
			`"n":null,"o":null,"p":null,"q":null,"r":null,"s":null,"t":null,"u":null}`)
}

func fieldsOf(types []arrow.DataType) []arrow.Field {
	out := make([]arrow.Field, len(types))
	for i, t := range types {
		out[i] = arrow.Field{Name: string(rune('a' + i)), Type: t, Nullable: true}
	}
	return out
}

// A row that JSON cannot hold fails alone; text may be any bytes; NaN is null.
func TestSplitBadRow(t *testing.T) {
	fields := []arrow.Field{{Name: "text", Type: arrow.BinaryTypes.Binary}, {Name: "score", Type: arrow.PrimitiveTypes.Float64}, {Name: "label", Type: arrow.BinaryTypes.String}}
	inf := math.Inf(1)
	rec := batch(fields, func(b *array.RecordBuilder) {
		b.Field(0).(*array.BinaryBuilder).AppendValues([][]byte{[]byte("fine"), {0xff, 'x'}, []byte("c"), []byte("d")}, nil)
		b.Field(1).(*array.Float64Builder).AppendValues([]float64{2, math.NaN(), inf, 1}, nil)
		text(b, 2, "a", "b", "c", "\xff")
	})
	wantRows(t, split(t, stream(t, []arrow.Record{rec})),
		`{"text":"fine","score":2.0,"label":"a"}`,
		`{"text_b64":"/3g=","score":null,"label":"b"}`,
		`error: column score: infinite, and JSON has no such number; write null`,
		`error: column label: not valid UTF-8; write the column as binary`)
}

// What is refused as a whole says why, and what to do.
func TestSplitRefuses(t *testing.T) {
	words := []arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}
	good := batch(words, func(b *array.RecordBuilder) { text(b, 0, strings.Repeat("word ", 100), "b", "c") })
	plain := stream(t, []arrow.Record{good})
	of := func(types ...arrow.Field) []byte {
		return stream(t, []arrow.Record{batch(types, func(*array.RecordBuilder) {})})
	}
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	for _, c := range []struct {
		value []byte
		want  string
	}{
		{nil, "no end marker"},
		{[]byte(`{"text":"json"}`), "no message where one should start"},
		{plain[:len(plain)-8], "no end marker"},
		{plain[:len(plain)/2], "message"},
		{stream(t, []arrow.Record{good}, ipc.WithZstd()), "compressed; write it without"},
		{stream(t, []arrow.Record{array.NewRecord(arrow.NewSchema(nil, nil), nil, 3)}), "rows without columns"},
		{of(words[0], words[0]), "column text is there twice"},
		{of(arrow.Field{Name: "kind", Type: dictionary}), "column kind is dictionary-encoded; cast it"},
		{of(arrow.Field{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_s}), "column at is of type timestamp, which is not read; cast it to text or a number, or drop it"},
		{of(arrow.Field{Name: "m", Type: arrow.StructOf(arrow.Field{Name: "d", Type: arrow.FixedWidthTypes.Date32})}), "column m.d is of type date"},
		{of(arrow.Field{Name: "m", Type: deep(20)}), "nested deeper than 16"},
	} {
		_, err := Split(c.value, DefaultLimits())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "not an Arrow IPC stream of documents") {
			t.Errorf("got %v, want ...%s...", err, c.want)
		}
	}
	for _, empty := range [][]byte{of(), of(words...)} {
		if rows, err := Split(empty, DefaultLimits()); err != nil || len(rows) != 0 {
			t.Errorf("a stream without rows: %v, %v", rows, err)
		}
	}
	if _, err := Split(plain, Limits{Rows: 2, Bytes: 1 << 20}); err == nil || !strings.Contains(err.Error(), "more than 2 rows") {
		t.Errorf("three rows of at most two: %v", err)
	}
	if _, err := Split(plain, Limits{Rows: 10, Bytes: 50}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("500 bytes of at most 50: %v", err)
	}
}

func deep(n int) arrow.DataType {
	if n == 0 {
		return arrow.PrimitiveTypes.Int8
	}
	return arrow.ListOf(deep(n - 1))
}

// Lists may overlap: a stream of some kilobytes tells of gigabytes, and is cut short.
func TestSplitOverlappingLists(t *testing.T) {
	const n = 4000
	inner := array.NewStringBuilder(memory.NewGoAllocator())
	for range n {
		inner.Append("w")
	}
	offsets := make([]int32, 2*n+1)
	for i := range n {
		offsets[2*i+1] = n // each second list is all there is; those between have bounds out of order
	}
	values := inner.NewArray()
	data := array.NewData(arrow.ListOf(arrow.BinaryTypes.String), 2*n-1, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))},
		[]arrow.ArrayData{values.Data()}, 0, 0)
	list := array.MakeFromData(data)
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "l", Type: list.DataType()}}, nil), []arrow.Array{list}, 2*n-1)
	rows, err := Split(stream(t, []arrow.Record{rec}), Limits{Rows: 1 << 20, Bytes: 1 << 16})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%d rows, error %v", len(rows), err)
	}
}

// What Join writes, Split reads: results come back as they were.
func TestJoin(t *testing.T) {
	objects := []string{
		`{"id":"a","text":"One.","blanks":[{"start":0,"tokens":2,"logprob":-0.500000,"order":[0,1]}],"ok":true,"n":1}`,
		`{"id":"b","text":"Zwei \u00e9","blanks":[],"ok":null,"n":2,"extra":{"x":[1,2.5],"y":{}}}`,
		`{"text":"c","blanks":[{"start":1,"tokens":1,"logprob":-2.000000,"order":[0]},{"start":2,"tokens":1,"logprob":0.000000,"order":[1]}],"mixed":[1,"a",{"b":2}]}`,
	}
	var in [][]byte
	for _, o := range objects {
		in = append(in, []byte(o))
	}
	value, err := Join(in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Join(in)
	if err != nil || !bytes.Equal(value, again) {
		t.Errorf("equal results have other bytes (%v)", err)
	}
	wantRows(t, split(t, value),
		`{"id":"a","text":"One.","blanks":[{"start":0,"tokens":2,"logprob":-0.5,"order":[0,1]}],"ok":true,"n":1,"extra":null,"mixed":null}`,
		`{"id":"b","text":"Zwei é","blanks":[],"ok":null,"n":2,"extra":{"x":[1.0,2.5],"y":"{}"},"mixed":null}`,
		`{"id":null,"text":"c","blanks":[{"start":1,"tokens":1,"logprob":-2.0,"order":[0]},{"start":2,"tokens":1,"logprob":0.0,"order":[1]}],"ok":null,"n":null,"extra":null,"mixed":["1","a","{\"b\":2}"]}`)
	for _, bad := range []string{`[1]`, `{"a":1,"a":2}`, `{`} {
		if _, err := Join([][]byte{[]byte(bad)}); err == nil {
			t.Errorf("%s is taken for an object", bad)
		}
	}
}

// testdata/produced.arrows was written by testdata/produce.py.
func TestSplitPyarrow(t *testing.T) {
	value, err := os.ReadFile("testdata/produced.arrows")
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, split(t, value),
		`{"id":"a","text":"Once {{blank:4}} there was a {{blank}}.","blanks":null,"source":"made up","weight":0.5}`,
		`{"id":"b","text":"Once upon a time.","blanks":[{"start":5,"end":9,"tokens":4}],"source":null,"weight":null}`)
}

// FuzzSplit: no input panics or takes memory beyond the limits, and rows are JSON objects.
func FuzzSplit(f *testing.F) {
	seeds := [][]string{{`{"id":"a","text":"One {{blank}}."}`, `{"text":"two","n":1.5}`}, {`{"a":[[1],[2,3]],"b":{"c":true}}`}}
	for _, seed := range seeds {
		var in [][]byte
		for _, s := range seed {
			in = append(in, []byte(s))
		}
		value, err := Join(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
		for _, at := range []int{4, 16, 40, 100, len(value) / 2, len(value) - 20} {
			broken := bytes.Clone(value)
			broken[at] ^= 0x41
			f.Add(broken)
		}
	}
	if value, err := os.ReadFile("testdata/produced.arrows"); err == nil {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		rows, err := Split(value, Limits{Rows: 1000, Bytes: 1 << 20})
		if err != nil {
			return
		}
		var good [][]byte
		for _, r := range rows {
			if r.Err == nil {
				good = append(good, r.JSON)
			}
		}
		if len(good) == 0 {
			return
		}
		if _, err := Join(good); err != nil {
			t.Fatalf("rows that are no objects: %v", err)
		}
	})
}
