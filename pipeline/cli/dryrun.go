package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/connectors/memory"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/training"
)

// dryRecords is how many records a dry run does.
const dryRecords = 8

// dryRun connects, does the first records and prints the plan. It writes nothing and
// acknowledges nothing.
func dryRun(ctx context.Context, env *Env, c *config.Config) (err error) {
	w, err := startWatch(env, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	d, err := openDecoder(ctx, env, c, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	job, _, err := newJob(c.Job, d, w, nil)
	if err != nil {
		return &usageError{err}
	}
	plan := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(plan, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	src, input, err := openDrySource(ctx, env, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close(ctx)) }()
	row("input", "%s", input)
	row("model", "%s, %d parameters, context %d, %s on %s, %d threads", d.Digest, d.Model.Config.Params(), d.Model.Config.MaxPositions,
		d.Model.Type, d.Model.Kernels().Level(), threadCount(c.Compute))
	row("job", "%s", c.Job.Name())
	if d.plugin != nil {
		row("strategy", "%s", d.plugin.Identity())
	}
	if err := describeOutputs(ctx, c, row); err != nil {
		return err
	}
	row("delivery", "%s", c.Delivery.Guarantee)
	o := pipeline.DefaultOptions()
	o.Observer = w.observer(c.Job)
	sink, dead := memory.NewSink(), memory.NewSink()
	start := time.Now()
	counts, err := pipeline.Run(ctx, env.Stop, &firstRecords{Source: src, left: dryRecords}, job, sink, dead, o)
	if err != nil {
		return err
	}
	row("records", "%d tried, %d failed; %s in %s, %.1f s", counts.Read, counts.Failed, plural(counts.Tokens, "token"),
		plural(counts.ModelCalls, "model call"), time.Since(start).Seconds())
	if err := plan.Flush(); err != nil {
		return err
	}
	if err := (pipeline.Complaints{W: env.Stdout}).Write(ctx, dead.Records()); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(env.Stdout, "nothing was written or committed"); err != nil {
		return err
	}
	if counts.Failed > 0 {
		return &recordsFailed{counts.Failed, counts.Read}
	}
	return nil
}

// dryGroup ends the name of the group of a dry run.
const dryGroup = "-dry-run"

// openDrySource opens the input and says what it is. A topic is read by a group of its
// own: to join the real one would take partitions from its workers.
func openDrySource(ctx context.Context, env *Env, c *config.Config) (connectors.Source, string, error) {
	if c.Input.Kafka == nil {
		src, err := openInputs(env, c)
		if err != nil {
			return nil, "", err
		}
		return src, strings.Join(c.Input.Files.Paths, ", "), nil
	}
	o := *c.Input.Kafka
	partitions, behind, err := kafka.Behind(ctx, o)
	if err != nil {
		return nil, "", err
	}
	text := fmt.Sprintf("%s, %s; group %s is %s behind", o.Named(), plural(partitions, "partition"), o.Group, plural(int(behind), "record"))
	o.Group += dryGroup
	o.Instance, o.Until = kafka.InstanceNone, kafka.UntilEnd
	src, err := kafka.OpenSource(ctx, o)
	if err != nil {
		return nil, "", err
	}
	return src, text, nil
}

// describeOutputs looks at the outputs without opening them for writing.
func describeOutputs(ctx context.Context, c *config.Config, row func(name, format string, args ...any)) error {
	outputs := map[string]*config.Output{"output": &c.Output, "dead letters": c.DeadLetters}
	for _, name := range []string{"output", "dead letters"} {
		out := outputs[name]
		if out == nil {
			row(name, "named on standard error")
			continue
		}
		text, err := describeOutput(ctx, out)
		if err != nil {
			return err
		}
		row(name, "%s", text)
	}
	return nil
}

func describeOutput(ctx context.Context, out *config.Output) (string, error) {
	if out.Kafka != nil {
		sink, err := kafka.OpenSink(ctx, *out.Kafka)
		if err != nil {
			return "", err
		}
		return "topic " + out.Kafka.Topic, sink.Close(ctx)
	}
	if out.ToStdout() {
		return "standard output", nil
	}
	path := out.File.Path
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return "", &usageError{fmt.Errorf("output %s: %w", path, err)}
	}
	switch info, err := os.Stat(path); {
	case err != nil:
		return path + ", a new file", nil
	case out.File.Overwrite:
		return fmt.Sprintf("%s, whose %d bytes are replaced", path, info.Size()), nil
	default:
		return fmt.Sprintf("%s, gone on with behind %d bytes", path, info.Size()), nil
	}
}

// firstRecords is the start of a source. Nothing of it is acknowledged.
type firstRecords struct {
	connectors.Source
	left int
}

func (f *firstRecords) Read(ctx context.Context, most int) ([]connectors.Delivery, error) {
	if f.left == 0 {
		return nil, io.EOF
	}
	batch, err := f.Source.Read(ctx, min(most, f.left))
	f.left -= len(batch)
	for i := range batch {
		batch[i].Settle = func(error) {}
	}
	return batch, err
}

// dryTraining takes one step of a training run, in a folder that is removed again.
func dryTraining(ctx context.Context, env *Env, c *config.Config) (err error) {
	dir, err := os.MkdirTemp("", "a3-dry-run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	train := *c.Job.Train
	train.Directory, train.Record = dir, ""
	dry := *c
	dry.Job.Train = &train
	stop := make(chan struct{})
	close(stop) // a run that is asked to stop ends behind the step that it is at
	once := *env
	once.Stop = stop
	stepped := func() {}
	if c.Input.Kafka != nil { // such a run would not even wait for documents
		asked := make(chan struct{})
		once.Stop, stepped = asked, sync.OnceFunc(func() { close(asked) })
		o := *c.Input.Kafka
		o.Group += dryGroup
		o.Instance, o.Until = kafka.InstanceNone, kafka.UntilEnd
		dry.Input.Kafka = &o
	}
	err = trainTelling(ctx, &once, &dry, stepped)
	var halted *training.StoppedError
	if err != nil && (!errors.As(err, &halted) || halted.Step == 0) {
		return err
	}
	text, err := c.YAML()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s# one step was taken; nothing was written to %s\n", text, c.Job.Train.Directory)
	return err
}
