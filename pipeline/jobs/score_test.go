package jobs_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/models/modelstest"
	"github.com/any-order/a3/pipeline/score"
)

func (f *fixture) score(t *testing.T, change func(*decode.Options)) *jobs.Score {
	o := score.DefaultOptions()
	o.PerToken = true
	return jobs.NewScore(jobs.Score{Options: o, Codec: f.codec, Tokenizer: f.Tokenizer, Engine: f.engine(t, change)})
}

type scored struct {
	ID            string
	Tokens        int
	LogProb       float64
	Perplexity    float64
	TokenIDs      []int32   `json:"token_ids"`
	TokenLogProbs []float64 `json:"token_logprobs"`
}

func TestScore(t *testing.T) {
	f := load(t)
	var lines []string
	for i, story := range modelstest.Stories(70) { // more than one batch
		lines = append(lines, fmt.Sprintf(`{"id": "d%d", "text": %q}`, i, story))
	}
	out, dead, counts := run(t, f.score(t, nil), lines...)
	if len(out) != len(lines) || len(dead) != 0 {
		t.Fatalf("%d outputs, dead letters %q", len(out), reasons(dead))
	}
	tokens := 0
	for i, rec := range out {
		var got scored
		if err := json.Unmarshal(rec.Value, &got); err != nil {
			t.Fatal(err)
		}
		if got.ID != fmt.Sprint("d", i) || got.Tokens != len(got.TokenIDs) || got.Tokens != len(got.TokenLogProbs) {
			t.Fatalf("record %d: %s", i, rec.Value)
		}
		sum := 0.0
		for _, lp := range got.TokenLogProbs {
			sum += lp
		}
		if math.Abs(sum-got.LogProb) > 1e-4 || math.Abs(math.Exp(-sum/float64(got.Tokens))/got.Perplexity-1) > 1e-4 {
			t.Errorf("%s: the tokens' log-probabilities add up to %v", rec.Value, sum)
		}
		tokens += got.Tokens
	}
	if counts.Tokens != tokens || counts.ModelCalls != len(lines) {
		t.Errorf("counts %+v, want %d tokens", counts, tokens)
	}
	again, _, _ := run(t, f.score(t, func(o *decode.Options) { o.Threads = 1 }), lines...)
	if !slices.EqualFunc(out, again, func(a, b connectors.Record) bool { return string(a.Value) == string(b.Value) }) {
		t.Error("one thread gives other scores than two")
	}
}

func TestScoreOfBadRecords(t *testing.T) {
	f := load(t)
	long := fmt.Sprintf(`{"id": "long", "text": "%s"}`, strings.Repeat("The fox sat by the river. ", 100))
	out, dead, _ := run(t, f.score(t, nil), `{"id": "a", "text": "The fox"}`, `{"id": "b", "text": ""}`, long, "a plain text")
	if len(out) != 2 {
		t.Fatalf("outputs %s", out)
	}
	got := reasons(dead)
	if len(got) != 2 || !strings.HasPrefix(got[0], `record "b": field text: empty`) || !strings.Contains(got[1], "context is") {
		t.Errorf("reasons %q", got)
	}
}
