package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/journal"
)

// streams are the ends of a pipeline.
type streams struct {
	src        connectors.Source
	lag        *lagWatch       // nil unless src is a topic
	sink, dead connectors.Sink // nil if there is a transactor
	transactor connectors.Transactor
	journal    *journal.Journal // nil for none
	endless    bool             // the source never ends: being stopped is its normal end
}

// runIdentity says what is computed: an output of another run is not continued.
type runIdentity struct {
	model string // digest
	run   string // all that results depend on, the model too
}

// deadLettersRun tells the run of dead letters from that of the output.
const deadLettersRun = "; dead letters"

// mark lets the records of a topic say what made them.
func (id runIdentity) mark(o kafka.SinkOptions) kafka.SinkOptions {
	digest := sha256.Sum256([]byte(id.run))
	o.Model, o.Config = id.model, hex.EncodeToString(digest[:])
	return o
}

// openStreams connects source, sink and dead letters, in this order: an input that is
// not there leaves no empty output.
func openStreams(ctx context.Context, env *Env, c *config.Config, id runIdentity, w *watch) (s *streams, err error) {
	s = &streams{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if err = s.openSource(ctx, env, c, w); err != nil {
		return s, err
	}
	w.health.Met(inputConnected)
	if c.Delivery.Journal != "" {
		if s.journal, err = openJournal(c.Delivery.Journal, s.src); err != nil {
			return s, err
		}
	}
	s.endless = c.Input.Kafka != nil && c.Input.Kafka.Until == kafka.UntilForever
	if src, ok := s.src.(*kafka.Source); ok && c.Delivery.Guarantee == config.ExactlyOnce {
		dead := id
		dead.run += deadLettersRun
		if s.transactor, err = openTransactor(ctx, src, id.mark(*c.Output.Kafka), dead.mark(*c.DeadLetters.Kafka)); err != nil {
			return s, err
		}
		w.health.Met(outputConnected)
		return s, nil
	}
	if s.sink, err = openSink(ctx, env, c.Output, id); err != nil {
		return s, err
	}
	s.dead = pipeline.Complaints{W: env.Stderr}
	if log := env.jsonLog(); log != nil {
		s.dead = loggedLetters{log}
	}
	if c.DeadLetters != nil {
		id.run += deadLettersRun
		if s.dead, err = openSink(ctx, env, *c.DeadLetters, id); err != nil {
			return s, err
		}
		if c.DeadLetters.Kafka == nil {
			s.dead = pipeline.Enveloped{Sink: s.dead}
		}
	}
	w.health.Met(outputConnected)
	return s, nil
}

// openJournal opens the journal of this worker: one for each, where several share a topic.
func openJournal(dir string, src connectors.Source) (*journal.Journal, error) {
	if topic, ok := src.(*kafka.Source); ok {
		if topic.Name() == "" {
			return nil, usagef("delivery.journal: a worker without a lasting name would not find its journal again; give it one with instance=NAME")
		}
		dir = filepath.Join(dir, topic.Name())
	}
	j, err := journal.Open(dir, journal.DefaultOptions())
	if err != nil {
		return nil, &usageError{err}
	}
	return j, nil
}

func openTransactor(ctx context.Context, src *kafka.Source, out, dead kafka.SinkOptions) (connectors.Transactor, error) {
	t, err := kafka.OpenTransactor(ctx, src, out, dead)
	if err != nil {
		return nil, err // not a nil *kafka.Transactor in the interface
	}
	return t, nil
}

func (s *streams) openSource(ctx context.Context, env *Env, c *config.Config, w *watch) error {
	if c.Input.Kafka == nil {
		src, err := openInputs(env, c)
		if err != nil {
			return err // not a nil *file.Source in the interface
		}
		s.src = src
		return nil
	}
	o := *c.Input.Kafka
	lag := newLagWatch(w, &o)
	src, err := kafka.OpenSource(ctx, o)
	if err != nil {
		return err
	}
	lag.follow(src)
	s.src, s.lag = src, lag
	return nil
}

// openInputs opens the files that a job reads; its outputs are none of them.
func openInputs(env *Env, c *config.Config) (*file.Source, error) {
	var outputs []string
	for _, out := range []*config.Output{&c.Output, c.DeadLetters} {
		if out != nil && out.File != nil && !out.ToStdout() {
			outputs = append(outputs, out.File.Path)
		}
	}
	if c.Explain != nil && c.Explain.File != "" {
		outputs = append(outputs, c.Explain.File)
	}
	return openFiles(env, c.Input.Files, outputs...)
}

// openFiles opens inputs with the file connector. None of them may be in exclude.
func openFiles(env *Env, in *config.Files, exclude ...string) (*file.Source, error) {
	if slices.Contains(in.Paths, config.Stdio) && isTerminal(env.Stdin) {
		fmt.Fprintln(env.Stderr, "reading records from the terminal, one a line; Ctrl-D ends")
	}
	o := file.DefaultSourceOptions()
	o.Paths, o.MaxRecordBytes, o.Stdin, o.Exclude = in.Paths, in.MaxRecordBytes, env.Stdin, exclude
	var err error
	if o.Format, err = file.ParseFormat(in.Format); err != nil {
		return nil, &usageError{err}
	}
	src, err := file.OpenSource(o)
	if err != nil {
		return nil, &usageError{err}
	}
	return src, nil
}

func openSink(ctx context.Context, env *Env, out config.Output, id runIdentity) (connectors.Sink, error) {
	if out.Kafka != nil {
		sink, err := kafka.OpenSink(ctx, id.mark(*out.Kafka))
		if err != nil {
			return nil, err // not a nil *kafka.Sink in the interface
		}
		return sink, nil
	}
	o := file.DefaultSinkOptions()
	o.Path, o.Run, o.Overwrite, o.Stdout = out.File.Path, id.run, out.File.Overwrite, env.Stdout
	sink, err := file.OpenSink(o)
	if err != nil {
		return nil, &usageError{err}
	}
	return sink, nil
}

// loggedLetters is the sink of dead letters where the user named none and reads logs.
type loggedLetters struct{ *slog.Logger }

// Write logs origin and reason of each record.
func (l loggedLetters) Write(_ context.Context, records []connectors.Record) error {
	for i := range records {
		attrs := make([]any, 0, 4)
		for _, h := range records[i].Headers {
			if name, ok := strings.CutPrefix(h.Name, "a3.error."); ok {
				attrs = append(attrs, slog.String(name, string(h.Value)))
			}
		}
		l.Warn("record failed", attrs...)
	}
	return nil
}

// Close implements connectors.Sink.
func (loggedLetters) Close(context.Context) error { return nil }

// closeTimeout bounds the last acknowledgements.
const closeTimeout = 30 * time.Second

// close closes the sinks, so that everything is durable, then the source.
func (s *streams) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var err error
	if s.lag != nil {
		s.lag.close()
	}
	for _, c := range []interface{ Close(context.Context) error }{s.sink, s.dead, s.transactor, s.src} {
		if c != nil {
			err = errors.Join(err, c.Close(ctx))
		}
	}
	if s.journal != nil {
		err = errors.Join(err, s.journal.Close())
	}
	return err
}
