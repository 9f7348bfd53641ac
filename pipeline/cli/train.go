package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/training"
)

// trainFlags are the flags of a3 train.
type trainFlags struct {
	inputFlags
	computeFlags
	watchFlags
	output, config, curriculum string
	tokenizer, init            string
	recordTo, replayOf         string
	steps                      int
	seed                       uint64
	anyCPU, dryRun, strict     bool
	skipLost                   bool
	heldOut                    []string
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

A topic, kafka://BROKER/TOPIC?group=NAME, is learned from as it comes: each document is
trained once, and the checkpoint says up to where. --tokenizer or --init brings the
vocabulary, --held-out-file names documents to measure on.

With --init it goes on from the weights of a model, such as a pretrained Llama. Its
stages are listed in --curriculum (or in the configuration), each with a length in steps,
tokens or as a share of the run, the groupings that it goes through (its phases), and, if
need be, a learning rate of its own and a held-out loss that ends it early:

  - name: left to right
    tokens: 1000000
    phases: [ltr]
    advance: {order: ltr, patience: 3, min_delta: 0.01, every: 50}
  - name: mixture
    share: 0.5
    phases: ["spans=0.5,permuted:4=0.3,ltr=0.1,next=0.1"]
    lr: 0.0005
    warmup: 20

The settings and their defaults are printed by --dry-run, as YAML that --config takes.`,
		Example: `  a3 train --output runs/tales --steps 2000 tales.jsonl.gz
  a3 train --output runs/tales --config train.yaml --threads 2 'corpus/**/*.jsonl'
  a3 train --init models/llama --curriculum curriculum.yaml --output runs/any-order tales.jsonl.gz
  a3 train --init models/any-order --output runs/live --held-out-file held-out.jsonl 'kafka://broker/stories?group=train'
  a3 train --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.inputs = append(f.inputs, args...)
			return f.run(cmd, env)
		},
	}
	f.inputFlags.add(cmd)
	f.computeFlags.add(cmd)
	f.watchFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "directory of checkpoints, log and model")
	flags.StringVar(&f.config, "config", "", "YAML file with the settings")
	flags.StringVar(&f.curriculum, "curriculum", "", "YAML file with the stages alone, as the curriculum of --config lists them")
	flags.StringVar(&f.tokenizer, "tokenizer", "", "tokenizer.json to use instead of learning a vocabulary")
	flags.StringVar(&f.init, "init", "", "model directory to start from instead of random weights; shape and tokenizer are its own")
	flags.StringArrayVar(&f.heldOut, "held-out-file", nil, "file or glob of documents to measure on where the input is a topic (repeatable)")
	flags.IntVar(&f.steps, "steps", 0, "optimizer steps of the whole run (overrides the configuration)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of weights, shuffling and groupings (overrides the configuration)")
	flags.StringVar(&f.recordTo, "record", "", "folder that receives every batch as Arrow IPC")
	flags.StringVar(&f.replayOf, "replay", "", "folder of recorded batches to train on, instead of drawing them")
	flags.BoolVar(&f.anyCPU, "any-cpu", false, "resume on another CPU level or in another compute type, giving up equal bits")
	flags.BoolVar(&f.skipLost, "skip-lost", false, "resume though records behind the checkpoint have been removed from the topic")
	flags.BoolVar(&f.strict, "strict", false, "stop at the first bad record instead of leaving it out")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the settings and stop")
	return cmd
}

// settings reads the configuration and applies the flags.
func (f *trainFlags) settings(cmd *cobra.Command) (training.Config, error) {
	c := training.Default()
	steps := c.Optimizer.Steps
	c.Optimizer.Steps = 0 // nobody has said it yet
	if f.config != "" {
		if err := readYAML(f.config, &c); err != nil {
			return c, usagef("configuration %s: %w", f.config, err)
		}
	}
	if f.curriculum != "" {
		if err := readCurriculum(f.curriculum, &c); err != nil {
			return c, usagef("curriculum %s: %w", f.curriculum, err)
		}
	}
	if cmd.Flags().Changed("steps") {
		c.Optimizer.Resize(f.steps)
	} else if c.Optimizer.Steps == 0 && !c.Curriculum.Bounded() {
		c.Optimizer.Steps = steps
	}
	if cmd.Flags().Changed("seed") {
		c.Seed = f.seed
	}
	checked := c // the caller's curriculum stays empty if it is to follow from the steps
	if err := checked.Complete(); err != nil {
		return c, &usageError{err}
	}
	c.Optimizer = checked.Optimizer
	return c, nil
}

// readCurriculum sets the stages that a file lists. The configuration may list the same,
// but not others: which of them is meant would be a guess.
func readCurriculum(path string, c *training.Config) error {
	var stages training.Curriculum
	if err := readYAML(path, &stages); err != nil {
		return err
	}
	if len(stages) == 0 {
		return errors.New("it lists no stage; write one as in\n  - {name: first, steps: 100, phases: [ltr]}")
	}
	if len(c.Curriculum) > 0 && !reflect.DeepEqual(c.Curriculum, stages) {
		return errors.New("the configuration has another curriculum; leave one of them out")
	}
	c.Curriculum = stages
	return nil
}

// readYAML changes what a file names; unknown fields are errors.
func readYAML(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var content any // of an empty file it is nil, which would set all fields to zero
	if err := yaml.Unmarshal(text, &content); err != nil || content == nil {
		return err
	}
	return yaml.UnmarshalWithOptions(text, into, yaml.Strict())
}

// printSettings writes the settings in the form that --config takes.
func printSettings(w io.Writer, c training.Config) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	comment := ""
	if len(c.Curriculum) == 0 {
		if err := c.Complete(); err != nil {
			return err
		}
		comment = fmt.Sprintf("# An empty curriculum stands for the default one of so many steps, here\n# %s\n", c.Curriculum)
	}
	_, err = fmt.Fprintf(w, "%s%s", comment, text)
	return err
}

func (f *trainFlags) run(cmd *cobra.Command, env *Env) error {
	settings, err := f.settings(cmd)
	if err != nil {
		return err
	}
	if f.dryRun {
		return printSettings(env.Stdout, settings)
	}
	if f.output == "" {
		return usagef("--output is missing: name the directory of the run")
	}
	c := config.Default()
	c.Log.Level = "warn"
	f.watchFlags.apply(&c)
	if c.Input, err = f.input(); err != nil {
		return err
	}
	c.Tokenizer, c.Compute = f.tokenizer, f.Compute
	c.Job.Train = &config.Train{
		Directory: f.output, Init: f.init, Record: f.recordTo, Replay: f.replayOf, AnyCPU: f.anyCPU, SkipLost: f.skipLost, Strict: f.strict,
		HeldOutFiles: f.heldOut, Config: settings,
	}
	if err := completeFlags(&c); err != nil {
		return err
	}
	return runTraining(cmd.Context(), env, &c)
}
