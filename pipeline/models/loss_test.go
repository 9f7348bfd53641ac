package models_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/models"
)

// orders are those in which losses are measured.
var orders = []string{"ltr", "blocks:4", "permuted:4", "spans"}

// What bfloat16 and int8 cost the real model: the loss of a text that it has not seen, in
// each of the orders that it was trained for, beside that in float32.
func TestComputeTypesKeepTheLoss(t *testing.T) {
	text, err := os.ReadFile("testdata/story.txt")
	if err != nil {
		t.Fatal(err)
	}
	paragraphs := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	exact := losses(t, load(t, "", kernels.Float32), paragraphs, 2)
	for compute, limit := range map[kernels.Type]float64{kernels.BF16: 0.005, kernels.Int8: 0.01} {
		for name, got := range losses(t, load(t, "", compute), paragraphs, 2) {
			want := exact[name].perToken()
			if guess := math.Log(6000); !(want > 0 && want < guess) {
				t.Errorf("%s: %v nats a token, no better than a guess", name, want)
			}
			change := got.perToken()/want - 1
			t.Logf("%s, %s: %.4f nats a token, float32 %.4f: %+.2f %%", compute, name, got.perToken(), want, 100*change)
			if !(math.Abs(change) <= limit) {
				t.Errorf("%s changes the loss under %s by %+.2f %%, more than %.1f %%", compute, name, 100*change, 100*limit)
			}
		}
	}
}

// The figures of the model's card: the losses of the documents in A3_HELDOUT, a file of
// JSON lines with a text each, under the model A3_MODEL or the embedded one.
func TestHeldOut(t *testing.T) {
	path := os.Getenv("A3_HELDOUT")
	if path == "" {
		t.Skip("A3_HELDOUT names no documents")
	}
	l := load(t, os.Getenv("A3_MODEL"), kernels.Best().DefaultType())
	got := losses(t, l, readTexts(t, path), 1)
	for _, name := range orders {
		t.Logf("%s: %.4f nats a token, %.4f nats a byte", name, got[name].perToken(), got[name].nll/got[name].bytes)
	}
}

func load(t *testing.T, path string, compute kernels.Type) *models.Loaded {
	t.Helper()
	l, err := models.Load(t.Context(), path, kernels.Best(), compute)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A loss is the negative log-likelihood, in nats, of so many tokens of so many bytes.
type loss struct{ nll, tokens, bytes float64 }

func (l loss) perToken() float64 { return l.nll / l.tokens }

// losses returns the loss of texts by order, each under as many groupings as draws says.
// Of a text longer than the model's context the beginning counts.
func losses(t *testing.T, l *models.Loaded, texts []string, draws uint64) map[string]loss {
	t.Helper()
	o := decode.DefaultOptions()
	o.Threads, o.Given = runtime.GOMAXPROCS(0), l.Given
	engine, err := decode.New(l.Model, o)
	if err != nil {
		t.Fatal(err)
	}
	bos, ok := l.Tokenizer.BOS()
	if !ok {
		t.Fatal("the tokenizer has no BOS")
	}
	out := map[string]loss{}
	for _, name := range orders {
		sampler, err := order.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		var segments []seq.Segment
		for i, text := range texts {
			tokens := l.Tokenizer.NewEncoder().Append([]int32{bos}, []byte(text))
			tokens = tokens[:min(len(tokens), l.Model.Config.MaxPositions)]
			for draw := range draws {
				segments = append(segments, sampler.Sample(order.Key(1, draw, uint64(i), 0), tokens, l.Given))
			}
		}
		scores, err := engine.Score(t.Context(), segments)
		if err != nil {
			t.Fatal(err)
		}
		var sum loss
		for i, s := range segments {
			for p, w := range s.Weight {
				if w > 0 {
					sum.nll -= scores[i][p]
					sum.tokens++
					sum.bytes += float64(len(l.Tokenizer.Bytes(s.Tokens[p])))
				}
			}
		}
		out[name] = sum
	}
	return out
}

func readTexts(t *testing.T, path string) (texts []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(bufio.NewReader(f)); err != nil {
			t.Fatal(err)
		}
	}
	for d := json.NewDecoder(r); ; {
		var record struct{ Text string }
		if err := d.Decode(&record); errors.Is(err, io.EOF) {
			return texts
		} else if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, record.Text)
	}
}
