package cli

import (
	"fmt"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/decoder-plugins/scaffold"
)

func newPluginsNew(env *Env) *cobra.Command {
	var o scaffold.Options
	cmd := &cobra.Command{
		Use:   "new [flags] NAME",
		Short: "Write a new decode strategy, with its test",
		Long: `New writes a folder with a working decode strategy in Go, its test, and a main function
that serves it. In the source of a3 it is one more package; elsewhere it gets a module of
its own, which takes a3 from --checkout and builds without a network.`,
		Example: `  a3 plugins new mine
  a3 plugins new mine --dir ~/plugins/mine --checkout ~/src/a3`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s takes one name, got %q", cmd.CommandPath(), args)
			}
			o.Name = args[0]
			if o.Dir == "" {
				o.Dir = o.Name
			}
			files, err := scaffold.Write(o)
			if err != nil {
				return &usageError{err}
			}
			return tellNew(env, o.Dir, files)
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "folder to make; empty = NAME in the current one")
	cmd.Flags().StringVar(&o.Checkout, "checkout", "", "folder with the source of a3; empty = the one around the new folder")
	return cmd
}

// tellNew says what was written, and what to do with it.
func tellNew(env *Env, dir string, files []string) error {
	for _, f := range files {
		if _, err := fmt.Fprintln(env.Stdout, path.Join(filepath.ToSlash(dir), f)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(env.Stdout, `
Next, in %[1]s:
  go test ./...                   # hold it to the rules of the contract
  go build -o plugin ./cmd        # the executable, for --strategy %[1]s/plugin
  a3 plugins check ./plugin       # the same rules, on the executable
`, dir)
	return err
}
