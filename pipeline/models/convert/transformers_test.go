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
// those of our content stream, and whose tokens are ours: a pretrained model; the embedded
// one, which has a query stream and weights in BF16; and SmolLM2, where it can be had.
func TestTransformers(t *testing.T) {
	name := python(t)
	t.Run("stories260K", func(t *testing.T) {
		var ids []int32
		for i := range int32(40) {
			ids = append(ids, (i*i*7+1)%512)
		}
		checkExport(t, name, stories, ids, "")
	})
	t.Run("embedded", func(t *testing.T) {
		const text = "Once upon a time 3 foxes didn't sleep.\n  \"Why?\" "
		tok := embeddedTokenizer(t)
		bos, _ := tok.BOS()
		checkExport(t, name, "", tok.NewEncoder().Append([]int32{bos}, []byte(text)), text)
	})
	t.Run("SmolLM2", func(t *testing.T) {
		path := smolLM2(t)
		var want reference
		readJSON(t, "../testdata/smollm2/reference.json", &want)
		dir := filepath.Join(t.TempDir(), "model")
		if _, err := convert.Import(t.Context(), path, dir, convert.Options{}); err != nil {
			t.Fatal(err)
		}
		checkExport(t, name, dir, want.Cases[2].IDs, want.Cases[2].Text)
	})
}

// checkExport exports a model and compares what transformers makes of it. The ids are
// those of the text, unless that is empty.
func checkExport(t *testing.T, name, model string, ids []int32, text string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	if _, err := convert.Export(t.Context(), model, dir, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	got := transformers(t, name, dir, ids, text)
	if got.Class != "LlamaForCausalLM" || len(got.Unexpected) > 0 {
		t.Errorf("transformers made a %s and said %q", got.Class, got.Unexpected)
	}
	if slices.Contains(got.Parameters, checkpoint.QueryEmbed) {
		t.Error("the plain Llama has a query embedding")
	}
	if text != "" && !slices.Equal(got.IDs, ids) {
		t.Errorf("the text is %v there, %v here", got.IDs, ids)
	}
	m, _ := load(t, dir)
	logits := contentLogits(m, ids)
	var largest, worst float64
	for p, row := range got.Logits {
		for i, v := range row {
			largest = max(largest, math.Abs(v))
			worst = max(worst, math.Abs(float64(logits[p][i])-v))
		}
	}
	// The oracle's least tolerance for float32.
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
