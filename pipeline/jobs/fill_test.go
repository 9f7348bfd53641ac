package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	memconn "github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/models/modelstest"
	"github.com/any-order/a3/pipeline/rewrite"
)

// documents returns records with blanks: behind a space, inside a word, at both ends.
func documents(n int) []string {
	out := make([]string, n)
	for i, story := range modelstest.Stories(n) {
		words := strings.Split(story, " ")
		words[3] = "{{blank:3}}"
		words[5] = "w{{blank:1}}d"
		words[len(words)-1] = "{{blank:2}}"
		if i%3 == 0 {
			words[0] = "{{blank:2}}"
		}
		line, err := json.Marshal(map[string]string{"id": fmt.Sprint("d", i), "text": strings.Join(words, " ")})
		if err != nil {
			panic(err)
		}
		out[i] = string(line)
	}
	return out
}

func TestFill(t *testing.T) {
	f := load(t)
	lines := documents(40)
	for _, spec := range []string{"ar", "random:size=2", "confidence"} {
		out, dead, counts := run(t, f.fill(t, f.engine(t, nil), builtinStrategy(t, spec)), lines...)
		if len(out) != len(lines) || len(dead) != 0 {
			t.Fatalf("%s: %d outputs, dead letters %q", spec, len(out), reasons(dead))
		}
		tokens, calls := 0, 0
		for i, rec := range out {
			got := parseFilled(t, rec)
			if got.ID != fmt.Sprint("d", i) {
				t.Fatalf("%s: record %s at place %d", spec, got.ID, i)
			}
			checkGiven(t, lines[i], got)
			for _, b := range got.Blanks {
				if slices.ContainsFunc(b.TokenIDs, f.Tokenizer.IsSpecial) {
					t.Errorf("%s: %s: a special token in %v", spec, got.ID, b.TokenIDs)
				}
				if len(b.TokenIDs) != b.Tokens || !(b.LogProb <= 0) {
					t.Errorf("%s: %s: blank %+v", spec, got.ID, b)
				}
			}
			tokens += got.Stats.Tokens
			calls += got.Stats.ModelCalls
		}
		if counts.Tokens != tokens || counts.ModelCalls != calls || counts.Unchanged != 0 {
			t.Errorf("%s: counts %+v, want %d tokens and %d calls", spec, counts, tokens, calls)
		}
	}
}

// checkGiven holds the output to its guarantee: with the blanks cut out again it is the
// input's text, byte for byte.
func checkGiven(t *testing.T, line string, got filled) {
	t.Helper()
	var in struct{ Text string }
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		t.Fatal(err)
	}
	if got.Base64 != "" {
		return // offsets count other bytes than those of Text; package infill tests them
	}
	rest := got.Text
	for _, b := range slices.Backward(got.Blanks) {
		if rest[b.Start:b.End] != b.Text {
			t.Errorf("%s: the blank %+v is not in %q", got.ID, b, got.Text)
		}
		rest = rest[:b.Start] + fmt.Sprintf("{{blank:%d}}", b.Tokens) + rest[b.End:]
	}
	if rest != in.Text {
		t.Errorf("%s: given %q, got back %q", got.ID, in.Text, rest)
	}
}

// A blank behind a space takes tokens that begin with one, and the space is not doubled.
func TestLeadingSpace(t *testing.T) {
	f := load(t)
	var lines []string
	for i := range 60 {
		lines = append(lines, fmt.Sprintf(`{"id": "%d", "text": "The fox %d {{blank:1}} the water{{blank:1}}"}`, i, i))
	}
	engine := f.engine(t, func(o *decode.Options) { o.Greedy, o.Temperature = false, 1 })
	out, _, _ := run(t, f.fill(t, engine, builtinStrategy(t, "ar")), lines...)
	if len(out) != len(lines) {
		t.Fatalf("%d outputs", len(out))
	}
	without := 0
	for i, rec := range out {
		got := parseFilled(t, rec)
		first := f.Tokenizer.Bytes(got.Blanks[0].TokenIDs[0])
		if first[0] != ' ' {
			t.Errorf("%s: the token %q stands behind a space", got.ID, first)
		}
		if got.Base64 == "" && got.Blanks[0].Text != string(first[1:]) {
			t.Errorf("%s: blank %q of the token %q", got.ID, got.Blanks[0].Text, first)
		}
		checkGiven(t, lines[i], got)
		if last := f.Tokenizer.Bytes(got.Blanks[1].TokenIDs[0]); last[0] != ' ' {
			without++
		}
	}
	if without == 0 {
		t.Error("blanks that do not stand behind a space take tokens with a space alone")
	}
}

// Neither batch mates nor bounds nor threads nor the cache change what a record becomes.
func TestFillDependsOnTheDocumentAlone(t *testing.T) {
	f := load(t)
	lines := documents(30)
	sampled := func(o *decode.Options) { o.Greedy, o.Temperature, o.Seed = false, 0.8, 7 }
	for _, spec := range []string{"ar", "random:size=3", "confidence"} {
		want, _, _ := run(t, f.fill(t, f.engine(t, sampled), builtinStrategy(t, spec)), lines...)
		for name, change := range map[string]func(*decode.Options){
			"one document at a time": func(o *decode.Options) { o.MaxDocuments = 1 },
			"few rows":               func(o *decode.Options) { o.MaxRows = 8 },
			"one thread":             func(o *decode.Options) { o.Threads = 1 },
			"no cache":               func(o *decode.Options) { o.NoCache = true },
		} {
			engine := f.engine(t, func(o *decode.Options) { sampled(o); change(o) })
			got, _, _ := run(t, f.fill(t, engine, builtinStrategy(t, spec)), lines...)
			if len(got) != len(want) {
				t.Fatalf("%s, %s: %d outputs, want %d", spec, name, len(got), len(want))
			}
			for i := range got {
				a, b := parseFilled(t, want[i]), parseFilled(t, got[i])
				if name == "no cache" {
					a.Stats.Rows, b.Stats.Rows = 0, 0 // what the cache saves
				}
				if x, y := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); x != y {
					t.Fatalf("%s, %s:\n%s\nwant\n%s", spec, name, y, x)
				}
			}
		}
	}
}

func TestTextIsADocument(t *testing.T) {
	f := load(t)
	out, dead, _ := run(t, f.fill(t, f.engine(t, nil), builtinStrategy(t, "ar")), "The fox {{blank:2}} by the river.")
	if len(out) != 1 {
		t.Fatalf("dead letters %q", reasons(dead))
	}
	got := parseFilled(t, out[0])
	if !strings.HasPrefix(got.Text, "The fox ") || !strings.HasSuffix(got.Text, " by the river.") || len(got.Blanks) != 1 {
		t.Errorf("%s", out[0].Value)
	}
}

func TestUnchanged(t *testing.T) {
	f := load(t)
	selector, err := rewrite.ParseSelector("regex:fox")
	if err != nil {
		t.Fatal(err)
	}
	job := f.fill(t, f.engine(t, nil), builtinStrategy(t, "ar"))
	job.Parse = func(value []byte, _ bool) (*infill.Document, error) {
		return rewrite.Parse(value, selector, rewrite.DefaultOptions())
	}
	same := `{"text":  "The bird sang.", "n": 1.0}`
	out, _, counts := run(t, job, same, `{"text": "The fox sang."}`)
	if len(out) != 2 || string(out[0].Value) != same {
		t.Errorf("outputs %s", out)
	}
	if counts.Unchanged != 1 || counts.Written != 2 || counts.Tokens == 0 {
		t.Errorf("counts %+v", counts)
	}
}

func TestBadRecordsDoNotStopTheOthers(t *testing.T) {
	f := load(t)
	long := fmt.Sprintf(`{"id": "long", "text": "%s {{blank}}"}`, strings.Repeat("The fox sat by the river. ", 100))
	lines := []string{`{"id": "a", "text": "The {{blank:1}}."}`, `{"id": "b", "text": 5}`, long, `{"id": "d", "text": "A {{blank:1}}."}`}
	out, dead, counts := run(t, f.fill(t, f.engine(t, nil), builtinStrategy(t, "ar")), lines...)
	if len(out) != 2 || parseFilled(t, out[0]).ID != "a" || parseFilled(t, out[1]).ID != "d" || counts.Failed != 2 {
		t.Fatalf("outputs %s, counts %+v", out, counts)
	}
	got := reasons(dead)
	if !strings.HasPrefix(got[0], `record "b": field text: `) {
		t.Errorf("reason %q", got[0])
	}
	if !strings.HasPrefix(got[1], `record "long": field text: `) || !strings.Contains(got[1], fmt.Sprintf("the model's context is %d", modelstest.Context)) {
		t.Errorf("reason %q", got[1])
	}
}

// pickyPlanner fills from left to right and fails documents with a blank at a position.
type pickyPlanner struct {
	at    int32
	whole error // fails every call
}

func (pickyPlanner) Spec() strategy.Spec { return strategy.Spec{Name: "picky", Planned: true} }

func (p pickyPlanner) Plan(_ context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	if p.whole != nil {
		return nil, p.whole
	}
	plans := make([]strategy.Plan, len(docs))
	failed := map[uint64]error{}
	for i, doc := range docs {
		if slices.Contains(doc.Open, p.at) {
			failed[doc.ID] = errors.New("I do not like this position")
			continue
		}
		for _, open := range doc.Open {
			plans[i] = append(plans[i], []int32{open})
		}
	}
	if len(failed) > 0 {
		return plans, &strategy.BatchError{Failed: failed}
	}
	return plans, nil
}

func TestDocumentThatTheStrategyFails(t *testing.T) {
	f := load(t)
	lines := []string{`{"id": "a", "text": "The{{blank:2}}."}`, `{"id": "b", "text": "{{blank:2}} the."}`, `{"id": "c", "text": "A{{blank:1}}."}`}
	out, dead, _ := run(t, f.fill(t, f.engine(t, nil), pickyPlanner{at: 1}), lines...) // position 0 is BOS
	if len(out) != 2 || parseFilled(t, out[0]).ID != "a" || parseFilled(t, out[1]).ID != "c" {
		t.Errorf("outputs %s", out)
	}
	if got := reasons(dead); len(got) != 1 || !strings.Contains(got[0], "I do not like this position") {
		t.Errorf("reasons %q", got)
	}
}

// A strategy that is gone ends the job; the records stay unacknowledged.
func TestStrategyThatFailsAsAWhole(t *testing.T) {
	f := load(t)
	gone := errors.New("the plugin is gone")
	job := f.fill(t, f.engine(t, nil), pickyPlanner{whole: gone})
	items := make(chan *pipeline.Item, 1)
	item := &pipeline.Item{}
	item.Delivery.Value = []byte(`{"text": "The {{blank:1}}."}`)
	job.Prepare(item)
	items <- item
	close(items)
	err := job.Compute(t.Context(), items, func(*pipeline.Item) error { t.Error("an item came out"); return nil })
	if !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
}

// The log-likelihood reported while filling is the one that scoring gives afterwards
// under the same groups: BOS and EOS given, then one token at a time.
func TestFilledAndScoredLikelihoodAgree(t *testing.T) {
	f := load(t)
	engine := f.engine(t, nil)
	const blanks = 12
	out, _, _ := run(t, f.fill(t, engine, builtinStrategy(t, "ar")), fmt.Sprintf(`{"id": "a", "text": "{{blank:%d}}"}`, blanks))
	got := parseFilled(t, out[0])
	bos, _ := f.Tokenizer.BOS()
	eos, _ := f.Tokenizer.EOS()
	s := seq.Segment{Tokens: append(append([]int32{bos}, got.Blanks[0].TokenIDs...), eos), Group: []int32{0}, Weight: []float32{0}}
	for i := range int32(blanks) {
		s.Group, s.Weight = append(s.Group, 2+i), append(s.Weight, 1)
	}
	s.Group, s.Weight = append(s.Group, 1), append(s.Weight, 0)
	logProbs, err := engine.Score(t.Context(), []seq.Segment{s})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, lp := range logProbs[0] {
		sum += lp
	}
	if math.Abs(sum-got.LogProb) > 1e-4 {
		t.Errorf("filling says %v, scoring %v", got.LogProb, sum)
	}
}

// Cancelling ends the job although its source never does.
func TestCancelEndsTheJob(t *testing.T) {
	f := load(t)
	ctx, cancel := context.WithCancel(t.Context())
	src := memconn.FromChannel("s", nil)
	cancel()
	_, err := pipeline.Run(ctx, nil, src, f.fill(t, f.engine(t, nil), builtinStrategy(t, "ar")), memconn.NewSink(), memconn.NewSink(), pipeline.DefaultOptions())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
