package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/core/checkpoint"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/telemetry"
	"github.com/any-order/a3/pipeline/training"
	"github.com/any-order/a3/tokenize"
)

// maxReported is how many bad records are named one by one.
const maxReported = 10

// runTraining trains a model. It is the one way to do it, whether flags or a file made the
// configuration, which is complete.
func runTraining(ctx context.Context, env *Env, c *config.Config) error {
	err := trainTelling(ctx, env, c, func() {})
	var halted *training.StoppedError
	if errors.As(err, &halted) && halted.UsedUp { // as the user asked, with until=end
		env.tell(slog.LevelInfo, "%v", halted)
		return nil
	}
	return err
}

// trainTelling is runTraining for a caller who wants to be told of each step.
func trainTelling(ctx context.Context, env *Env, c *config.Config, stepped func()) (err error) {
	w, err := startWatch(env, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	k, compute, err := openKernels(env, c.Compute)
	if err != nil {
		return err
	}
	if compute == kernels.Int8 {
		return usagef("compute type int8 is for models that are only read; train in float32 or bf16")
	}
	var initial *checkpoint.Model
	if dir := c.Job.Train.Init; dir != "" {
		if initial, err = checkpoint.OpenModel(dir); err != nil {
			return usagef("model to start from: %w", err)
		}
		defer initial.Close()
	}
	texts, err := readTexts(ctx, env, c)
	if err != nil {
		return err
	}
	if c.Input.Kafka == nil {
		w.health.Met(inputConnected)
	}
	tok, err := trainingVocabulary(ctx, c, initial, texts)
	if err != nil {
		return err
	}
	corpus, err := training.NewCorpus(ctx, texts, tok)
	if err != nil {
		return err
	}
	threads := threadCount(c.Compute)
	amount := fmt.Sprintf("%d documents, %d tokens", corpus.Len(), corpus.Tokens())
	if c.Input.Kafka != nil {
		amount = fmt.Sprintf("%s, %s held out", c.Input.Kafka.Named(), plural(corpus.Len(), "document"))
	}
	env.tell(slog.LevelInfo, "%s, vocabulary %d, CPU level %s, compute %s, %d threads", amount, tok.Vocab(), k.Level(), compute, threads)
	w.metrics.Running(telemetry.Run{Job: c.Job.Name(), Version: version(), CPU: string(k.Level()), Compute: string(compute)})
	w.metrics.TrainingBegan()
	progress := newTrainProgress(env)
	t := c.Job.Train
	job := training.Job{
		Config: t.Config, Corpus: corpus, Tokenizer: tok, Init: initial, Dir: t.Directory, Threads: threads, Kernels: k, Compute: compute,
		RecordTo: t.Record, ReplayOf: t.Replay, AnyLevel: t.AnyCPU, SkipLost: t.SkipLost, Tool: "a3 " + version(),
		Start: func(heldOut map[string]float64) {
			w.health.Met(modelLoaded)
			progress.begin(heldOut)
		},
		Report: func(p training.Progress) {
			w.trained(p, t.Batch)
			progress.report(p)
			stepped()
		},
		Warn: func(text string) { env.tell(slog.LevelWarn, "%s", text) },
		Stop: env.Stop,
	}
	if c.Input.Kafka != nil {
		bad := &badRecords{env: env, strict: t.Strict}
		defer bad.summary()
		job.Corpus, job.Held = nil, corpus
		job.Topic, job.Parse, job.Bad = &topic{w, *c.Input.Kafka}, parseOptions(), bad.add
	}
	out, err := job.Run(ctx)
	var mismatch *training.MismatchError
	if errors.As(err, &mismatch) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	progress.summary(out)
	return nil
}

// badRecords leaves out records that cannot be used, and names the first of them; if it is
// strict, one ends the job. It is used by one goroutine at a time.
type badRecords struct {
	env    *Env
	strict bool
	n      int
}

func (b *badRecords) add(o connectors.Origin, err error) error {
	if b.strict {
		return fmt.Errorf("%s: %w", o, err)
	}
	if b.n++; b.n <= maxReported {
		b.env.tell(slog.LevelWarn, "left out %s: %v", o, err)
	}
	return nil
}

func (b *badRecords) summary() {
	if b.n > maxReported {
		b.env.tell(slog.LevelWarn, "left out %d records in all", b.n)
	}
}

// parseOptions are those of records to learn from.
func parseOptions() record.Options {
	opts := record.DefaultOptions()
	opts.MaxText = file.DefaultMaxRecordBytes // long documents are cut to the model's context
	return opts
}

// readTexts loads all documents, or of a topic those that are held out.
func readTexts(ctx context.Context, env *Env, c *config.Config) ([]training.Text, error) {
	if c.Input.Kafka != nil {
		return heldOutOfTopic(ctx, env, c)
	}
	texts, err := readFiles(ctx, env, c)
	if err == nil && len(texts) == 0 {
		err = usagef("the inputs hold no document")
	}
	return texts, err
}

// readFiles loads the documents of files.
func readFiles(ctx context.Context, env *Env, c *config.Config) ([]training.Text, error) {
	src, err := openFiles(env, c.Input.Files)
	if err != nil {
		return nil, err
	}
	defer src.Close(ctx)
	bad := &badRecords{env: env, strict: c.Job.Train.Strict}
	defer bad.summary()
	return training.ReadTexts(ctx, src, parseOptions(), bad.add)
}

// trainingVocabulary returns the tokenizer that the user named, else that of the model to start
// from or of the run to be resumed, else one that is learned from the documents, which is
// the same every time.
func trainingVocabulary(ctx context.Context, c *config.Config, initial *checkpoint.Model, texts []training.Text) (*tokenize.Tokenizer, error) {
	if c.Tokenizer != "" {
		tok, err := tokenize.Load(c.Tokenizer)
		if err != nil {
			return nil, usagef("tokenizer: %w", err)
		}
		return tok, nil
	}
	if initial != nil {
		tok, err := tokenize.Parse(initial.Tokenizer)
		if err != nil {
			return nil, usagef("model to start from: tokenizer.json: %w", err)
		}
		return tok, nil
	}
	switch last, _, err := checkpoint.Latest(ctx, c.Job.Train.Directory); {
	case err == nil:
		tok, err := tokenize.Parse(last.Tokenizer)
		if err != nil {
			err = fmt.Errorf("checkpoint %s: tokenizer: %w", last.Dir, err)
		}
		return tok, errors.Join(err, last.Close())
	case !errors.Is(err, checkpoint.ErrNoCheckpoint) && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	opts := tokenize.DefaultTrainOptions()
	opts.Vocab = c.Job.Train.Vocab
	if err := opts.Validate(); err != nil {
		return nil, usagef("vocab: %w", err)
	}
	return tokenize.Train(ctx, opts, training.Texts(texts))
}
