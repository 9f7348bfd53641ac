package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/pipeline/cli"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/models"
)

// BenchmarkOverhead is what a decode job costs beyond decoding: the processor time of
// a3 infill from file to file, with all its processes, over that of the engine called
// directly with the same documents, tokenized before, and the strategy in this process. What
// starting takes, loading the model above all, is left out: it is that of a short job. Runs
// are interleaved; the metrics are medians.
//
//	go test ./pipeline/cli -run '^$' -bench Overhead -benchtime 9x
func BenchmarkOverhead(b *testing.B) {
	o := newOverhead(b)
	for _, strategy := range []struct {
		name  string
		flags []string
	}{{"in process", []string{"--in-process"}}, {"process of its own", nil}} {
		b.Run("strategy="+strategy.name, func(b *testing.B) {
			var bare, job, over []float64
			for b.Loop() {
				alone, whole := o.bare(b), o.job(b, strategy.flags)
				bare, job, over = append(bare, alone), append(job, whole), append(over, 100*(whole/alone-1))
			}
			b.ReportMetric(0, "ns/op") // it is no single operation
			b.ReportMetric(median(bare), "bare-µs/document")
			b.ReportMetric(median(job), "job-µs/document")
			b.ReportMetric(median(over), "%-overhead")
		})
	}
}

// The documents of the whole job, and of the short one.
const manyDocuments, fewDocuments = 600, 40

// overhead is the work of both sides.
type overhead struct {
	dir       string
	engine    *decode.Engine
	decider   decode.Decider
	documents []*decode.Document
}

func newOverhead(b *testing.B) *overhead {
	b.Helper()
	k := kernels.Best()
	compute, err := k.ParseType("") // the job's default
	if err != nil {
		b.Fatal(err)
	}
	l, err := models.Load(b.Context(), "", k, compute)
	if err != nil {
		b.Fatal(err)
	}
	o := &overhead{dir: b.TempDir()}
	options := decode.DefaultOptions()
	options.Greedy, options.Given, options.Threads = true, l.Given, runtime.GOMAXPROCS(0)
	options.Banned = jobs.Banned(l.Tokenizer, l.Model.Config.Vocab)
	if o.engine, err = decode.New(l.Model, options); err != nil {
		b.Fatal(err)
	}
	p, err := host.Open(b.Context(), "confidence", host.Options{InProcess: true, Builtins: builtin.List(), Vocab: int32(l.Model.Config.Vocab)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	o.decider = p.Strategy()

	codec, err := infill.NewCodec(l.Tokenizer, l.Model.Config.MaxPositions)
	if err != nil {
		b.Fatal(err)
	}
	leading := decode.NewTokenSet(l.Model.Config.Vocab, l.Tokenizer.TokensStartingWith(' '))
	enc := l.Tokenizer.NewEncoder()
	lines := manyStories(b)
	for _, line := range lines {
		doc, err := infill.Parse(line, infill.DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		task, err := codec.Encode(enc, doc)
		if err != nil {
			b.Fatal(err)
		}
		d := &decode.Document{Key: task.Key, Canvas: task.Canvas, Allow: map[int32]*decode.TokenSet{}}
		for _, c := range task.Constraints {
			d.Allow[c.Position] = leading
		}
		o.documents = append(o.documents, d)
	}
	for name, part := range map[string][][]byte{"many.jsonl": lines, "few.jsonl": lines[:fewDocuments]} {
		if err := os.WriteFile(filepath.Join(o.dir, name), append(bytes.Join(part, []byte("\n")), '\n'), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return o
}

// manyStories are the example stories, over and over, under other names.
func manyStories(b *testing.B) [][]byte {
	b.Helper()
	text, err := os.ReadFile("../examples/stories.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	examples := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	lines := make([][]byte, manyDocuments)
	for i := range lines {
		var record map[string]json.RawMessage
		if err := json.Unmarshal(examples[i%len(examples)], &record); err != nil {
			b.Fatal(err)
		}
		record["id"] = fmt.Append(nil, i)
		if lines[i], err = json.Marshal(record); err != nil {
			b.Fatal(err)
		}
	}
	return lines
}

// bare decodes all documents and returns the microseconds that each took.
func (o *overhead) bare(b *testing.B) float64 {
	b.Helper()
	start := processorTime(b)
	in := make(chan *decode.Document, len(o.documents))
	for _, d := range o.documents {
		in <- d
	}
	close(in)
	if err := o.engine.Run(b.Context(), in, o.decider, func(r *decode.Result) error { return r.Err }); err != nil {
		b.Fatal(err)
	}
	return micros(processorTime(b)-start, len(o.documents))
}

// job runs the command line with all documents, and with few, and returns the microseconds
// that each of the others took.
func (o *overhead) job(b *testing.B, flags []string) float64 {
	b.Helper()
	few := o.infill(b, "few.jsonl", flags)
	return micros(o.infill(b, "many.jsonl", flags)-few, manyDocuments-fewDocuments)
}

func (o *overhead) infill(b *testing.B, input string, flags []string) time.Duration {
	b.Helper()
	out := filepath.Join(o.dir, "out.jsonl")
	args := append([]string{"infill", "--quiet", "--overwrite", filepath.Join(o.dir, input), "-o", out}, flags...)
	start := processorTime(b)
	var stderr bytes.Buffer
	code := cli.Run(b.Context(), cli.Env{Args: args, Stdout: &stderr, Stderr: &stderr, Environ: environ(), Stop: make(chan struct{})})
	if code != cli.ExitOK {
		b.Fatalf("exit code %d\n%s", code, &stderr)
	}
	return processorTime(b) - start
}

// processorTime is that of this process and of those that it started and that have ended.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return sum
}

func micros(d time.Duration, documents int) float64 {
	return float64(d.Microseconds()) / float64(documents)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
