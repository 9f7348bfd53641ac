package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/pipeline/config"
)

// runFlags are the flags of a3 run.
type runFlags struct {
	watchFlags
	set         []string
	printConfig bool
	dryRun      bool
	quiet       bool

	embeddedKafka bool
}

func newRun(env *Env) *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run [flags] CONFIG",
		Short: "Run a job that a YAML file describes",
		Long: `Run reads a configuration, which describes any job: where documents come from, what is
done with them (infill, rewrite, score or train), and where results go.

  input: stories.jsonl            # or kafka: {seed_brokers: [...], topics: [...], ...}
  job:
    infill: {blank_tokens: 4}
  strategy: confidence:threshold=0.9
  output: filled.jsonl

${NAME} stands for a variable of the environment, ${NAME:default} has a default, and
${{NAME}} is the text ${NAME}. --set changes one field; what is set there is YAML too.
Mistakes are all told at once, as by a3 lint. docs/configuration.md has every field.`,
		Example: `  a3 run job.yaml
  a3 run --set job.infill.blank_tokens=4 --set output=out.jsonl job.yaml
  a3 run --print-config job.yaml
  a3 run --dry-run job.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s takes one configuration, got %d", cmd.CommandPath(), len(args))
			}
			return f.run(cmd.Context(), env, args[0])
		},
	}
	f.watchFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.set, "set", "s", nil, "PATH=VALUE: change a field, such as decoding.seed=7 (repeatable)")
	flags.BoolVar(&f.printConfig, "print-config", false, "print the configuration with all defaults, without secrets, and stop")
	flags.BoolVar(&f.dryRun, "dry-run", false, "connect, do the first records (of training, one step), print the plan, and stop; nothing is written or committed")
	flags.BoolVar(&f.embeddedKafka, "embedded-kafka", false, embeddedKafkaUsage)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
	return cmd
}

func (f *runFlags) run(ctx context.Context, env *Env, path string) error {
	c, err := loadConfig(env, path, f.set)
	if err != nil {
		return &usageError{err}
	}
	f.watchFlags.apply(c)
	if err := c.Complete(); err != nil {
		return &usageError{err}
	}
	if f.printConfig {
		text, err := c.YAML()
		if err != nil {
			return err
		}
		_, err = env.Stdout.Write(text)
		return err
	}
	switch {
	case f.dryRun && c.Job.Train != nil:
		return dryTraining(ctx, env, c)
	case f.dryRun:
		return dryRun(ctx, env, c)
	}
	if c.Job.Train != nil {
		return runTraining(ctx, env, c)
	}
	if f.embeddedKafka {
		return runOnEmbeddedKafka(ctx, env, c, f.quiet)
	}
	return runJob(ctx, env, c, f.quiet)
}

// loadConfig reads a configuration with the variables of the environment.
func loadConfig(env *Env, path string, set []string) (*config.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return config.Load(config.Source{File: path, Text: text, Set: set, Lookup: env.variable, Strategies: builtin.List()})
}
