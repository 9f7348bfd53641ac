package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/models/convert"
)

func newModelInspect(env *Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect [PATH]",
		Short: "Show a model's architecture, sizes, types, tokenizer and training",
		Long: `Inspect shows what a model is without running it. PATH is a model directory, ours or
Hugging Face's, a GGUF file, a checkpoint, or the directory of a run, of which the newest
checkpoint is shown; without PATH it is the embedded model.`,
		Example: `  a3 model inspect
  a3 model inspect runs/tales/model
  a3 model inspect --json SmolLM2-135M-Instruct.Q4_1.gguf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ""
			switch len(args) {
			case 0:
			case 1:
				path = args[0]
			default:
				return usagef("%s takes one directory or file, got %d", cmd.CommandPath(), len(args))
			}
			d, err := convert.Describe(cmd.Context(), path)
			if err != nil {
				return &usageError{err}
			}
			if asJSON {
				enc := json.NewEncoder(env.Stdout)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(d)
			}
			return printDescription(env.Stdout, d)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func printDescription(out io.Writer, d *convert.Description) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	switch {
	case d.Digest != "":
		row("digest", "%s", d.Digest)
	case d.Kind == convert.KindGGUF:
		row("format", "GGUF version %d", d.Version)
	}
	row("architecture", "llama")
	row("parameters", "%d", d.Parameters)
	for _, s := range d.Stored {
		row("stored as", "%s, %s, %d values", s.Type, plural(s.Tensors, "tensor"), s.Values)
	}
	row("hidden", "%d", d.Hidden)
	row("layers", "%d", d.Layers)
	row("heads", "%d of %d floats, %d for keys and values", d.Heads, d.HeadDim, d.KVHeads)
	row("ffn", "%d", d.FFN)
	row("vocabulary", "%d, head %s", d.Vocab, map[bool]string{true: "tied", false: "untied"}[d.TiedHead])
	row("context", "%d positions", d.Context)
	row("rotation", "theta %g%s", d.RopeTheta, map[bool]string{true: ", " + d.RopeScale}[d.RopeScale != ""])
	row("residual", "%s", d.Residual)
	row("given", "%s", d.Given)
	row("query stream", "%s", map[bool]string{true: "trained", false: "missing: a plain Llama"}[d.Query])
	row("tokenizer", "%s", formatTokenizer(d.Tokenizer))
	if c := d.Checkpoint; c != nil {
		row("checkpoint", "step %d, seed %d, compute %s, CPU level %s, by %s", c.Step, c.Seed, c.Compute, c.CPULevel, c.Tool)
		row("curriculum", "%s", c.Curriculum)
		if len(c.Losses) > 0 {
			row("losses", "%s", formatLosses(c.Losses))
		}
	}
	for i, r := range d.Training {
		from := "random weights"
		if r.Init != "" {
			from = "model " + r.Init
		}
		row("run "+strconv.Itoa(i+1), "%s of at most %d tokens from %s, seed %d, %s, compute %s, CPU level %s, by %s",
			plural(r.Steps, "step"), r.Batch, from, r.Seed, plural(r.Documents, "document"), r.Compute, r.CPULevel, r.Tool)
		if len(r.HeldOut) > 0 {
			row("", "before: %s", formatLosses(r.HeldOut))
		}
		for _, stage := range r.Stages {
			text := fmt.Sprintf("%s (%s): %s, %d tokens", stage.Name, stage.Phases, plural(stage.Steps, "step"), stage.Tokens)
			if len(stage.HeldOut) > 0 {
				text += ": " + formatLosses(stage.HeldOut)
			}
			row("", "%s", text)
		}
	}
	for _, note := range d.Notes {
		row("note", "%s", note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if d.Card != "" {
		_, err := fmt.Fprintf(out, "\n%s", d.Card)
		return err
	}
	return nil
}

func formatTokenizer(t *convert.Tokenizer) string {
	special := func(text string) string {
		if text == "" {
			return "none"
		}
		return strconv.Quote(text)
	}
	switch {
	case t == nil:
		return "none"
	case t.Error != "":
		return "not usable: " + t.Error
	}
	return fmt.Sprintf("%s, %d tokens, BOS %s, EOS %s", t.Kind, t.Tokens, special(t.BOS), special(t.EOS))
}
