package jobs_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	memconn "github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a tiny random model with what the jobs need of it.
type fixture struct {
	*models.Loaded
	codec *infill.Codec
}

func load(t *testing.T) *fixture {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := modelstest.Write(dir, 1); err != nil {
		t.Fatal(err)
	}
	l, err := models.Load(t.Context(), dir, kernels.Best(), kernels.Float32)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := infill.NewCodec(l.Tokenizer, l.Model.Config.MaxPositions)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{l, codec}
}

func (f *fixture) engine(t *testing.T, change func(*decode.Options)) *decode.Engine {
	t.Helper()
	o := decode.DefaultOptions()
	o.Given, o.Threads = f.Given, 2
	o.Banned = jobs.Banned(f.Tokenizer, f.Model.Config.Vocab)
	if change != nil {
		change(&o)
	}
	e, err := decode.New(f.Model, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// fill returns a Fill job of infill records. Its Arrow batches are counted.
func (f *fixture) fill(t *testing.T, engine *decode.Engine, decider decode.Decider) *jobs.Fill {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return jobs.NewFill(jobs.Fill{
		Parse: func(value []byte, plain bool) (*infill.Document, error) {
			o := infill.DefaultOptions()
			o.Plain = plain
			return infill.Parse(value, o)
		},
		Codec: f.codec, Tokenizer: f.Tokenizer, Vocab: f.Model.Config.Vocab, Engine: engine, Strategy: decider, Mem: mem,
	})
}

// builtinStrategy opens a shipped strategy in this process.
func builtinStrategy(t *testing.T, spec string) decode.Decider {
	t.Helper()
	name, values, err := sdk.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := sdk.Find(builtin.List(), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := plugin.Open(values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run moves lines through a job and returns the outputs and the dead letters.
func run(t *testing.T, job pipeline.Job, lines ...string) (out, dead []connectors.Record, counts pipeline.Counts) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	recs := make([]connectors.Record, len(lines))
	for i, line := range lines {
		recs[i].Value = []byte(line)
		if !strings.HasPrefix(line, "{") {
			recs[i].Headers = []connectors.Header{{Name: connectors.HeaderContentType, Value: []byte(connectors.ContentTypeText)}}
		}
	}
	sink, letters := memconn.NewSink(), memconn.NewSink()
	counts, err := pipeline.Run(ctx, nil, memconn.FromSlice("s", recs), job, sink, letters, pipeline.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return sink.Records(), letters.Records(), counts
}

// filled is an output record of infill.
type filled struct {
	ID     string
	Text   string
	Base64 string `json:"bytes_b64"`
	Blanks []struct {
		Start, End int
		Text       string
		Tokens     int
		TokenIDs   []int32 `json:"token_ids"`
		LogProb    float64
		Order      []int
	}
	LogProb float64
	Stats   struct {
		Steps, Tokens int
		ModelCalls    int `json:"model_calls"`
		Rows          int
	}
}

func parseFilled(t *testing.T, rec connectors.Record) filled {
	t.Helper()
	var out filled
	if err := json.Unmarshal(rec.Value, &out); err != nil {
		t.Fatalf("%s: %v", rec.Value, err)
	}
	return out
}

// reasons returns the errors of dead letters.
func reasons(recs []connectors.Record) []string {
	var out []string
	for _, rec := range recs {
		for _, h := range rec.Headers {
			if h.Name == pipeline.HeaderError {
				out = append(out, string(h.Value))
			}
		}
	}
	return out
}
