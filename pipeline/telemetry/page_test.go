package telemetry_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/any-order/a3/pipeline/telemetry"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/operations.md")

// The page's table of metrics is the catalog.
func TestPageHasEveryMetric(t *testing.T) {
	const page, head = "../../docs/operations.md", "| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, d := range telemetry.Catalog() {
		labels := ""
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, labels, d.Help)
	}
	before, rest, found := strings.Cut(string(text), head)
	if !found {
		t.Fatalf("%s has no table of metrics", page)
	}
	table, after, _ := strings.Cut(rest, "\n\n")
	if table += "\n"; table == want.String() {
		return
	}
	if !*update {
		t.Fatalf("%s has another table than the catalog; run this test with -update\n%s", page, want.String())
	}
	if err := os.WriteFile(page, []byte(before+head+want.String()+"\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
