package record

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestParseObjectKeepsMembersAsWritten(t *testing.T) {
	o, err := ParseObject([]byte("{ \"a\" : 1.50e+1 , \"b\\u0031\":[1, {\"]\": \"}\"}] ,\n\"c\":\"x\\\"y\",\"d\":{},\"e\":null }"), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ name, key, value string }{
		{"a", `"a"`, `1.50e+1`},
		{"b1", `"b\u0031"`, `[1, {"]": "}"}]`},
		{"c", `"c"`, `"x\"y"`},
		{"d", `"d"`, `{}`},
		{"e", `"e"`, `null`},
	}
	if len(o) != len(want) {
		t.Fatalf("got %d members, want %d", len(o), len(want))
	}
	for i, w := range want {
		if f := o[i]; f.Name != w.name || string(f.Key) != w.key || string(f.Value) != w.value {
			t.Errorf("member %d: got %s = %s: %s, want %s = %s: %s", i, f.Name, f.Key, f.Value, w.name, w.key, w.value)
		}
	}
	if got := o.Get("e"); got != nil {
		t.Errorf("null counts as given: %s", got)
	}
}

func TestDuplicateIsFoundBehindEscapes(t *testing.T) {
	_, err := ParseObject([]byte(`{"text":1,"te\u0078t":2}`), "blanks[3]")
	if err == nil || err.Error() != "field blanks[3].text: given twice; keep one" {
		t.Errorf("got %v", err)
	}
}

func TestParseArray(t *testing.T) {
	for in, want := range map[string][]string{
		`[]`:                       nil,
		`[ 1 ,"a,]", [2,[3]] ,{}]`: {`1`, `"a,]"`, `[2,[3]]`, `{}`},
	} {
		got, err := ParseArray([]byte(in), "x", 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %q, want %q", in, got, want)
		}
		for i := range want {
			if string(got[i]) != want[i] {
				t.Errorf("%s: got %q, want %q", in, got, want)
			}
		}
	}
}

// FuzzObject takes objects apart and puts them together again; encoding/json must
// see no difference.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{ "a" : [ 1 , "x" ] , "b" : { "c" : null } }`, `{"\"":"\\","\\":"\""}`,
		`{"a":-1.5e-7,"b":true,"c":false}`, "{\"a\":[\n1\r\n,2]}", `{"é":"\u00e9","a":[[],[{}]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.Trim(raw, " \t\r\n")
		if !json.Valid(raw) || raw[0] != '{' {
			return
		}
		o, err := ParseObject(raw, "")
		if err != nil {
			return // a duplicate, which encoding/json lets pass
		}
		line := append(AppendFields([]byte{'{'}, o), '}')
		if bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("line break in %q", line)
		}
		var before, after any
		decode(t, raw, &before)
		decode(t, line, &after)
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", raw, line)
		}
		if len(o) != len(before.(map[string]any)) {
			t.Fatalf("%q: %d members, want %d", raw, len(o), len(before.(map[string]any)))
		}
	})
}

func decode(t *testing.T, raw []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("decode %q: %v", raw, err)
	}
}
