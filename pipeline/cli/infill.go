package cli

import (
	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/infill"
)

func newInfill(env *Env) *cobra.Command {
	f := newJobFlags()
	job := &config.Infill{BlankTokens: infill.DefaultOptions().BlankTokens}
	f.config.Job.Infill = job
	cmd := &cobra.Command{
		Use:   "infill [flags] [INPUT...]",
		Short: "Fill the blanks of documents",
		Long: `Infill reads documents with blanks and writes them filled, in the order of the input.

A record is a line of JSON. Blanks are marked in the text, {{blank}} or {{blank:4}} (four
tokens), or listed as byte offsets:

  {"id": "a", "text": "Once {{blank:4}} there was a {{blank}}."}
  {"id": "b", "text": "Once upon a time.", "blanks": [{"start": 5, "end": 9, "tokens": 2}]}

The output has the text, and for each blank its place, text, log-probability and the
order in which its tokens were committed; other fields pass through. Given text comes
back byte for byte. A record that fails is named on standard error, or goes to
--dead-letters, and the exit code is 1.

An output file can be continued: the same command goes on behind what it holds.

--explain tells which token became known in which step, how surely and in which group,
and what was refused, reopened or checked: as text, as JSON lines, or as one HTML page
that replays it offline. It tells of the documents that this run decodes.`,
		Example: `  a3 infill stories.jsonl
  a3 infill --strategy random:size=2 --seed 7 -o filled.jsonl 'corpus/*.jsonl.gz'
  a3 infill --explain html:page.html stories.jsonl -o filled.jsonl
  a3 infill 'kafka://localhost:9092/stories-in?group=a3' -o kafka://localhost:9092/stories-out
  echo '{"text": "The cat sat on the {{blank:2}}."}' | a3 infill`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, env, args)
		},
	}
	f.add(cmd)
	f.addFilling(cmd)
	cmd.Flags().IntVar(&job.BlankTokens, "blank-tokens", job.BlankTokens, "length of a blank that names none")
	cmd.Flags().BoolVar(&job.Strict, "strict", false, "unknown fields of a record are errors")
	return cmd
}

func newRewrite(env *Env) *cobra.Command {
	f := newJobFlags()
	job := &config.Rewrite{}
	f.config.Job.Rewrite = job
	cmd := &cobra.Command{
		Use:   "rewrite --select regex:PATTERN [flags] [INPUT...]",
		Short: "Replace parts of documents: matches of a pattern become blanks",
		Long: `Rewrite turns each match of a pattern into a blank and fills it. A blank has as many
tokens as the text that it replaces, unless --tokens says otherwise. If the pattern has
a group, only what the first group matched is replaced. Records without a match pass
unchanged. Records, output and errors are those of infill.`,
		Example: `  a3 rewrite --select 'regex:\b(Tom|Anna)\b' stories.jsonl
  a3 rewrite --select 'regex:[0-9]+' --explain text stories.jsonl
  a3 rewrite --select 'regex:[^.]*\.$' --tokens 12 -o rewritten.jsonl stories.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, env, args)
		},
	}
	f.add(cmd)
	f.addFilling(cmd)
	cmd.Flags().StringVar(&job.Select, "select", "", "what to replace: regex:PATTERN (RE2 syntax)")
	cmd.Flags().IntVar(&job.Tokens, "tokens", 0, "length of every blank; 0 = that of the text it replaces")
	cmd.Flags().BoolVar(&job.Strict, "strict", false, "unknown fields of a record are errors")
	return cmd
}

// run runs the job that the flags describe.
func (f *jobFlags) run(cmd *cobra.Command, env *Env, args []string) error {
	c, err := f.complete(args)
	if err != nil {
		return err
	}
	if f.embeddedKafka {
		return runOnEmbeddedKafka(cmd.Context(), env, c, f.quiet)
	}
	return runJob(cmd.Context(), env, c, f.quiet)
}
