package record

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/any-order/a3/core/seq"
)

var testJob = Schema{Read: []string{"blanks"}, Write: []string{"stats"}}

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, in, id, text, rest string }{
		{"plain fields", `{"id":"a","text":"t"}`, `"id":"a"`, "t", ``},
		{"no id", `{"text":"t"}`, ``, "t", ``},
		{"null is absent", `{"id":null,"text":"t","text_b64":null}`, ``, "t", ``},
		{"numeric id as written", `{"id":1.50,"text":"t"}`, `"id":1.50`, "t", ``},
		{"escapes", `{"id":"\u00e9","text":"\u00e9\n\ud83d\ude00"}`, `"id":"\u00e9"`, "é\n😀", ``},
		{"raw bytes", `{"text_b64":"/wD+"}`, ``, "\xff\x00\xfe", ``},
		{"bytes beside text", `{"text":"` + "\uFFFD" + `a","bytes_b64":"/2E="}`, ``, "\xffa", ``},
		{"byte order mark", "\uFEFF {\"text\":\"t\"}\r\n", ``, "t", ``},
		{"rest keeps order and spelling", `{"z":1.0,"text":"t","a":{"b": [1, 2]},"\u0071":"\u00e9"}`, ``, "t", `"z":1.0,"a":{"b": [1, 2]},"\u0071":"\u00e9"`},
		{"rest on one line", "{\"text\":\"t\",\"a\":[1,\n2]}", ``, "t", `"a":[1, 2]`},
		{"output fields are dropped", `{"text":"t","stats":{"steps":1},"blanks":[]}`, ``, "t", ``},
		{"near a field that is there", `{"text":"t","txt":1,"blanks":[],"blank":2}`, ``, "t", `"txt":1,"blank":2`},
		{"near text, given otherwise", `{"text_b64":"YQ==","next":1}`, ``, "a", `"next":1`},
	} {
		r, err := Parse([]byte(c.in), testJob, DefaultOptions())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		id, rest := string(r.AppendID([]byte("{"))), string(r.AppendRest([]byte("{")))
		if id != "{"+c.id || string(r.Text) != c.text || rest != "{"+c.rest {
			t.Errorf("%s: got %s, text %q, rest %s", c.name, id, r.Text, rest)
		}
	}
}

func TestPlainRecordIsItsText(t *testing.T) {
	opts := DefaultOptions()
	opts.Plain = true
	for in, line := range map[string]string{
		"Once \"upon\"\t": `{"text":"Once \"upon\"\t"}`,
		"\xffa":           `{"text":"` + "\uFFFD" + `a","bytes_b64":"/2E="}`,
		"":                `{"text":""}`,
	} {
		r, err := Parse([]byte(in), testJob, opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Unchanged()); got != line || string(r.Text) != in {
			t.Errorf("%q: text %q, line %s", in, r.Text, got)
		}
	}
	opts.MaxText = 3
	if _, err := Parse([]byte("four"), testJob, opts); err == nil {
		t.Error("text over the limit passes")
	}
}

func TestUnchanged(t *testing.T) {
	r, err := Parse([]byte(" {\"text\": \"a\\nb\",\r\n \"x\": 1.0}\n"), testJob, DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(r.Unchanged()), "{\"text\": \"a\\nb\",   \"x\": 1.0}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStrict(t *testing.T) {
	opts := DefaultOptions()
	opts.Strict = true
	if _, err := Parse([]byte(`{"id":"a","text":"t","blanks":[]}`), testJob, opts); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"meta", "stats", "txt"} {
		_, err := Parse([]byte(`{"id":"a","text":"t","`+name+`":1}`), testJob, opts)
		if want := `record "a": field ` + name + `: unknown, and unknown fields are refused (strict); leave it out; known are id, text, text_b64, bytes_b64, blanks`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// The bad records of the jobs are in ../../testdata/bad.jsonl; these are the places
// that only records of several lines have.
func TestPlaceOfError(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "empty record; remove the empty line",
		" \n":                      "empty record; remove the empty line",
		"\n {\"é\":1,\n  é}":       "not valid JSON at byte 13 (line 3, column 3): invalid character 'Ã' looking for beginning of object key string",
		"\uFEFF{":                  "not valid JSON at byte 4 (line 1, column 3): unexpected end of JSON input",
		"{\"text\":\n\"a\xffb\"}":  "not valid UTF-8 at byte 11 (line 2, column 3): byte 0xFF; convert the file to UTF-8, or give raw bytes as \"text_b64\" (base64)",
		"{\"text\":\"a\nb\"}":      "not valid JSON at byte 10 (line 1, column 11): invalid character '\\n' in string literal",
		strings.Repeat("[", 10001): "not valid JSON at byte 10000 (line 1, column 10001): invalid character '[' exceeded max depth",
	} {
		_, err := Parse([]byte(in), testJob, DefaultOptions())
		if err == nil || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", in, err, want)
		}
	}
}

func TestKey(t *testing.T) {
	key := func(in string) uint64 {
		r, err := Parse([]byte(in), testJob, DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		return r.Key(r.Text)
	}
	if key(`{"id":"a","text":"t"}`) != seq.HashBytes([]byte("a")) {
		t.Error("the key of a record with an id is not that of the id")
	}
	if key(`{"text":"t","x":1}`) != seq.HashBytes([]byte("t")) {
		t.Error("the key of a record without id is not that of its content")
	}
	if key(`{"id":"\u0061","text":"u"}`) != key(`{"id":"a","text":"t"}`) {
		t.Error("the key depends on how the id is escaped")
	}
}

func TestAppendFloat(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0.000000", math.Copysign(0, -1): "0.000000", -1e-9: "0.000000", -1.25: "-1.250000",
		123456.7890123: "123456.789012", 1e14: "100000000000000.000000", 1e15: "1.000000e+15", math.MaxFloat64: "1.797693e+308",
	} {
		got := string(AppendFloat([]byte("{"), "x", x))
		if got != `{"x":`+want || !json.Valid([]byte(got+"}")) {
			t.Errorf("%v: got %s, want %s", x, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("NaN was written")
		}
	}()
	AppendFloat([]byte("{"), "x", math.NaN())
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","text":"t","meta":{"x":[1,2]}}`, `{"text_b64":"/w=="}`, `{"text":"x","bytes_b64":"eA=="}`,
		`{"id":7,"text":"\ud83d\ude00","stats":1}`, `{"id":"a"`, `[]`, "\uFEFF{}", `{"txt":""}`,
	} {
		f.Add([]byte(seed), false)
	}
	f.Add([]byte("plain \xff"), true)
	f.Fuzz(func(t *testing.T, raw []byte, plain bool) {
		opts := DefaultOptions()
		opts.Plain = plain
		r, err := Parse(raw, testJob, opts)
		if err != nil {
			if e, ok := err.(*Error); !ok || e.Reason == "" {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		// What is written reads back as the same record.
		line := AppendText(r.AppendID([]byte{'{'}), "text", "bytes_b64", r.Text)
		line = append(r.AppendRest(line), '}')
		again, err := Parse(line, testJob, DefaultOptions())
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if again.ID != r.ID || string(again.Text) != string(r.Text) || string(again.AppendRest([]byte{'{'})) != string(r.AppendRest([]byte{'{'})) {
			t.Fatalf("%q became %q", raw, line)
		}
	})
}
