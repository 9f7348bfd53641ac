package jobs_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/any-order/a3/connectors"
	memconn "github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/explain"
)

// explained is an explanation in JSON.
type explained struct {
	ID     string
	Tokens int
	Steps  int
	Events []struct {
		Step, Blank, Token int
		Kind               string
		Group              *int
		TokenID            int32 `json:"token_id"`
		Text               string
		Base64             []byte `json:"bytes_b64"`
	}
}

// The explanations of documents, replayed, give the blanks of the output, whatever the
// strategy; they come in the order of the input, and the output is as without them.
func TestExplain(t *testing.T) {
	f := load(t)
	lines := append(documents(24), `{"id":"none","blanks":[]}`, `not JSON`)
	kinds := map[string]int{}
	for _, spec := range []string{"ar", "random:size=3", "confidence:size=2", "speculative:draft=4", "revise:threshold=0.02,back=0.9,most=3"} {
		engine := f.engine(t, func(o *decode.Options) { o.Trace = true })
		job := f.fill(t, engine, builtinStrategy(t, spec))
		job.Explain = explain.NewWriter(explain.JSON)
		recs := make([]connectors.Record, len(lines))
		for i, line := range lines {
			recs[i].Value = []byte(line)
		}
		var notes [][]byte
		o := pipeline.DefaultOptions()
		o.Explain = func(explanation []byte) error {
			notes = append(notes, bytes.Clone(explanation))
			return nil
		}
		sink, dead := memconn.NewSink(), memconn.NewSink()
		if _, err := pipeline.Run(t.Context(), nil, memconn.FromSlice("s", recs), job, sink, dead, o); err != nil {
			t.Fatal(err)
		}
		plain, _, _ := run(t, f.fill(t, f.engine(t, nil), builtinStrategy(t, spec)), lines...)
		if len(notes) != 24 || len(dead.Records()) != 2 || len(plain) != len(sink.Records()) {
			t.Fatalf("%s: %d explanations, %d dead letters", spec, len(notes), len(dead.Records()))
		}
		for i, rec := range sink.Records() {
			if !bytes.Equal(rec.Value, plain[i].Value) {
				t.Fatalf("%s: record %d is\n%s\nwant\n%s", spec, i, rec.Value, plain[i].Value)
			}
			replays(t, notes[i], parseFilled(t, rec), kinds)
		}
	}
	for _, kind := range []explain.Kind{explain.Commit, explain.Accept, explain.Refuse, explain.Reopen, explain.Check} {
		if kinds[string(kind)] == 0 {
			t.Errorf("nobody saw %s: %v", kind, kinds)
		}
	}
}

// replays holds an explanation to the record that it explains.
func replays(t *testing.T, note []byte, out filled, kinds map[string]int) {
	t.Helper()
	var x explained
	if err := json.Unmarshal(note, &x); err != nil {
		t.Fatalf("%s: %v", note, err)
	}
	if x.ID != out.ID || x.Tokens != out.Stats.Tokens || x.Steps != out.Stats.Steps {
		t.Fatalf("%s explains record %q, %+v", note, out.ID, out.Stats)
	}
	ids, texts := make([][]int32, len(out.Blanks)), make([][][]byte, len(out.Blanks))
	for i, b := range out.Blanks {
		ids[i], texts[i] = make([]int32, b.Tokens), make([][]byte, b.Tokens)
	}
	for _, e := range x.Events {
		kinds[e.Kind]++
		if e.Kind != "commit" && e.Kind != "accept" {
			continue
		}
		ids[e.Blank][e.Token], texts[e.Blank][e.Token] = e.TokenID, []byte(e.Text)
		if e.Base64 != nil {
			texts[e.Blank][e.Token] = e.Base64
		}
	}
	for i, b := range out.Blanks {
		if !slices.Equal(ids[i], b.TokenIDs) || string([]rune(string(bytes.Join(texts[i], nil)))) != b.Text {
			t.Fatalf("blank %d replays to %v %q, want %v %q", i, ids[i], texts[i], b.TokenIDs, b.Text)
		}
	}
}
