// Package cli is the command line of a3: it reads flags and the environment, wires the
// packages together and turns errors into exit codes. Nothing else in the project
// reads flags or the environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	ExitOK      = 0
	ExitFailed  = 1   // some records failed, or the job did
	ExitUsage   = 2   // the command line or configuration is wrong; nothing was done
	ExitStopped = 130 // stopped by a second signal
)

// Env is what the command line touches of the world.
type Env struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main runs the command line of this process and returns its exit code.
func Main() int {
	// The first signal asks for a graceful stop, the second ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // from here on signals have their default effect again
	}()
	return Run(ctx, Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
}

// Run runs a command line and returns its exit code.
func Run(ctx context.Context, env Env) int {
	root := newRoot(&env)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	var failed *recordsFailed
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &failed):
		fmt.Fprintf(env.Stderr, "a3: %v\n", err)
		return ExitFailed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(env.Stderr, "a3: stopped; finished work is kept, the same command goes on from there")
		return ExitFailed
	}
	fmt.Fprintf(env.Stderr, "a3: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	return ExitFailed
}

// recordsFailed is the outcome of a job that finished, but not for all records.
type recordsFailed struct{ failed, total int }

func (e *recordsFailed) Error() string {
	return fmt.Sprintf("%d of %d records failed", e.failed, e.total)
}

// usageError is a mistake in the command line or a configuration.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func newRoot(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "a3",
		Short: "Fill, rewrite, score and learn from documents with an any-order language model",
		Long: `a3 takes documents from files or Kafka and fills, rewrites or scores them, or learns
from them, with a language model that predicts any subset of tokens in any order
(A3, arXiv 2601.13228). A decode strategy, a plugin process, decides which blanks
are filled when.

Exit codes: 0 success, 1 some records or the job failed, 2 wrong usage.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newTrain(env))
	return root
}
