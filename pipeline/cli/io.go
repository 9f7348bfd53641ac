package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline"
)

const (
	kafkaScheme = "kafka://" // begins an address that is a topic, not a file
	stdio       = "-"        // standard input or output
)

func isTopic(address string) bool { return strings.HasPrefix(address, kafkaScheme) }

// outputFlags say where results go.
type outputFlags struct {
	output, deadLetters string
	overwrite           bool
}

func (f *outputFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", stdio, "file, - for standard output, or kafka://broker/topic")
	flags.StringVar(&f.deadLetters, "dead-letters", "", "file or kafka://broker/topic for records that failed; empty = complaints on standard error")
	flags.BoolVar(&f.overwrite, "overwrite", false, "start over: replace the output instead of going on behind what it holds")
}

// streams are the ends of a pipeline.
type streams struct {
	src        connectors.Source
	sink, dead connectors.Sink
	endless    bool // the source never ends: being stopped is its normal end
}

// openStreams connects source, sink and dead letters, in this order: an input that is
// not there leaves no empty output. run is the identity of what is computed: an output
// of another run is not continued.
func (f *jobFlags) openStreams(ctx context.Context, env *Env, run string) (s *streams, err error) {
	if f.output == f.deadLetters {
		return nil, usagef("--output and --dead-letters are both %s", f.output)
	}
	s = &streams{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if err := f.openSource(ctx, env, s); err != nil {
		return s, err
	}
	if s.sink, err = openSink(ctx, env, f.output, run, f.overwrite); err != nil {
		return s, err
	}
	s.dead = pipeline.Complaints{W: env.Stderr}
	if f.deadLetters != "" {
		if s.dead, err = openSink(ctx, env, f.deadLetters, run+"; dead letters", f.overwrite); err != nil {
			return s, err
		}
		if !isTopic(f.deadLetters) {
			s.dead = pipeline.Enveloped{Sink: s.dead}
		}
	}
	return s, nil
}

func (f *jobFlags) openSource(ctx context.Context, env *Env, s *streams) error {
	switch {
	case !slices.ContainsFunc(f.inputs, isTopic):
		var exclude []string
		for _, out := range []string{f.output, f.deadLetters} {
			if out != "" && out != stdio && !isTopic(out) {
				exclude = append(exclude, out)
			}
		}
		src, err := f.openFiles(env, exclude...)
		if err != nil {
			return err
		}
		s.src = src
		return nil
	case len(f.inputs) > 1:
		return usagef("a topic must be the only input, got %d inputs", len(f.inputs))
	}
	o, err := kafka.ParseSource(f.inputs[0])
	if err != nil {
		return &usageError{err}
	}
	src, err := kafka.OpenSource(ctx, o)
	if err != nil {
		return err
	}
	s.src, s.endless = src, o.Until == kafka.UntilForever
	return nil
}

func openSink(ctx context.Context, env *Env, address, run string, overwrite bool) (connectors.Sink, error) {
	if isTopic(address) {
		o, err := kafka.ParseSink(address)
		if err != nil {
			return nil, &usageError{err}
		}
		sink, err := kafka.OpenSink(ctx, o)
		if err != nil {
			return nil, err // not a nil *kafka.Sink in the interface
		}
		return sink, nil
	}
	o := file.DefaultSinkOptions()
	o.Path, o.Run, o.Overwrite, o.Stdout = address, run, overwrite, env.Stdout
	sink, err := file.OpenSink(o)
	if err != nil {
		return nil, &usageError{err}
	}
	return sink, nil
}

// closeTimeout bounds the last acknowledgements.
const closeTimeout = 30 * time.Second

// close closes the sinks, so that everything is durable, then the source.
func (s *streams) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var err error
	for _, c := range []interface{ Close(context.Context) error }{s.sink, s.dead, s.src} {
		if c != nil {
			err = errors.Join(err, c.Close(ctx))
		}
	}
	return err
}

// jobFlags are the flags that all jobs over records share.
type jobFlags struct {
	inputFlags
	outputFlags
	decodeFlags
	quiet bool
}

func (f *jobFlags) add(cmd *cobra.Command) {
	f.inputFlags.add(cmd)
	f.outputFlags.add(cmd)
	f.decodeFlags.add(cmd)
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
}

// runJob moves the records through a job and reports.
func (f *jobFlags) runJob(cmd *cobra.Command, env *Env, job pipeline.Job, run string) (err error) {
	ctx := cmd.Context()
	s, err := f.openStreams(ctx, env, run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	o := pipeline.DefaultOptions()
	p := newJobProgress(env, f.output == stdio)
	if !f.quiet {
		o.Report = p.report
	}
	counts, err := pipeline.Run(ctx, env.Stop, s.src, job, s.sink, s.dead, o)
	if !f.quiet && (err == nil || counts.Read > 0) {
		p.summary(counts)
	}
	switch {
	case err != nil:
		return err
	case counts.Stopped && !s.endless:
		// A topic remembers what was acknowledged, a file's ledger what was written.
		return &stopped{resumable: isTopic(f.inputs[0]) || f.output != stdio && !isTopic(f.output)}
	case counts.Failed > 0:
		return &recordsFailed{counts.Failed, counts.Read}
	}
	return nil
}
