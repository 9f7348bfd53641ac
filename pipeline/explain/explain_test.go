package explain

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/any-order/a3/pipeline/infill/record"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// parse returns a record with nothing but an id and a text.
func parse(t testing.TB, id, text string) *record.Record {
	t.Helper()
	line, err := json.Marshal(map[string]string{"id": id, "text": text})
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Parse(line, record.Schema{}, record.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// examples are a document with all kinds of events, and one that is hostile.
func examples(t testing.TB) []*Document {
	log := math.Log
	return []*Document{
		{
			Record: parse(t, "tom", "Tom and his ... walked."), Origin: "in.jsonl:1", Steps: 4, ModelCalls: 5,
			Parts: []Part{{Given: []byte("Tom and his ")}, {Final: [][]byte{[]byte("dog"), []byte(" Rex")}}, {Given: []byte(" walked.")}},
			Events: []Event{
				{Kind: Accept, Step: 0, Group: 0, ID: 5, Text: []byte("cat"), LogProb: log(0.5)},
				{Kind: Refuse, Step: 0, Group: -1, Token: 1, ID: 6, Text: []byte(" Tim"), Dropped: 2},
				{Kind: Commit, Step: 0, Group: 1, Token: 1, ID: 7, Text: []byte(" Rex"), LogProb: log(0.25)},
				{Kind: Check, Step: 1, Group: -1, ID: 5, Text: []byte("cat"), LogProb: log(0.03)},
				{Kind: Reopen, Step: 2, Group: -1, ID: 5, Text: []byte("cat")},
				{Kind: Commit, Step: 3, Group: 1, ID: 8, Text: []byte("dog"), LogProb: log(0.9)},
			},
		},
		hostile(t, "</script><script>alert(1)</script> \"'><img src=x onerror=alert(2)> {{.Name}} &lt; <!-- ]]> \x1b[2J \u202e \x00 \xff \r\n javascript:alert(3)"),
	}
}

// hostile returns a document that has a text wherever text may be.
func hostile(t testing.TB, text string) *Document {
	r, err := record.Parse([]byte(text+"x"), record.Schema{}, record.Options{Plain: true, MaxText: 1 << 20})
	if err != nil {
		r = parse(t, "", "x")
	}
	return &Document{
		Record: r, Origin: text, Steps: 1, ModelCalls: 1,
		Parts:  []Part{{Given: []byte(text)}, {Final: [][]byte{[]byte(text)}}, {Given: []byte(text)}},
		Events: []Event{{Kind: Commit, Group: 0, Text: []byte(text), LogProb: -1}},
	}
}

// The three forms, byte for byte.
func TestForms(t *testing.T) {
	for _, form := range []Form{Text, JSON, HTML} {
		w := NewWriter(form)
		got := w.Head()
		for _, d := range examples(t) {
			got = append(got, w.Document(d)...)
		}
		got = append(got, w.Tail()...)
		file := filepath.Join("testdata", string(form)+".golden")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s\nwant\n%s\n(-update writes it)", form, got, want)
		}
	}
}

func TestParseForm(t *testing.T) {
	for _, form := range []Form{Text, JSON, HTML} {
		if got, err := ParseForm(string(form)); got != form || err != nil {
			t.Errorf("%s: %q, %v", form, got, err)
		}
	}
	if _, err := ParseForm("xml"); err == nil || !strings.Contains(err.Error(), "text, json or html") {
		t.Error(err)
	}
}

// elements returns the elements of a section with the names of their attributes, and the
// texts of those of a class.
func elements(t *testing.T, section []byte, class string) (names []string, texts []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(section))
	inside := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names, texts
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, section)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if inside > 0 {
				inside++
			}
			for _, a := range e.Attr {
				name += " " + a.Name.Local
				if a.Name.Local == "class" && a.Value == class {
					inside, texts = 1, append(texts, "")
				}
			}
			names = append(names, name)
		case xml.EndElement:
			inside = max(inside-1, 0)
		case xml.CharData:
			if inside > 0 {
				texts[len(texts)-1] += string(e)
			}
		default:
			t.Fatalf("%T in\n%s", token, section)
		}
	}
}

// hold holds every form of a hostile document to its structure.
func hold(t *testing.T, text string) {
	t.Helper()
	d := hostile(t, text)
	plain, _ := elements(t, NewWriter(HTML).Document(hostile(t, "plain")), "")
	section := NewWriter(HTML).Document(d)
	got, texts := elements(t, section, "token")
	if !slices.Equal(got, plain) {
		t.Fatalf("%q gives the elements\n%v\nwant\n%v", text, got, plain)
	}
	if want := shown([]byte(text)); len(texts) != 1 || texts[0] != want {
		t.Fatalf("the token shows as %q, want %q", texts, want)
	}
	line := NewWriter(JSON).Document(d)
	if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
		t.Fatalf("not a line of JSON: %q", line)
	}
	table := string(NewWriter(Text).Document(d))
	if strings.Count(table, "\n") != 4 || strings.ContainsFunc(table, func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }) {
		t.Fatalf("the text is %q", table)
	}
}

// Nothing that stands in a document becomes markup, a script or a command to a terminal.
func TestHostileText(t *testing.T) {
	for _, text := range []string{
		"</script><script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "' onmouseover='alert(1)", "<!--", "]]>", "{{.}}",
		"</section></main>", "</bdi></p><table>", "&amp;&#60;script&#62;", "\x1b[2J\x1b]0;title\x07", "\u2028\u2029\u202e", "\xff\x00\r", "",
	} {
		hold(t, text)
	}
}

func FuzzHostileText(f *testing.F) {
	f.Add("</p><script>")
	f.Add("\xc3\x28\x00\ufffe\"'&")
	f.Fuzz(func(t *testing.T, text string) { hold(t, text) })
}

// The page needs nothing but itself, and lets nothing but its own script run.
func TestPageIsSelfContained(t *testing.T) {
	w := NewWriter(HTML)
	page := string(w.Head()) + string(w.Tail())
	for _, outside := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "innerHTML", "fetch(", "eval("} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
	policy := fmt.Sprintf("default-src 'none'; style-src %s; script-src %s;", digest(between(t, page, "<style>", "</style>")), digest(between(t, page, "<script>", "</script>")))
	if !strings.Contains(page, policy) {
		t.Errorf("the page's policy is not %s", policy)
	}
	if strings.Count(page, "<script") != 1 || !strings.Contains(page, "prefers-color-scheme: dark") {
		t.Error("want one script and both colour schemes")
	}
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, text, ok := strings.Cut(text, from)
	text, _, closed := strings.Cut(text, to)
	if !ok || !closed {
		t.Fatalf("no %s...%s", from, to)
	}
	return text
}
