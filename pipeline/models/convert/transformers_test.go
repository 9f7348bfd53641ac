package convert_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/pipeline/models/convert"
	"github.com/any-order/a3/tokenize"
)

// python returns the name of a Python that has transformers, else it skips the test.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("A3_PYTHON")
	if name == "" {
		name = "python3"
	}
	if err := exec.Command(name, "-c", "import torch, transformers").Run(); err != nil {
		t.Skipf("%s has no torch and transformers (%v); A3_PYTHON may name one that does", name, err)
	}
	return name
}

// loaded is what testdata/load.py prints.
type loaded struct {
	Class      string      `json:"class"`
	Unexpected []string    `json:"unexpected"` // messages of transformers
	Parameters []string    `json:"parameters"`
	Logits     [][]float64 `json:"logits"`
	IDs        []int32     `json:"ids"` // of the text, by its tokenizer
}

// transformers loads an export there, and returns what it makes of ids and text.
func transformers(t *testing.T, name, dir string, ids []int32, text string) loaded {
	t.Helper()
	request, err := json.Marshal(map[string]any{"dir": dir, "ids": ids, "text": text})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), name, "testdata/load.py")
	cmd.Stdin = bytes.NewReader(request)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	var l loaded
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// What we export, transformers loads without a word as a plain Llama, whose logits are
// those of our content stream: a pretrained model, and the embedded one, which has a query
// stream, a tokenizer and weights in BF16.
func TestTransformers(t *testing.T) {
	name := python(t)
	for _, from := range []string{stories, ""} {
		t.Run("model "+filepath.Base(from), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "export")
			if _, err := convert.Export(t.Context(), from, dir, convert.Options{}); err != nil {
				t.Fatal(err)
			}
			const text = "Once upon a time 3 foxes didn't sleep.\n  \"Why?\" "
			var ids, want []int32
			if from == "" {
				tok := embeddedTokenizer(t)
				want = tok.NewEncoder().Append(nil, []byte(text))
				bos, _ := tok.BOS()
				ids = append([]int32{bos}, want...)
			} else {
				for i := range int32(40) {
					ids = append(ids, (i*i*7+1)%512)
				}
			}
			got := transformers(t, name, dir, ids, text)
			if got.Class != "LlamaForCausalLM" || len(got.Unexpected) > 0 {
				t.Errorf("transformers made a %s and said %q", got.Class, got.Unexpected)
			}
			if slices.Contains(got.Parameters, checkpoint.QueryEmbed) {
				t.Error("the plain Llama has a query embedding")
			}
			if from == "" && !slices.Equal(got.IDs, ids) {
				t.Errorf("the text is %v there, %v here", got.IDs, ids)
			}
			m, _ := load(t, dir)
			compareLogits(t, contentLogits(m, ids), got.Logits)
		})
	}
}

// compareLogits wants float32's agreement: the oracle's least tolerance, 1e-5 of the
// largest element.
func compareLogits(t *testing.T, got [][]float32, want [][]float64) {
	t.Helper()
	var largest, worst float64
	for p, row := range want {
		for i, v := range row {
			largest = max(largest, math.Abs(v))
			worst = max(worst, math.Abs(float64(got[p][i])-v))
		}
	}
	t.Logf("logits are off by %.2g, the largest is %.3g", worst, largest)
	if !(worst <= 1e-5*largest) {
		t.Errorf("a logit is off by %.2g, more than 1e-5 of the largest, %.3g", worst, largest)
	}
}

func embeddedTokenizer(t *testing.T) *tokenize.Tokenizer {
	t.Helper()
	m, err := models.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := tokenize.Parse(m.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
