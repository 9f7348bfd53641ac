package cli

import (
	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/config"
)

func newScore(env *Env) *cobra.Command {
	f := newJobFlags()
	job := &config.Score{}
	f.config.Job.Score = job
	cmd := &cobra.Command{
		Use:   "score [flags] [INPUT...]",
		Short: "Report how probable the model finds documents",
		Long: `Score reads documents, {"id", "text"} a line or plain text, and writes their exact
log-likelihood under the model, token by token from left to right, with perplexity and
bits per byte. The text itself is left out of the output.`,
		Example: `  a3 score stories.jsonl
  a3 score --per-token --model runs/tales/model -o scores.jsonl stories.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, env, args)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&job.PerToken, "per-token", false, "write token ids and their log-probabilities too")
	cmd.Flags().BoolVar(&job.Strict, "strict", false, "unknown fields of a record are errors")
	return cmd
}
