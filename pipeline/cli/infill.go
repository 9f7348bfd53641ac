package cli

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/rewrite"
)

func newInfill(env *Env) *cobra.Command {
	f := &jobFlags{}
	opts := infill.DefaultOptions()
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

An output file can be continued: the same command goes on behind what it holds.`,
		Example: `  a3 infill stories.jsonl
  a3 infill --strategy random:size=2 --seed 7 -o filled.jsonl 'corpus/*.jsonl.gz'
  a3 infill 'kafka://localhost:9092/stories-in?group=a3' -o kafka://localhost:9092/stories-out
  echo '{"text": "The cat sat on the {{blank:2}}."}' | a3 infill`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.inputs = append(f.inputs, args...)
			if err := opts.Validate(); err != nil {
				return &usageError{err}
			}
			return f.fill(cmd, env, fmt.Sprintf("infill blank_tokens %d", opts.BlankTokens), func(value []byte, plain bool) (*infill.Document, error) {
				o := opts
				o.Plain = o.Plain || plain
				return infill.Parse(value, o)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&opts.BlankTokens, "blank-tokens", opts.BlankTokens, "length of a blank that names none")
	cmd.Flags().BoolVar(&opts.Strict, "strict", false, "unknown fields of a record are errors")
	return cmd
}

func newRewrite(env *Env) *cobra.Command {
	f := &jobFlags{}
	opts := rewrite.DefaultOptions()
	var selectText string
	cmd := &cobra.Command{
		Use:   "rewrite --select regex:PATTERN [flags] [INPUT...]",
		Short: "Replace parts of documents: matches of a pattern become blanks",
		Long: `Rewrite turns each match of a pattern into a blank and fills it. A blank has as many
tokens as the text that it replaces, unless --tokens says otherwise. If the pattern has
a group, only what the first group matched is replaced. Records without a match pass
unchanged. Records, output and errors are those of infill.`,
		Example: `  a3 rewrite --select 'regex:\b(Tom|Anna)\b' stories.jsonl
  a3 rewrite --select 'regex:[^.]*\.$' --tokens 12 -o rewritten.jsonl stories.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.inputs = append(f.inputs, args...)
			if selectText == "" {
				return usagef("--select is missing: say what to replace, as in --select 'regex:[0-9]+'")
			}
			selector, err := rewrite.ParseSelector(selectText)
			if err != nil {
				return &usageError{err}
			}
			if err := opts.Validate(); err != nil {
				return &usageError{err}
			}
			run := fmt.Sprintf("rewrite %s tokens %d", selectText, opts.Tokens)
			return f.fill(cmd, env, run, func(value []byte, plain bool) (*infill.Document, error) {
				o := opts
				o.Plain = o.Plain || plain
				return rewrite.Parse(value, selector, o)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&selectText, "select", "", "what to replace: regex:PATTERN (RE2 syntax)")
	cmd.Flags().IntVar(&opts.Tokens, "tokens", opts.Tokens, "length of every blank; 0 = that of the text it replaces")
	cmd.Flags().BoolVar(&opts.Strict, "strict", false, "unknown fields of a record are errors")
	return cmd
}

// fill runs a job that fills blanks.
func (f *jobFlags) fill(cmd *cobra.Command, env *Env, what string, parse func([]byte, bool) (*infill.Document, error)) (err error) {
	d, err := f.open(cmd, env)
	if err != nil {
		return err
	}
	defer func() {
		if closed := d.plugin.Close(); err == nil {
			err = closed
		}
	}()
	codec, err := infill.NewCodec(d.Tokenizer, d.Model.Config.MaxPositions)
	if err != nil {
		return &usageError{err}
	}
	job := jobs.NewFill(jobs.Fill{
		Parse: parse, Codec: codec, Tokenizer: d.Tokenizer, Vocab: d.Model.Config.Vocab,
		Engine: d.engine, Strategy: d.decider(), Mem: memory.NewGoAllocator(),
	})
	return f.runJob(cmd, env, job, what+"; "+d.identity)
}
