package training_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/train"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/training"
	"github.com/any-order/a3/tokenize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is a run of some seconds at most.
func config() training.Config {
	c := training.Default()
	c.Model = training.Shape{Hidden: 16, FFN: 24, Layers: 1, Heads: 2, KVHeads: 1, Context: 48, Residual: "llama"}
	c.Batch, c.Optimizer = 256, train.DefaultOptions(20)
	c.Optimizer.LR = 0.01
	c.HeldOut, c.SaveEvery = 5, 4
	return c
}

// stories returns n documents of a small language.
func stories(n int) []string {
	who := []string{"The old man", "A small bird", "The fox", "My sister"}
	what := []string{"went to the river", "sang a long song", "ate the bread", "slept under the tree", "looked for the boat"}
	when := []string{"in the morning", "all day", "when the sun went down"}
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("Day %d. %s %s %s. %s %s.", i, who[i%4], what[i%5], when[i%3], who[(i/4+1)%4], what[(i/5+2)%5])
	}
	return out
}

// vocabulary learns the tokenizer of all runs.
func vocabulary(t *testing.T) *tokenize.Tokenizer {
	t.Helper()
	o := tokenize.DefaultTrainOptions()
	o.Vocab = 300
	docs := stories(60)
	tok, err := tokenize.Train(t.Context(), o, func(yield func([]byte) bool) {
		for _, doc := range docs {
			if !yield([]byte(doc)) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// corpus tokenizes documents.
func corpus(t *testing.T, docs []string) (*batching.Corpus, *tokenize.Tokenizer) {
	t.Helper()
	recs := make([]connectors.Record, len(docs))
	for i, s := range docs {
		recs[i].Value = []byte(s)
		recs[i].Headers = []connectors.Header{{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeText)}}
	}
	texts, err := training.ReadTexts(t.Context(), memory.FromSlice("stories", recs), record.DefaultOptions(), func(o connectors.Origin, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	tok := vocabulary(t)
	c, err := training.NewCorpus(t.Context(), texts, tok)
	if err != nil {
		t.Fatal(err)
	}
	return c, tok
}

// newJob returns a job in a directory; change may be nil.
func newJob(t *testing.T, dir string, change func(*training.Job)) *training.Job {
	t.Helper()
	c, tok := corpus(t, stories(60))
	j := &training.Job{Config: config(), Corpus: c, Tokenizer: tok, Dir: dir, Threads: 2, Kernels: kernels.Best(), Compute: kernels.Float32, Tool: "test"}
	if change != nil {
		change(j)
	}
	return j
}

func mustRun(t *testing.T, j *training.Job) *training.Outcome {
	t.Helper()
	out, err := j.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stopAfter runs a job again and again, each time until it has been stopped after one of
// the steps, which are at least two apart.
func stopAfter(t *testing.T, dir string, change func(*training.Job), steps ...int) {
	t.Helper()
	for _, step := range steps {
		stop := make(chan struct{})
		_, err := newJob(t, dir, func(j *training.Job) {
			change(j)
			j.Stop = stop
			report := j.Report
			j.Report = func(p training.Progress) {
				if report != nil {
					report(p)
				}
				if p.Step+2 == step { // noticed after the next one
					close(stop)
				}
			}
			if step == 1 {
				close(stop)
			}
		}).Run(t.Context())
		var stopped *training.StoppedError
		if !errors.As(err, &stopped) {
			t.Fatalf("to be stopped after step %d: %v", step, err)
		}
	}
}

// final returns the held-out losses at the end of a run.
func final(out *training.Outcome) map[string]float64 {
	return out.Run.Stages[len(out.Run.Stages)-1].HeldOut
}

// left returns what a finished run leaves that has to be equal for equal runs: the
// model, the newest checkpoint and the log, by their names.
func left(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"model/*", "step-*/*", "train.jsonl"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(content)
		}
	}
	if !strings.HasPrefix(files["train.jsonl"], `{"step":-1,`) || files["model/model.safetensors"] == "" {
		t.Fatalf("%s holds no finished run", dir)
	}
	return files
}

// wantSame compares the files that both runs left.
func wantSame(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	for name := range want {
		if strings.HasPrefix(name, "step-") && got[name] == "" {
			continue // other checkpoints are kept
		}
		if want[name] != got[name] {
			t.Errorf("%s: %s has other bytes", what, name)
		}
	}
}
