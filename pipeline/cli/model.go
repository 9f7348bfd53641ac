package cli

import (
	"fmt"
	"runtime"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/tokenize"
)

func newModel(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "model",
		Short:   "Work with models",
		Example: "  a3 model inspect runs/tales/model",
		Args:    noCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "inspect [DIR]",
		Short: "Show a model's architecture, sizes, tokenizer and card",
		Long:  "Inspect shows what is in a model directory; without one, of the embedded model. Checkpoints of a run are model directories too.",
		Example: `  a3 model inspect
  a3 model inspect runs/tales/model`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return inspect(cmd, env, "")
			case 1:
				return inspect(cmd, env, args[0])
			}
			return usagef("%s takes one directory, got %d", cmd.CommandPath(), len(args))
		},
	})
	cmd.AddCommand(newModelImport(env), newModelExport(env))
	return cmd
}

func inspect(cmd *cobra.Command, env *Env, path string) error {
	dir, err := models.Open(path)
	if err != nil {
		return &usageError{err}
	}
	defer dir.Close()
	c := model.ConfigOf(dir.Config)
	if err := c.Validate(); err != nil {
		return err
	}
	digest, err := dir.Digest(cmd.Context())
	if err != nil {
		return err
	}
	types := map[string]int{}
	for _, name := range dir.Weights.Names() {
		info, err := dir.Weights.Info(name)
		if err != nil {
			return err
		}
		types[string(info.DType)] += info.Len()
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("digest", "%s", digest)
	row("parameters", "%d", c.Params())
	for _, t := range []string{"F32", "BF16", "F16", "F64"} {
		if n := types[t]; n > 0 {
			row("stored as", "%s, %d values", t, n)
		}
	}
	row("hidden", "%d", c.Hidden)
	row("layers", "%d", c.Layers)
	row("heads", "%d of %d floats, %d for keys and values", c.Heads, c.HeadDim, c.KVHeads)
	row("ffn", "%d", c.FFN)
	row("vocabulary", "%d, head %s", c.Vocab, map[bool]string{true: "tied", false: "untied"}[c.Tied])
	row("context", "%d positions", c.MaxPositions)
	row("residual", "%s", c.Residual)
	row("given", "%s", dir.Config.Given)
	row("query stream", "%s", map[bool]string{true: "trained", false: "missing: a plain Llama"}[dir.Weights.Has(model.QueryEmbed)])
	if dir.Tokenizer != nil {
		tok, err := tokenize.Parse(dir.Tokenizer)
		if err != nil {
			return fmt.Errorf("tokenizer.json: %w", err)
		}
		special := func(id int32, ok bool) string {
			if !ok {
				return "none"
			}
			return strconv.Quote(string(tok.Bytes(id)))
		}
		row("tokenizer", "%d tokens, BOS %s, EOS %s", tok.Vocab(), special(tok.BOS()), special(tok.EOS()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if dir.Card != "" {
		_, err = fmt.Fprintf(env.Stdout, "\n%s", dir.Card)
	}
	return err
}

func newVersion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the Go release and the CPU levels of this machine",
		Example: "  a3 version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.Stdout, "a3 %s, %s %s/%s, CPU levels %v\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kernels.Levels())
			return err
		},
	}
}
