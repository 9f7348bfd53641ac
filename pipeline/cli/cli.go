// Package cli is the command line of a3: it reads flags and the environment, wires the
// packages together and turns errors into exit codes. Nothing else in the project
// reads flags or the environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/bench"
	"github.com/any-order/a3/pipeline/training"
)

// The exit codes.
const (
	ExitOK      = 0
	ExitFailed  = 1   // some records failed, or the job did
	ExitUsage   = 2   // the command line or configuration is wrong; nothing was done
	ExitStopped = 130 // stopped by a signal before the input was exhausted; finished work is kept
)

// Env is what the command line touches of the world.
type Env struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string        // as from os.Environ; what plugins may see of it is a list of names
	Stop           <-chan struct{} // closed: finish what has been read, then end

	status *statusLine                  // what Stderr is while Run runs
	log    *atomic.Pointer[slog.Logger] // takes the place of words on Stderr once a job has one of JSON
}

// Main runs the command line of this process and returns its exit code. The first
// interrupt or termination signal asks for a graceful stop, the second ends at once.
func Main() int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stop := make(chan struct{})
	go func() {
		<-signals
		close(stop)
		<-signals
		os.Exit(ExitStopped)
	}()
	return Run(context.Background(), Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Stop: stop,
	})
}

// Run runs a command line and returns its exit code.
func Run(ctx context.Context, env Env) int {
	env.status = newStatusLine(env.Stderr)
	env.Stderr = env.status
	env.log = &atomic.Pointer[slog.Logger]{}
	ended := env.announceStop()
	defer ended()
	root := newRoot(&env)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	env.say(slog.LevelError, err.Error())
	var usage *usageError
	var job *stopped
	var run *training.StoppedError
	var measured *bench.StoppedError
	switch {
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &job), errors.As(err, &run), errors.As(err, &measured):
		return ExitStopped
	}
	return ExitFailed
}

// announceStop puts itself before Stop: that a stop was asked for is said before anything
// heeds it. The caller calls ended.
func (e *Env) announceStop() (ended func()) {
	asked, stop, done := e.Stop, make(chan struct{}), make(chan struct{})
	e.Stop = stop
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-asked:
			e.say(slog.LevelInfo, "finishing what has been begun; once more ends at once")
			close(stop)
		case <-done:
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// recordsFailed is the outcome of a job that finished, but not for all records.
type recordsFailed struct{ failed, total int }

func (e *recordsFailed) Error() string {
	return fmt.Sprintf("%d of %d records failed", e.failed, e.total)
}

// stopped is the outcome of a job that was stopped before its input was exhausted.
type stopped struct{ resumable bool }

func (e *stopped) Error() string {
	text := "stopped before the end of the input; what was begun is written"
	if e.resumable {
		text += ", and the same command goes on from there"
	}
	return text
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

Exit codes: 0 success, 1 some records or the job failed, 2 wrong usage, 130 stopped by a
signal (finished work is kept; a second signal ends at once).`,
		Example: `  a3 infill stories.jsonl
  a3 train --output runs/tales tales.jsonl.gz
  a3 score --model runs/tales/model stories.jsonl`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef("%w; see %s --help", err, cmd.CommandPath()) })
	root.AddCommand(
		newInfill(env), newRewrite(env), newScore(env), newTrain(env), newRun(env), newLint(env),
		newPlugins(env), newModel(env), newBench(env), newVersion(env), newServePlugin(),
	)
	return root
}

// noCommand is the argument check of a command that only has subcommands.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := "see " + cmd.CommandPath() + " --help"
	if close := cmd.SuggestionsFor(args[0]); len(close) > 0 {
		hint = "did you mean " + close[0] + "?"
	}
	return usagef("%s has no command %q; %s", cmd.CommandPath(), args[0], hint)
}

// noArgs is the argument check of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// lookup returns a variable of the environment, or nothing.
func (e *Env) lookup(name string) string {
	value, _ := e.variable(name)
	return value
}

// variable returns a variable of the environment, and whether it is set.
func (e *Env) variable(name string) (value string, set bool) {
	for _, v := range slices.Backward(e.Environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
