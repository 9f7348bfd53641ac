package cli

import (
	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/score"
)

func newScore(env *Env) *cobra.Command {
	f := &jobFlags{}
	opts := score.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "score [flags] [INPUT...]",
		Short: "Report how probable the model finds documents",
		Long: `Score reads documents, {"id", "text"} a line or plain text, and writes their exact
log-likelihood under the model, token by token from left to right, with perplexity and
bits per byte. The text itself is left out of the output.`,
		Example: `  a3 score stories.jsonl
  a3 score --per-token --model runs/tales/model -o scores.jsonl stories.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.inputs = append(f.inputs, args...)
			d, err := f.load(cmd, env)
			if err != nil {
				return err
			}
			codec, err := infill.NewCodec(d.Tokenizer, d.Model.Config.MaxPositions)
			if err != nil {
				return &usageError{err}
			}
			job := jobs.NewScore(jobs.Score{Options: opts, Codec: codec, Tokenizer: d.Tokenizer, Engine: d.engine})
			run := "score; model " + d.Digest.String() + "; " + d.computedIn()
			return f.runJob(cmd, env, job, run)
		},
	}
	f.inputFlags.add(cmd)
	f.outputFlags.add(cmd)
	f.decodeFlags.addModel(cmd)
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
	cmd.Flags().BoolVar(&opts.PerToken, "per-token", false, "write token ids and their log-probabilities too")
	cmd.Flags().BoolVar(&opts.Strict, "strict", false, "unknown fields of a record are errors")
	return cmd
}
