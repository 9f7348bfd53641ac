package convert_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/models/convert"
	"github.com/any-order/a3/tokenize"
)

const stories = "../testdata/stories260K"

// reference is what ../testdata/reference.py wrote.
type reference struct {
	SHA256      string  `json:"sha256"`
	Atol        float64 `json:"atol"`
	AtolLogprob float64 `json:"atol_logprob"`
	Cases       []struct {
		Text    string      `json:"text"`
		IDs     []int32     `json:"ids"`
		Logprob []float64   `json:"logprob"` // of IDs[1:]
		Top     [][]int     `json:"top"`     // by position
		Logits  [][]float64 `json:"logits"`  // of Top
	} `json:"cases"`
}

func readJSON(t *testing.T, path string, dst any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, dst); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// load opens a model directory for its content stream, in float32.
func load(t *testing.T, dir string) (*model.Model, *checkpoint.Model) {
	t.Helper()
	files, err := checkpoint.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	m, err := model.LoadTrainable(model.ConfigOf(files.Config), files.Weights, kernels.Best(), kernels.Float32, model.Trained{})
	if err != nil {
		t.Fatal(err)
	}
	return m, files
}

// contentLogits returns the logits of the content stream under single positions left to
// right: those of a plain Llama, by position.
func contentLogits(m *model.Model, ids []int32) [][]float32 {
	n := len(ids)
	s := seq.Segment{Tokens: append(slices.Clone(ids), 0), Next: true} // the last row predicts some token
	for p := range n + 1 {
		s.Group = append(s.Group, int32(p))
		s.Weight = append(s.Weight, min(float32(p), 1))
	}
	var b model.Batch
	b.AddSegment(s)
	ws := m.NewWorkspace()
	final := ws.Forward(&b)
	logits := make([][]float32, n)
	for chunk := range m.Config.Chunks() {
		for from := 0; from < n; from += model.HeadRows {
			rows, _ := ws.Chunk(final.Slice(from, min(from+model.HeadRows, n)), chunk)
			for r := range rows.Rows {
				logits[from+r] = append(logits[from+r], rows.Row(r)...)
			}
		}
	}
	return logits
}

func logprob(logits []float32, id int32) float64 {
	most, sum := float64(slices.Max(logits)), 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - most)
	}
	return float64(logits[id]) - most - math.Log(sum)
}

// compare holds the content stream against the reference, and tells by how much of the
// tolerance it is off.
func (r *reference) compare(t *testing.T, m *model.Model) {
	t.Helper()
	var worst, worstLogprob float64
	for i, c := range r.Cases {
		logits := contentLogits(m, c.IDs)
		for p, want := range c.Logits {
			for j, id := range c.Top[p] {
				worst = max(worst, math.Abs(float64(logits[p][id])-want[j]))
			}
		}
		for p, want := range c.Logprob {
			worstLogprob = max(worstLogprob, math.Abs(logprob(logits[p], c.IDs[p+1])-want))
		}
		if !(worst <= r.Atol && worstLogprob <= r.AtolLogprob) {
			t.Errorf("case %d: a logit is off by %.2g, a log-probability by %.2g; tolerances %.2g and %.2g", i, worst, worstLogprob, r.Atol, r.AtolLogprob)
		}
	}
	t.Logf("logits are off by %.2g, %.2f of the tolerance; log-probabilities by %.2g, %.2f", worst, worst/r.Atol, worstLogprob, worstLogprob/r.AtolLogprob)
}

// A pretrained Llama, imported from a directory and from a GGUF file, is itself: its
// content stream has the logits of independent implementations, and chooses their tokens.
func TestStoriesFidelity(t *testing.T) {
	source, err := checkpoint.OpenModel(stories)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	file := filepath.Join(t.TempDir(), "stories.gguf")
	if err := os.WriteFile(file, ggufOf(t, source, nil).File(nil), 0o666); err != nil {
		t.Fatal(err)
	}
	var want reference
	readJSON(t, stories+"/reference.json", &want)
	checkSHA256(t, stories+"/model.safetensors", want.SHA256)
	for _, path := range []string{stories, file} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			if _, err := convert.Import(t.Context(), path, dir, convert.Options{}); err != nil {
				t.Fatal(err)
			}
			m, _ := load(t, dir)
			want.compare(t, m)
			checkGreedy(t, m)
		})
	}
}

// checkGreedy chooses the likeliest token again and again.
func checkGreedy(t *testing.T, m *model.Model) {
	t.Helper()
	var greedy struct {
		Prompt []int32 `json:"prompt_ids"`
		IDs    []int32 `json:"greedy_ids"`
	}
	readJSON(t, stories+"/greedy.json", &greedy)
	ids := slices.Clone(greedy.Prompt)
	for i, want := range greedy.IDs {
		last := contentLogits(m, ids)[len(ids)-1]
		got := int32(slices.Index(last, slices.Max(last)))
		if got != want {
			t.Fatalf("token %d is %d, want %d", i, got, want)
		}
		ids = append(ids, got)
	}
}

func checkSHA256(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != want {
		t.Fatalf("%s has SHA-256 %s, the reference is of %s", path, got, want)
	}
}

// smolLM2 returns the path of the GGUF file, or skips the test.
func smolLM2(t *testing.T) string {
	t.Helper()
	path := os.Getenv("A3_SMOLLM2")
	if path == "" {
		t.Skip("A3_SMOLLM2 names no GGUF file of SmolLM2-135M-Instruct; ../testdata/README.md says where to find it")
	}
	return path
}

// SmolLM2-135M-Instruct from its GGUF file, with its tokenizer; imported again from its
// export it has the same bytes.
func TestSmolLM2Fidelity(t *testing.T) {
	path := smolLM2(t)
	var want reference
	readJSON(t, "../testdata/smollm2/reference.json", &want)
	checkSHA256(t, path, want.SHA256)
	dir := filepath.Join(t.TempDir(), "model")
	if _, err := convert.Import(t.Context(), path, dir, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	m, files := load(t, dir)
	tok, err := tokenize.Parse(files.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range want.Cases {
		if got := tok.NewEncoder().Append(nil, []byte(c.Text)); !slices.Equal(got, c.IDs) {
			t.Errorf("%q is %v, llama.cpp has %v", c.Text, got, c.IDs)
		}
	}
	want.compare(t, m)
	roundTrip(t, dir)
}
