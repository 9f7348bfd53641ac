package cli

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/telemetry"
	"github.com/any-order/a3/pipeline/training"
)

// watchFlags say how a job can be watched.
type watchFlags struct {
	address, logFormat, logLevel string
}

func (f *watchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.address, "metrics-addr", "", "serve /metrics, /livez and /readyz on HOST:PORT; :PORT is this machine alone")
	flags.StringVar(&f.logFormat, "log-format", "", "of what is told on standard error: text, or json for one object a line")
	flags.StringVar(&f.logLevel, "log-level", "", "least level of log lines: debug, info, warn or error")
}

// apply changes what a configuration says about the same.
func (f *watchFlags) apply(c *config.Config) {
	for _, set := range []struct {
		flag  string
		field *string
	}{{f.address, &c.Metrics.Address}, {f.logFormat, &c.Log.Format}, {f.logLevel, &c.Log.Level}} {
		if set.flag != "" {
			*set.field = set.flag
		}
	}
}

// The conditions that a job waits for before it is ready.
const (
	modelLoaded     = "model"
	strategyRuns    = "strategy"
	inputConnected  = "input"
	outputConnected = "output"

	partitionsAssigned = "partitions" // of a topic; a worker without any has nothing to do
)

// watch is what watches a job while it runs.
type watch struct {
	metrics *telemetry.Metrics
	health  *telemetry.Health
	logger  *slog.Logger

	server *telemetry.Server // nil if nobody asked for it
	ended  chan struct{}     // closed by close
	drains sync.WaitGroup
}

// startWatch begins to watch a job, before anything is loaded. The caller closes it.
func startWatch(env *Env, c *config.Config) (*watch, error) {
	w := &watch{metrics: telemetry.NewMetrics(), ended: make(chan struct{})}
	var err error
	if w.logger, err = telemetry.NewLogger(env.Stderr, c.Log.Format, c.Log.Level); err != nil {
		return nil, &usageError{err}
	}
	if c.Log.Format == "json" {
		env.log.Store(w.logger)
	}
	conditions := []string{modelLoaded, inputConnected}
	if c.Job.Train == nil {
		conditions = append(conditions, outputConnected)
	}
	if c.Job.Fills() {
		conditions = append(conditions, strategyRuns)
	}
	if c.Input.Kafka != nil {
		conditions = append(conditions, partitionsAssigned)
	}
	w.health = telemetry.NewHealth(conditions...)
	if c.Metrics.Address != "" {
		if w.server, err = telemetry.Serve(c.Metrics.Address, w.metrics, w.health); err != nil {
			return nil, &usageError{err}
		}
		w.logger.Info("serving metrics", "address", w.server.Address())
	}
	w.drains.Go(func() {
		select {
		case <-env.Stop:
			w.health.Drain()
		case <-w.ended:
		}
	})
	return w, nil
}

// close ends the watch, the server last of all that a job has.
func (w *watch) close() error {
	close(w.ended)
	w.drains.Wait()
	if w.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return w.server.Close(ctx)
}

// loaded is told of the model and strategy.
func (w *watch) loaded(job string, d *decoder) {
	r := telemetry.Run{Job: job, Version: version(), Model: d.Digest.String(), CPU: string(d.Model.Kernels().Level()), Compute: string(d.Model.Type)}
	w.health.Met(modelLoaded)
	if d.plugin != nil {
		w.health.Met(strategyRuns)
		r.Strategy = d.plugin.Identity().Name
	}
	w.metrics.Running(r)
}

// trained is told of a step of training, of batches of so many positions.
func (w *watch) trained(p training.Progress, batch int) {
	w.health.Met(modelLoaded)
	w.metrics.Trained(telemetry.Step{
		Done: p.Step + 1, Steps: p.Steps, Tokens: p.Positions, Fill: float64(p.Positions) / float64(batch),
		Loss: p.Loss, GradNorm: p.GradNorm, Saved: p.Saved != "", Took: p.Elapsed,
	})
}

// batched is told of batches, for jobs.
func (w *watch) batched(documents, most int) {
	w.metrics.Batch(documents, float64(documents)/float64(most))
}

// observer returns what a pipeline tells the metrics by.
func (w *watch) observer(j config.Job) pipeline.Observer {
	o := observer{w.metrics, "filled"}
	if j.Score != nil {
		o.phase = "scored"
	}
	return o
}

// observer passes on what a pipeline tells.
type observer struct {
	*telemetry.Metrics
	phase string // what the tokens are that the job counts
}

// Entered implements pipeline.Observer.
func (o observer) Entered(stage pipeline.Stage, n int) { o.Metrics.Entered(string(stage), n) }

// Left implements pipeline.Observer.
func (o observer) Left(stage pipeline.Stage, out, failed, dropped int, took time.Duration) {
	o.Metrics.Left(string(stage), out, failed, dropped, took)
}

// Done implements pipeline.Observer.
func (o observer) Done(fate pipeline.Fate, n pipeline.Note) {
	o.Document(string(fate))
	switch fate {
	case pipeline.FateTaken:
		return
	case pipeline.FateRecalled:
		o.Tokens("recalled", n.Tokens)
		return
	}
	o.Tokens("given", n.Given)
	o.Tokens(o.phase, n.Tokens)
	o.ModelCalls(n.ModelCalls)
}

// jsonLog returns the log that takes the place of words, nil if words are wanted.
func (e *Env) jsonLog() *slog.Logger {
	if e.log == nil { // not yet under Run
		return nil
	}
	return e.log.Load()
}

// say tells the user something about the command as a whole.
func (e *Env) say(level slog.Level, text string) {
	if e.jsonLog() == nil {
		text = "a3: " + text
	}
	e.tell(level, "%s", text)
}

// tell tells the user something: in words, or in the log if it is to be read by machines.
func (e *Env) tell(level slog.Level, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if log := e.jsonLog(); log != nil {
		log.Log(context.Background(), level, text)
		return
	}
	fmt.Fprintln(e.Stderr, text)
}
