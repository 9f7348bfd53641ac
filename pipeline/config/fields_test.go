package config

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const page = "../../docs/configuration.md"

var update = flag.Bool("update", false, "write the fields' types and defaults into docs/configuration.md")

// fieldRow is a row of the page's tables: field, type, default, meaning.
var fieldRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_.\\[\\]]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\|$")

func row(f Field, meaning string) string {
	value := ""
	if f.Default != "" {
		value = "`" + f.Default + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", f.Path, f.Type, value, meaning)
}

// The page has a row for each field, with its type and default, in the order of the
// structs, and no other rows.
func TestPageHasEveryField(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rows := fieldRow.FindAllStringSubmatch(string(text), -1)
	if *update {
		meanings := map[string]string{}
		for _, r := range rows {
			meanings[r[1]] = r[4]
		}
		out := string(text)
		for _, f := range Fields() {
			old := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(f.Path) + "` \\|.*$")
			out = old.ReplaceAllLiteralString(out, row(f, meanings[f.Path]))
		}
		if err := os.WriteFile(page, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	fields := Fields()
	for i := range max(len(fields), len(rows)) {
		switch {
		case i >= len(rows):
			t.Fatalf("%s lacks %s", page, fields[i].Path)
		case i >= len(fields):
			t.Fatalf("%s has %s, which is no field", page, rows[i][1])
		case rows[i][0] != row(fields[i], rows[i][4]):
			t.Fatalf("%s has\n%s\nwant\n%s\nadd or remove the row, then run this test with -update", page, rows[i][0], row(fields[i], rows[i][4]))
		case strings.TrimSpace(rows[i][4]) == "":
			t.Errorf("%s does not say what %s means", page, fields[i].Path)
		}
	}
}

// Each field of the page can be set.
func TestEveryFieldCanBeSet(t *testing.T) {
	for _, f := range Fields() {
		if f.Type == "as output" {
			continue
		}
		// A value of the wrong kind is refused where it stands: so the field is known there.
		text := "{x: {y: z}}"
		for _, name := range slices.Backward(strings.Split(f.Path, ".")) {
			if list, ok := strings.CutSuffix(name, "[]"); ok {
				name, text = list, "["+text+"]"
			}
			text = "{" + name + ": " + text + "}"
		}
		_, err := Load(Source{File: "f", Text: []byte(text), Lookup: vars(nil)})
		want := strings.ReplaceAll(f.Path, "[]", "[0]")
		if f.Type == "mapping of text" {
			want += ".x"
		}
		if want += ": want "; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
}
