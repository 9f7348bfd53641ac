package cli_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/pipeline/infill"
)

// Guarantee 5: outside the blanks, each byte of the examples comes back, whatever the
// strategy and the model.
func TestGivenTextIsUntouched(t *testing.T) {
	for _, example := range []struct {
		path, format string
	}{{"../examples/stories.jsonl", "jsonl"}, {"../examples/stories.txt", "text-lines"}} {
		input, err := os.ReadFile(filepath.FromSlash(example.path))
		if err != nil {
			t.Fatal(err)
		}
		given := bytes.Split(bytes.TrimSuffix(input, []byte("\n")), []byte("\n"))
		for _, model := range []string{"", tinyModel(t)} {
			for _, strategy := range builtin.List() {
				for _, temperature := range []string{"0", "1.5"} {
					out := lines(succeed(t, "infill", "--quiet", "--in-process", "--model", model, "--strategy", strategy.Info.Name,
						"--temperature", temperature, "--format", example.format, example.path))
					if len(out) != len(given) {
						t.Fatalf("%s: %d records of %d came back", example.path, len(out), len(given))
					}
					for i := range out {
						checkGiven(t, given[i], example.format != "jsonl", out[i])
					}
				}
			}
		}
	}
}

// checkGiven compares what stands outside the blanks of an input and an output record.
func checkGiven(t *testing.T, in []byte, plain bool, out string) {
	t.Helper()
	o := infill.DefaultOptions()
	o.Plain = plain
	doc, err := infill.Parse(in, o)
	if err != nil {
		t.Fatal(err)
	}
	var filled struct {
		Text   string
		Base64 string `json:"bytes_b64"`
		Blanks []struct{ Start, End int }
	}
	if err := json.Unmarshal([]byte(out), &filled); err != nil {
		t.Fatal(err)
	}
	result := []byte(filled.Text)
	if filled.Base64 != "" {
		if result, err = base64.StdEncoding.DecodeString(filled.Base64); err != nil {
			t.Fatal(err)
		}
	}
	if len(filled.Blanks) != len(doc.Blanks) {
		t.Fatalf("%d blanks of %d in %s", len(filled.Blanks), len(doc.Blanks), out)
	}
	want, got := 0, 0
	for i, b := range filled.Blanks {
		a := doc.Blanks[i]
		if !bytes.Equal(doc.Text[want:a.Start], result[got:b.Start]) {
			t.Errorf("before blank %d stands %q, given was %q", i, result[got:b.Start], doc.Text[want:a.Start])
		}
		want, got = a.End, b.End
	}
	if !bytes.Equal(doc.Text[want:], result[got:]) {
		t.Errorf("at the end stands %q, given was %q", result[got:], doc.Text[want:])
	}
}
