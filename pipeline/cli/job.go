package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/rewrite"
	"github.com/any-order/a3/pipeline/score"
)

// runJob runs a job over records. It is the one way to run it, whether flags or a file
// made the configuration, which is complete.
func runJob(ctx context.Context, env *Env, c *config.Config, quiet bool) (err error) {
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
	w.loaded(c.Job.Name(), d)
	notes, err := newExplanations(env, c)
	if err != nil {
		return err
	}
	job, what, err := newJob(c.Job, d, w, notes)
	if err != nil {
		return &usageError{err}
	}
	id := runIdentity{model: d.Digest.String(), run: what + "; " + d.identity}
	s, err := openStreams(ctx, env, c, id, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err := notes.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, notes.close()) }()
	return moveRecords(ctx, env, c, job, s, w, notes, id.run, quiet)
}

// newJob returns the job, and what of its settings results depend on.
func newJob(j config.Job, d *decoder, w *watch, notes *explanations) (job pipeline.Job, what string, err error) {
	codec, err := infill.NewCodec(d.Tokenizer, d.Model.Config.MaxPositions)
	if err != nil {
		return nil, "", err
	}
	if j.Score != nil {
		o := score.DefaultOptions()
		o.PerToken, o.Strict = j.Score.PerToken, j.Score.Strict
		return jobs.NewScore(jobs.Score{Options: o, Codec: codec, Tokenizer: d.Tokenizer, Engine: d.engine, Batched: w.batched}), "score", nil
	}
	parse, what, err := newParser(j)
	if err != nil {
		return nil, "", err
	}
	return jobs.NewFill(jobs.Fill{
		Parse: parse, Codec: codec, Tokenizer: d.Tokenizer, Vocab: d.Model.Config.Vocab,
		Engine: d.engine, Strategy: d.decider(), Mem: memory.NewGoAllocator(), Batched: w.batched,
		Explain: notes.writer(),
	}), what, nil
}

// newParser returns what finds the blanks of a record.
func newParser(j config.Job) (parse func(value []byte, plain bool) (*infill.Document, error), what string, err error) {
	if j.Infill != nil {
		o := infill.DefaultOptions()
		o.BlankTokens, o.Strict = j.Infill.BlankTokens, j.Infill.Strict
		return func(value []byte, plain bool) (*infill.Document, error) {
			o := o
			o.Plain = plain
			return infill.Parse(value, o)
		}, fmt.Sprintf("infill blank_tokens %d", o.BlankTokens), nil
	}
	o := rewrite.DefaultOptions()
	o.Tokens, o.Strict = j.Rewrite.Tokens, j.Rewrite.Strict
	selector, err := rewrite.ParseSelector(j.Rewrite.Select)
	return func(value []byte, plain bool) (*infill.Document, error) {
		o := o
		o.Plain = plain
		return rewrite.Parse(value, selector, o)
	}, fmt.Sprintf("rewrite %s tokens %d", j.Rewrite.Select, o.Tokens), err
}

// moveRecords moves the records through a job and reports.
func moveRecords(ctx context.Context, env *Env, c *config.Config, job pipeline.Job, s *streams, w *watch, notes *explanations, run string, quiet bool) error {
	o := pipeline.DefaultOptions()
	o.Window, o.WriteBatch = c.Batching.Window, c.Batching.WriteBatch
	o.Observer = w.observer(c.Job)
	o.Run, o.Transactor, o.PassTombstones = run, s.transactor, c.Output.Kafka != nil
	o.Arrow = c.Output.Kafka != nil && c.Output.Kafka.Format == kafka.FormatArrow
	if s.journal != nil {
		o.Journal, o.MaxAttempts = s.journal, c.Delivery.MaxAttempts
	}
	if notes != nil {
		o.Explain = notes.write
	}
	var err error
	if o.Failures, err = c.Delivery.FailureLimit(); err != nil {
		return &usageError{err}
	}
	p := newJobProgress(env, c.Output.ToStdout())
	if !quiet {
		o.Report = p.report
	}
	counts, err := pipeline.Run(ctx, env.Stop, s.src, job, s.sink, s.dead, o)
	if !quiet && (err == nil || counts.Read > 0) {
		p.summary(counts)
	}
	switch {
	case err != nil:
		return err
	case counts.Stopped && !s.endless:
		// A topic remembers what was acknowledged, a file's ledger what was written.
		return &stopped{resumable: c.Input.Kafka != nil || c.Output.File != nil && !c.Output.ToStdout()}
	case counts.Failed > 0:
		return &recordsFailed{counts.Failed, counts.Read}
	}
	return nil
}
