package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/config"
)

func newLint(env *Env) *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "lint [flags] CONFIG...",
		Short: "Check configurations without running them",
		Long: `Lint prints all that is wrong with configurations, a line each: file, line, field, what
is wrong and what would be right. It looks at the text alone, with the parameters of shipped
strategies; whether files, brokers and topics are there, a run finds out.

Exit codes: 0 all are right, 1 some are wrong, 2 wrong usage.`,
		Example: `  a3 lint job.yaml
  a3 lint pipeline/examples/*.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s takes configurations, got none", cmd.CommandPath())
			}
			return lint(env, args, set)
		},
	}
	cmd.Flags().StringArrayVarP(&set, "set", "s", nil, "PATH=VALUE: change a field, as for a3 run (repeatable)")
	return cmd
}

// lint prints what is wrong with configurations to standard output.
func lint(env *Env, paths, set []string) error {
	wrong := 0
	for _, path := range paths {
		_, err := loadConfig(env, path, set)
		var problems config.Problems
		switch {
		case err == nil:
			continue
		case !errors.As(err, &problems):
			return &usageError{err} // it cannot be read
		}
		wrong++
		if _, err := fmt.Fprintln(env.Stdout, problems); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %s wrong", wrong, plural(len(paths), "configuration"))
	}
	return nil
}
