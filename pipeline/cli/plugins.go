package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/decoder-plugins/builtin"
)

func newPlugins(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plugins",
		Short:   "Work with decode strategies",
		Example: "  a3 plugins list",
		Args:    noCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "list",
		Short:   "List the built-in decode strategies with their parameters",
		Example: "  a3 plugins list",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			for _, p := range builtin.List() {
				fmt.Fprintf(w, "%s\t%s\t%s\n", p.Info.Name, p.Info.Version, p.Info.Doc)
				for _, param := range p.Info.Params {
					fmt.Fprintf(w, "  %s=%s\t%s\t%s\n", param.Name, param.Default, param.Range(), param.Doc)
				}
			}
			return w.Flush()
		},
	})
	return cmd
}

// servePlugin is the hidden command by which the program runs one of its strategies as
// a plugin process.
const servePlugin = "serve-plugin"

func newServePlugin() *cobra.Command {
	return &cobra.Command{
		Use:    servePlugin + " NAME",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return builtin.Serve(args[0]) },
	}
}
