package cli_test

import (
	"context"
	"fmt"
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

// waits are the times that the engine waits for a strategy, a call each.
type waits []time.Duration

func (w *waits) since(start time.Time) { *w = append(*w, time.Since(start)) }

func (w waits) sum() (all time.Duration) {
	for _, d := range w {
		all += d
	}
	return all
}

func (w waits) median() time.Duration {
	slices.Sort(w)
	return w[len(w)/2]
}

// timedSteps notes the waits for decisions, timedPlans those for plans.
type (
	timedSteps struct {
		strategy.Strategy
		waits *waits
	}
	timedPlans struct {
		strategy.Planner
		waits *waits
	}
)

func (s timedSteps) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	defer s.waits.since(time.Now())
	return s.Strategy.Next(ctx, obs)
}

func (s timedPlans) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	defer s.waits.since(time.Now())
	return s.Planner.Plan(ctx, docs)
}

// BenchmarkStrategyShare is the part of decoding that a strategy in a process of its own
// takes, beyond the same in this process: the embedded model, 64 documents with 32 open
// positions each, jobs interleaved. confidence decides step by step, random plans.
//
//	go test -run - -bench StrategyShare ./pipeline/cli
func BenchmarkStrategyShare(b *testing.B) {
	types := []kernels.Type{kernels.Float32}
	if best := kernels.Best().DefaultType(); best != kernels.Float32 {
		types = append(types, best)
	}
	for _, compute := range types {
		for _, name := range []string{"confidence", "random"} {
			b.Run(fmt.Sprintf("%s/%s", compute, name), func(b *testing.B) { benchmarkShare(b, compute, name) })
		}
	}
}

func benchmarkShare(b *testing.B, compute kernels.Type, name string) {
	l, err := models.Load(b.Context(), "", kernels.Best(), compute)
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
	job := func(inProcess bool) (w waits, total time.Duration) {
		p, err := host.Open(b.Context(), name, host.Options{
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
		var decider decode.Decider
		if plan := p.Planner(); plan != nil {
			decider = timedPlans{plan, &w}
		} else {
			decider = timedSteps{p.Strategy(), &w}
		}
		start := time.Now()
		if err := engine.Run(b.Context(), docs, decider, func(r *decode.Result) error { return r.Err }); err != nil {
			b.Fatal(err)
		}
		return w, time.Since(start)
	}
	var process, local waits
	var all time.Duration
	for b.Loop() {
		w, total := job(false)
		process, all = append(process, w...), all+total
		w, _ = job(true)
		local = append(local, w...)
	}
	b.ReportMetric(100*float64(process.sum()-local.sum())/float64(all), "%/decoding")
	b.ReportMetric(float64((process.median()-local.median()).Nanoseconds())/1e3, "µs/call(overhead)")
}
