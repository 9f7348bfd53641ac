package cli_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/pipeline/models"
)

// timed sums the time that the engine waits for a strategy.
type timed struct {
	strategy.Strategy
	steps []time.Duration
}

func (s *timed) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	start := time.Now()
	defer func() { s.steps = append(s.steps, time.Since(start)) }()
	return s.Strategy.Next(ctx, obs)
}

// BenchmarkStrategyShare is the part of decoding that a strategy in a process of its own
// takes, beyond the same in this process: the embedded model, 64 documents with 32 open
// positions each, jobs interleaved.
//
//	go test -run - -bench StrategyShare ./pipeline/cli
func BenchmarkStrategyShare(b *testing.B) {
	l, err := models.Load(b.Context(), "", kernels.Best(), kernels.Float32)
	if err != nil {
		b.Fatal(err)
	}
	o := decode.DefaultOptions()
	o.Given, o.Threads = l.Given, 2
	engine, err := decode.New(l.Model, o)
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	canvas := seq.NewCanvas(1)
	for i := range 32 {
		canvas.AppendKnown(int32(300 + i))
		canvas.AppendBlank(1)
	}
	job := func(inProcess bool) (wait, total time.Duration, steps []time.Duration) {
		p, err := host.Open(b.Context(), "confidence", host.Options{
			Self:     host.Command{Path: host.SelfPath(self), Args: []string{"serve-plugin"}},
			Builtins: builtin.List(), InProcess: inProcess, Vocab: int32(l.Model.Config.Vocab),
		})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		docs := make(chan *decode.Document, 64)
		for key := range uint64(64) {
			docs <- &decode.Document{Key: key, Canvas: canvas}
		}
		close(docs)
		s := &timed{Strategy: p.Strategy()}
		start := time.Now()
		if err := engine.Run(b.Context(), docs, s, func(r *decode.Result) error { return r.Err }); err != nil {
			b.Fatal(err)
		}
		total = time.Since(start)
		for _, d := range s.steps {
			wait += d
		}
		return wait, total, s.steps
	}
	var there, here, all time.Duration
	var process, local []time.Duration
	for b.Loop() {
		wait, total, steps := job(false)
		there, all, process = there+wait, all+total, append(process, steps...)
		wait, _, steps = job(true)
		here, local = here+wait, append(local, steps...)
	}
	slices.Sort(process)
	slices.Sort(local)
	b.ReportMetric(100*float64(there-here)/float64(all), "%/decoding")
	b.ReportMetric(float64((process[len(process)/2]-local[len(local)/2]).Nanoseconds())/1e3, "µs/step(overhead)")
}
