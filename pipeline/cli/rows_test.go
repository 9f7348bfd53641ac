package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/cli"
	"github.com/any-order/a3/pipeline/rows"
)

// Documents that arrive as rows of records, in two topics, become what they become from a
// file; results may be rows of records too. One bad row leaves the others alone.
func TestRowsFromKafka(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	var docs []string
	for i := range 24 {
		docs = append(docs, fmt.Sprintf(`{"id":"doc %d","text":"The {{blank:2}} of day %d.","source":"made up"}`, i, i))
	}
	flags := []string{"infill", "--model", model, "--in-process", "--temperature", "0.8", "--seed", "3"}
	want := lines(succeed(t, append(flags, "--quiet", writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs)))...))
	slices.Sort(want)

	b := newBroker(t)
	sources := []string{b.topic(t, 2), b.topic(t, 1)}
	var last []byte
	for i := range 4 { // each of six documents
		var objects [][]byte
		for _, doc := range docs[6*i : 6*i+6] {
			objects = append(objects, []byte(doc))
		}
		if i == 3 {
			objects = slices.Insert(objects, 2, []byte(`{"id":"bad","text":"no blank","source":""}`))
		}
		value, err := rows.Join(objects)
		if err != nil {
			t.Fatal(err)
		}
		b.put(t, sources[i%2], &kgo.Record{Value: value})
		last = value
	}
	for _, format := range []string{"json", "arrow"} {
		sink, dead := b.topic(t, 1), b.topic(t, 1)
		r := run(t, nil, append(flags, "--exactly-once", b.address(sources[0])+","+sources[1]+"?group="+format+"&until=end&format=arrow",
			"-o", b.address(sink)+"?format="+format, "--dead-letters", b.address(dead))...)
		if r.code != cli.ExitFailed || !strings.Contains(r.stderr, "25 records, 1 failed") {
			t.Fatalf("exit code %d\n%s", r.code, r.stderr)
		}
		var got []string
		if format == "json" {
			for _, rec := range b.consume(t, sink, 24) {
				got = append(got, string(rec.Value))
			}
		} else {
			for _, rec := range b.consume(t, sink, 4) {
				list, err := rows.Split(rec.Value, rows.DefaultLimits())
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range list {
					got = append(got, string(row.JSON))
				}
			}
		}
		slices.Sort(got)
		if format == "json" && !slices.Equal(got, want) {
			t.Errorf("other records from rows:\n%s", firstDifference(want, got))
		}
		if got, want := texts(t, got), texts(t, want); !slices.Equal(got, want) {
			t.Errorf("%s: other texts:\n%s", format, firstDifference(want, got))
		}
		letter := b.consume(t, dead, 1)[0]
		if i := slices.IndexFunc(letter.Headers, func(h kgo.RecordHeader) bool { return h.Key == pipeline.HeaderRows }); i < 0 || string(letter.Headers[i].Value) != "3" || string(letter.Value) != string(last) {
			t.Errorf("dead letter with headers %q", letter.Headers)
		}
	}
}

// texts returns id and text of records, sorted.
func texts(t *testing.T, records []string) []string {
	t.Helper()
	var out []string
	for _, r := range records {
		var doc struct{ ID, Text string }
		if err := json.Unmarshal([]byte(r), &doc); err != nil {
			t.Fatal(err)
		}
		out = append(out, doc.ID+": "+doc.Text)
	}
	slices.Sort(out)
	return out
}
