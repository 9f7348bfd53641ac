package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/pipeline/bench"
)

func newBench(env *Env) *cobra.Command {
	o := bench.DefaultOptions(0)
	compute := computeFlags{}
	asJSON := false
	cmd := &cobra.Command{
		Use:   "bench [flags]",
		Short: "Measure what this machine can do: memory, products, attention, training, decoding",
		Long: `Bench prints what the CPU offers and how fast the engine is on it, on one thread and
on all: memory bandwidth, matrix products, attention, training and filling blanks, and the
memory that this takes. It takes less than a minute, on an otherwise idle machine.

Every number is the median of repetitions. The suite "peers" measures what other engines
are compared by, with networks of up to 135 million parameters; it takes several minutes
and 10 GB of memory.`,
		Example: `  a3 bench
  a3 bench --only gemm,decode --threads 4
  a3 bench --only train --compute bf16 --duration 5s
  a3 bench --only decode --model runs/tales/model
  a3 bench --json --suite peers > machine.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if compute.Threads < 0 {
				return usagef("--threads is %d; it must not be negative", compute.Threads)
			}
			if compute.CPU == "" {
				compute.CPU = env.lookup("A3_CPU")
			}
			o.Threads, o.Level = compute.threadCount(), kernels.Level(compute.CPU)
			return runBench(cmd, env, o, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Suite, "suite", o.Suite, "default or peers")
	flags.StringSliceVar(&o.Only, "only", nil, "some of machine, memory, gemm, attention, train, decode, or beginnings of names, such as gemm/float32")
	flags.IntVar(&compute.Threads, "threads", 0, "measured beside one thread; 0 = one for each CPU")
	flags.StringSliceVar(&o.Compute, "compute", nil, "some of float32, bf16, int8; empty = those that the CPU is made for")
	flags.StringVar(&compute.CPU, "level", "", "CPU level, as --cpu of other commands; empty = the best")
	flags.StringVar(&compute.CPU, "cpu", "", "the same as --level")
	flags.DurationVar(&o.Duration, "duration", o.Duration, "least time of a measurement")
	flags.StringVar(&o.Model, "model", "", "model directory, for decode; empty = the embedded one")
	flags.BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	if err := flags.MarkHidden("cpu"); err != nil {
		panic(err) // it was added above
	}
	return cmd
}

// runBench prints what was measured, all or up to the point where it was stopped.
func runBench(cmd *cobra.Command, env *Env, o bench.Options, asJSON bool) error {
	plan, err := bench.New(o)
	if err != nil {
		return &usageError{err}
	}
	ctx, done := untilStopped(cmd.Context(), env.Stop)
	defer done()
	progress := &benchProgress{status: env.status, start: time.Now(), last: time.Now()}
	report, err := plan.Run(ctx, progress.report)
	progress.summary(len(report.Results))
	write := report.WriteTable
	if asJSON {
		write = report.WriteJSON
	}
	return errors.Join(err, write(env.Stdout))
}

// untilStopped returns a context that ends when stop is closed. The caller calls done.
func untilStopped(parent context.Context, stop <-chan struct{}) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(parent)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		wg.Wait()
	}
}

// benchProgress says what is being measured, on a terminal in a line that is written
// over, elsewhere once a minute.
type benchProgress struct {
	status *statusLine
	start  time.Time
	last   time.Time
}

func (b *benchProgress) report(p bench.Progress) {
	text := fmt.Sprintf("%d/%d %s", p.Done+1, p.Total, p.Task)
	switch {
	case b.status.terminal:
		b.status.show(text)
	case time.Since(b.last) >= time.Minute:
		b.last = time.Now()
		fmt.Fprintln(b.status, text)
	}
}

func (b *benchProgress) summary(results int) {
	if results > 0 {
		fmt.Fprintf(b.status, "%s in %.0f s\n", plural(results, "result"), time.Since(b.start).Seconds())
	}
}
