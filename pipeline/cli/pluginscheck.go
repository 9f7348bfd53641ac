package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func newPluginsCheck(env *Env) *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "check [flags] STRATEGY...",
		Short: "Hold a decode strategy to the rules of the contract",
		Long: `Check starts each strategy, an executable or a built-in one, as a job would, and drives it
with a simulated engine: documents of many shapes, other batches, other ids, restarts in
mid-document, cancelled calls. It prints a line for each rule, and for a broken one what
was found. The rules are those of decoder-plugins/CONTRACT.md.

Exit codes: 0 all rules are kept, 1 some are broken, 2 it could not be started.`,
		Example: `  a3 plugins check ./mine/plugin
  a3 plugins check ./mine/plugin:sure=0.5 confidence:size=4`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s takes strategies, got none", cmd.CommandPath())
			}
			var logger *slog.Logger
			if verbose {
				logger = slog.New(slog.NewTextHandler(env.Stderr, nil))
			}
			return checkPlugins(cmd.Context(), env, args, logger)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what the strategy writes, and restarts")
	return cmd
}

// checkOptions are those under which strategies are tried out: with little patience.
func checkOptions(env *Env, logger *slog.Logger) host.Options {
	return host.Options{
		Builtins: builtin.List(), Environ: env.Environ, Logger: logger, Vocabulary: sdktest.Vocabulary,
		CallTimeout: 2 * time.Second, MaxFailures: 4, MaxBackoff: 50 * time.Millisecond,
	}
}

// checkPlugins checks one strategy after the other.
func checkPlugins(ctx context.Context, env *Env, specs []string, logger *slog.Logger) error {
	o := checkOptions(env, logger)
	var err error
	if o.Self, err = self(); err != nil {
		return err
	}
	broken := 0
	for _, spec := range specs {
		n, err := checkPlugin(ctx, env, spec, o)
		if err != nil {
			return err
		}
		broken += n
	}
	if broken > 0 {
		return fmt.Errorf("%s broken", plural(broken, "rule"))
	}
	return nil
}

// checkPlugin prints what a strategy is and how it fares, and returns how many rules it
// breaks.
func checkPlugin(ctx context.Context, env *Env, spec string, o host.Options) (broken int, err error) {
	p, err := host.Open(ctx, spec, o)
	if err != nil {
		return 0, &usageError{fmt.Errorf("strategy %s: %w", spec, err)}
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\n%s\n", p.Identity(), wants(p.Spec()))
	if err := p.Close(); err != nil {
		return 0, err
	}
	open := sdktest.Hosted(spec, o)
	for _, rule := range sdktest.Rules() {
		cause := rule.Check(ctx, open)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if cause == nil {
			_, err = fmt.Fprintf(env.Stdout, "  ok      %s\n", rule.Name)
		} else {
			broken++
			_, err = fmt.Fprintf(env.Stdout, "  BROKEN  %s\n          %s\n", rule.Name, strings.ReplaceAll(cause.Error(), "\n", "\n          "))
		}
		if err != nil {
			return 0, err
		}
	}
	return broken, err
}

// wants says in words what a strategy asks for.
func wants(s strategy.Spec) string {
	if s.Planned {
		if s.Text {
			return "  plans up front, and reads the text"
		}
		return "  plans up front"
	}
	var columns []string
	for _, c := range []struct {
		bit  strategy.Columns
		name string
	}{
		{strategy.ColumnToken, "token"}, {strategy.ColumnProb, "probability"}, {strategy.ColumnMaxProb, "largest probability"},
		{strategy.ColumnEntropy, "entropy"}, {strategy.ColumnMargin, "margin"},
	} {
		if s.Columns&c.bit != 0 {
			columns = append(columns, c.name)
		}
	}
	if s.Top > 0 {
		columns = append(columns, fmt.Sprintf("the %d likeliest tokens", s.Top))
	}
	if s.Text {
		columns = append(columns, "the text")
	}
	if len(columns) == 0 {
		columns = []string{"positions alone"}
	}
	window := s.Window
	if window == 0 {
		window = strategy.DefaultWindow
	}
	return fmt.Sprintf("  decides step by step, sees %s of up to %s at a time", strings.Join(columns, ", "), plural(window, "position"))
}
