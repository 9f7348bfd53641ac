package cli_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/pipeline/cli"
)

// Guarantee 1, same bytes: a document's output depends on model, document, strategy,
// parameters and seed, and on nothing else.
func TestSameBytes(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(24)
	in := writeFile(t, filepath.Join(dir, "in.jsonl"), text(docs))
	packed := writeFile(t, filepath.Join(dir, "in.jsonl.gz"), gzipped(t, text(docs)))
	halves := []string{
		writeFile(t, filepath.Join(dir, "half-1.jsonl"), text(docs[:9])),
		writeFile(t, filepath.Join(dir, "half-2.jsonl"), strings.Join(docs[9:], "\r\n")), // no line break at the end
	}
	seen := map[string]string{}
	for _, strategy := range []string{"ar", "random:size=2", "groups:size=3,order=both-sided", "confidence:size=2", "entropy:bound=7", "margin:size=3", "blockwise:size=3,inner=random:size=2", "speculative:draft=3", "revise:threshold=0.02,back=0.9,most=3"} {
		for _, sampling := range []string{"", "--temperature 0.8 --seed 5", "--temperature 0.8 --seed 6"} {
			base := append([]string{"infill", "--quiet", "--model", model, "--strategy", strategy}, strings.Fields(sampling)...)
			want := lines(succeed(t, append(base, "--in-process", "--threads", "1", in)...))
			if len(want) != len(docs) {
				t.Fatalf("%d records of %d came back", len(want), len(docs))
			}
			for _, variant := range []struct {
				name  string
				args  []string
				stdin string
			}{
				{name: "again", args: []string{"--in-process", in}},
				{name: "as a process", args: []string{in}},
				{name: "two threads", args: []string{"--in-process", "--threads", "2", in}},
				{name: "one document at a time", args: []string{"--in-process", "--batch", "1", in}},
				{name: "few rows, as a process", args: []string{"--rows", "16", "--batch", "5", in}},
				{name: "no cache", args: []string{"--in-process", "--cache", "off", in}},
				{name: "gzip", args: []string{"--in-process", packed}},
				{name: "two files", args: append([]string{"--in-process"}, halves...)},
				{name: "a pattern", args: []string{"--in-process", filepath.Join(dir, "half-*.jsonl")}},
				{name: "standard input", args: []string{"--in-process", "-"}, stdin: text(docs)},
				{name: "standard input by default", args: []string{"--in-process"}, stdin: text(docs)},
			} {
				r := run(t, strings.NewReader(variant.stdin), append(slices.Clone(base), variant.args...)...)
				if r.code != cli.ExitOK {
					t.Fatalf("%s %s, %s: exit code %d\n%s", strategy, sampling, variant.name, r.code, r.stderr)
				}
				a, b := want, lines(r.stdout)
				if variant.name == "no cache" {
					a, b = withoutRows(a), withoutRows(b)
				}
				if !slices.Equal(a, b) {
					t.Fatalf("%s %s, %s: other bytes:\n%s", strategy, sampling, variant.name, firstDifference(a, b))
				}
			}
			key := strings.Join(want, "\n")
			if twin, ok := seen[key]; ok {
				t.Errorf("%s %s gives what %s gives: the test sees no difference", strategy, sampling, twin)
			}
			seen[key] = strategy + " " + sampling
		}
	}
}

// A record becomes the same wherever it stands in the input.
func TestSameBytesInAnyOrder(t *testing.T) {
	model, dir := tinyModel(t), t.TempDir()
	docs := documents(30)
	shuffled := slices.Clone(docs)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	fill := func(name string, docs []string) []string {
		in := writeFile(t, filepath.Join(dir, name), text(docs))
		return lines(succeed(t, "infill", "--quiet", "--in-process", "--model", model, "--temperature", "1", "--batch", "4", in))
	}
	want, got := fill("a.jsonl", docs), fill("b.jsonl", shuffled)
	if slices.Equal(want, got) {
		t.Fatal("the shuffled input came out in the order of the other")
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("other records:\n%s", firstDifference(want, got))
	}
}

// rowCount is what the cache saves; it changes nothing else.
var rowCount = regexp.MustCompile(`"rows":\d+`)

func withoutRows(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = rowCount.ReplaceAllString(line, `"rows":0`)
	}
	return out
}

func firstDifference(want, got []string) string {
	for i := range want {
		if i >= len(got) || want[i] != got[i] {
			return fmt.Sprintf("line %d of %d and %d:\nwant %s\ngot  %s", i+1, len(want), len(got), want[i], strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""))
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(got), len(want))
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
