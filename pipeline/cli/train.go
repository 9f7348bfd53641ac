package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/pipeline/infill/record"
	"github.com/any-order/a3/pipeline/training"
	"github.com/any-order/a3/tokenize"
)

// maxReported is how many bad records are named one by one.
const maxReported = 10

// trainFlags are the flags of a3 train.
type trainFlags struct {
	inputFlags
	computeFlags
	output, config, tokenizer string
	recordTo, replayOf        string
	steps                     int
	seed                      uint64
	anyCPU, dryRun, strict    bool
}

func newTrain(env *Env) *cobra.Command {
	f := &trainFlags{}
	cmd := &cobra.Command{
		Use:   "train [flags] INPUT...",
		Short: "Train a model on documents: left to right, then groups, then any order",
		Long: `Train reads all documents, learns a vocabulary if none is given, and trains a model
through the stages of a curriculum. The output directory holds checkpoints, a log
(train.jsonl) and in the end the model (model/). The same command goes on from the
newest checkpoint, bit for bit, after any interruption.

Inputs are files, globs or - for standard input: JSONL with a "text" field, or plain
text (*.txt, one document a file); gzip and zstd are read as they are.

The settings and their defaults are printed by --dry-run, as YAML that --config takes.`,
		Example: `  a3 train --output runs/tales --steps 2000 tales.jsonl.gz
  a3 train --output runs/tales --config train.yaml --threads 2 'corpus/**/*.jsonl'
  a3 train --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.inputs = append(f.inputs, args...)
			return f.run(cmd, env)
		},
	}
	f.inputFlags.add(cmd)
	f.computeFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "directory of checkpoints, log and model")
	flags.StringVar(&f.config, "config", "", "YAML file with the settings")
	flags.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json to use instead of learning a vocabulary")
	flags.IntVar(&f.steps, "steps", 0, "optimizer steps of the whole run (overrides the configuration)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of weights, shuffling and groupings (overrides the configuration)")
	flags.StringVar(&f.recordTo, "record", "", "folder that receives every batch as Arrow IPC")
	flags.StringVar(&f.replayOf, "replay", "", "folder of recorded batches to train on, instead of drawing them")
	flags.BoolVar(&f.anyCPU, "any-cpu", false, "resume on another CPU level, giving up equal bits")
	flags.BoolVar(&f.strict, "strict", false, "stop at the first bad record instead of leaving it out")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the settings and stop")
	return cmd
}

// settings reads the configuration and applies the flags.
func (f *trainFlags) settings(cmd *cobra.Command) (training.Config, error) {
	c := training.Default()
	if f.config != "" {
		text, err := os.ReadFile(f.config)
		if err != nil {
			return c, &usageError{err}
		}
		if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
			return c, usagef("configuration %s: %v", f.config, err)
		}
	}
	if cmd.Flags().Changed("steps") {
		c.Optimizer.Steps = f.steps
		c.Optimizer.Warmup = min(c.Optimizer.Warmup, max(1, f.steps/20))
	}
	if cmd.Flags().Changed("seed") {
		c.Seed = f.seed
	}
	return c, nil
}

func (f *trainFlags) run(cmd *cobra.Command, env *Env) error {
	ctx := cmd.Context()
	c, err := f.settings(cmd)
	if err != nil {
		return err
	}
	if f.dryRun {
		text, err := yaml.Marshal(c)
		if err != nil {
			return err
		}
		_, err = env.Stdout.Write(text)
		return err
	}
	if f.output == "" {
		return usagef("--output is missing: name the directory of the run")
	}
	if err := os.MkdirAll(f.output, 0o777); err != nil {
		return err
	}
	k, err := f.kernels()
	if err != nil {
		return err
	}
	texts, err := f.read(ctx, env)
	if err != nil {
		return err
	}
	tok, err := f.vocabulary(ctx, c, texts)
	if err != nil {
		return err
	}
	corpus, err := training.NewCorpus(ctx, texts, tok)
	if err != nil {
		return err
	}
	progress := newTrainProgress(env.Stderr)
	fmt.Fprintf(env.Stderr, "%d documents, %d tokens, vocabulary %d, CPU level %s, %d threads\n", corpus.Len(), corpus.Tokens(), tok.Vocab(), k.Level(), f.threadCount())
	job := training.Job{
		Config: c, Corpus: corpus, Tokenizer: tok, Dir: f.output, Threads: f.threadCount(), Kernels: k,
		RecordTo: f.recordTo, ReplayOf: f.replayOf, AnyLevel: f.anyCPU, Tool: "a3 " + version(), Report: progress.report,
		Warn: func(text string) { fmt.Fprintf(env.Stderr, "passed over a damaged checkpoint: %s\n", text) },
		Stop: env.Stop,
	}
	out, err := job.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "model in %s, held-out loss a token: %s\n", out.Model, formatLosses(out.HeldOut))
	return nil
}

// read loads all documents. A bad record is left out and named; with --strict it ends
// the job.
func (f *trainFlags) read(ctx context.Context, env *Env) ([]training.Text, error) {
	src, err := f.openFiles(env)
	if err != nil {
		return nil, err
	}
	defer src.Close(ctx)
	bad := 0
	texts, err := training.ReadTexts(ctx, src, record.DefaultOptions(), func(o connectors.Origin, err error) error {
		if f.strict {
			return fmt.Errorf("%s: %w", o, err)
		}
		if bad++; bad <= maxReported {
			fmt.Fprintf(env.Stderr, "left out %s: %v\n", o, err)
		}
		return nil
	})
	if bad > maxReported {
		fmt.Fprintf(env.Stderr, "left out %d records in all\n", bad)
	}
	if err == nil && len(texts) == 0 {
		err = usagef("the inputs hold no document")
	}
	return texts, err
}

// vocabulary loads the tokenizer, or learns one and keeps it in the output directory.
func (f *trainFlags) vocabulary(ctx context.Context, c training.Config, texts []training.Text) (*tokenize.Tokenizer, error) {
	kept := filepath.Join(f.output, "tokenizer.json")
	path := f.tokenizer
	if path == "" {
		if _, err := os.Stat(kept); err == nil {
			path = kept
		}
	}
	if path != "" {
		tok, err := tokenize.Load(path)
		if err != nil {
			return nil, fmt.Errorf("tokenizer: %w", err)
		}
		return tok, nil
	}
	opts := tokenize.DefaultTrainOptions()
	opts.Vocab = c.Vocab
	tok, err := tokenize.Train(ctx, opts, training.Texts(texts))
	if err != nil {
		return nil, fmt.Errorf("learn a vocabulary: %w", err)
	}
	text, err := tok.JSON()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(kept+".tmp", text, 0o644); err != nil {
		return nil, err
	}
	return tok, os.Rename(kept+".tmp", kept)
}

// trainProgress prints a line now and then: every step for a while, then every few
// seconds on a terminal and every minute elsewhere.
type trainProgress struct {
	w     io.Writer
	every time.Duration
	start time.Time
	last  time.Time
	first int // step at which this process began
	// Since the last line.
	positions int
	elapsed   time.Duration
}

func newTrainProgress(w io.Writer) *trainProgress {
	p := &trainProgress{w: w, every: time.Minute, start: time.Now(), first: -1}
	if isTerminal(w) {
		p.every = 2 * time.Second
	}
	return p
}

func (t *trainProgress) report(p training.Progress) {
	if t.first < 0 {
		t.first = p.Step
	}
	t.positions += p.Positions
	t.elapsed += p.Elapsed
	done := p.Step + 1
	if time.Since(t.last) < t.every && p.HeldOut == nil && done < p.Steps {
		return
	}
	perStep := time.Since(t.start) / time.Duration(done-t.first)
	eta := (time.Duration(p.Steps-done) * perStep).Round(time.Second)
	fmt.Fprintf(t.w, "step %d/%d  %s  loss %.4f  norm %.2f  lr %.2g  %.0f tokens/s  ETA %s\n",
		done, p.Steps, p.Stage, p.Loss, p.GradNorm, p.Rate, float64(t.positions)/t.elapsed.Seconds(), eta)
	if p.HeldOut != nil {
		fmt.Fprintf(t.w, "  held out: %s\n", formatLosses(p.HeldOut))
	}
	t.last, t.positions, t.elapsed = time.Now(), 0, 0
}

func formatLosses(losses map[string]float64) string {
	names := make([]string, 0, len(losses))
	for name := range losses {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s %.4f", name, losses[name])
	}
	return strings.Join(parts, ", ")
}
