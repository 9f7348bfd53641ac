package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

func newPlugins(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugins",
		Short: "Work with decode strategies: list, check, write a new one",
		Example: `  a3 plugins list
  a3 plugins new mine
  a3 plugins check ./mine/plugin`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPluginsList(env), newPluginsCheck(env), newPluginsNew(env))
	return cmd
}

func newPluginsList(env *Env) *cobra.Command {
	var directory string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List decode strategies with their parameters",
		Long: `List the built-in decode strategies, and those of a folder of executables, with their
parameters: name=default, range, meaning.`,
		Example: `  a3 plugins list
  a3 plugins list --plugin-dir ~/a3-plugins`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			for _, p := range builtin.List() {
				describe(w, p.Info, "")
			}
			if directory != "" {
				if err := listDirectory(cmd.Context(), env, w, directory); err != nil {
					return err
				}
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&directory, "plugin-dir", "", "folder of executables to list as well; each is started and asked")
	return cmd
}

// describe writes what a strategy is, and whatever else is to be said of it.
func describe(w io.Writer, info sdk.Info, more string) {
	fmt.Fprintf(w, "%s\t%s\t%s%s\n", info.Name, info.Version, info.Doc, more)
	for _, param := range info.Params {
		fmt.Fprintf(w, "  %s=%s\t%s\t%s\n", param.Name, param.Default, param.Range(), param.Doc)
	}
}

// listDirectory starts each executable of a folder and describes it, or says why it is
// none of ours.
func listDirectory(ctx context.Context, env *Env, w io.Writer, directory string) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return &usageError{err}
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		path := filepath.Join(directory, entry.Name())
		p, err := host.Open(ctx, path, checkOptions(env, nil))
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			fmt.Fprintf(w, "%s\t-\t%v\n", entry.Name(), err)
			continue
		}
		describe(w, p.Info(), fmt.Sprintf(" (%s, sha256:%s)", path, p.Identity().SHA256))
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}

// servePlugin is the hidden command by which the program runs one of its strategies as
// a plugin process.
const servePlugin = "serve-plugin"

func newServePlugin() *cobra.Command {
	return &cobra.Command{
		Use:    servePlugin + " NAME",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			// It answers one question at a time, and the other cores are the engine's: Go's
			// scheduler would wake threads there to look for work, at a fifth of the cost.
			runtime.GOMAXPROCS(1)
			return builtin.Serve(args[0])
		},
	}
}
