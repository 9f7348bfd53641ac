package cli

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/pipeline/config"
)

// inputFlags say what to read.
type inputFlags struct {
	inputs []string
	format string // of the inputs
}

func (f *inputFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.inputs, "input", "i", nil, "file, glob or - for standard input (repeatable; the same as positional arguments)")
	flags.StringVar(&f.format, "format", "auto", "of the inputs: auto, jsonl, text (a file is a document) or text-lines")
}

// input returns the input that the flags name.
func (f *inputFlags) input() (in config.Input, err error) {
	for _, address := range f.inputs {
		if err := in.Add(address); err != nil {
			return in, usagef("input %s: %w", address, err)
		}
	}
	if len(f.inputs) == 0 {
		if err := in.Add(config.Stdio); err != nil {
			return in, err
		}
	}
	if in.Files != nil {
		in.Files.Format = f.format
	}
	return in, nil
}

// computeFlags say what to compute with.
type computeFlags struct{ config.Compute }

func (f *computeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.Threads, "threads", 0, "goroutines that compute; 0 = one for each CPU. It never changes a result")
	flags.StringVar(&f.CPU, "cpu", "", "CPU level: amx, avx512, avx2 or portable; empty = A3_CPU of the environment, else the best. Equal bytes are promised on one level")
	flags.StringVar(&f.Type, "compute", "", "what products are computed in: float32, bf16, or int8 (weights of 8 bits, not for training); empty = A3_COMPUTE of the environment, else bf16 where the CPU has tiles for it, else float32. Equal bytes are promised for one of them")
}

func (f *computeFlags) threadCount() int { return threadCount(f.Compute) }

func threadCount(c config.Compute) int {
	if c.Threads > 0 {
		return c.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// openKernels opens the CPU level and says what products are computed in. Where the
// configuration is silent, the environment's A3_CPU and A3_COMPUTE are asked.
func openKernels(env *Env, c config.Compute) (*kernels.Kernels, kernels.Type, error) {
	for name, value := range map[string]*string{"A3_CPU": &c.CPU, "A3_COMPUTE": &c.Type} {
		if *value == "" {
			*value = env.lookup(name)
		}
	}
	k, err := kernels.Open(kernels.Level(c.CPU))
	if err != nil {
		return nil, "", &usageError{err}
	}
	t, err := k.ParseType(c.Type)
	if err != nil {
		return nil, "", &usageError{err}
	}
	return k, t, nil
}

// jobFlags are the flags of a job over records. Each sets a field of its configuration;
// from there on it is the job that a3 run would run.
type jobFlags struct {
	inputFlags
	computeFlags
	watchFlags
	deliveryFlags
	config              config.Config // but for what stands in the other fields
	output, deadLetters string
	overwrite           bool
	strategy, cache     string
	explain             string
	quiet               bool
}

func newJobFlags() *jobFlags {
	f := &jobFlags{config: config.Default(), cache: "on"}
	f.config.Log.Level = "warn"
	f.strategy = f.config.Strategy.Name
	return f
}

// add adds the flags that every job has.
func (f *jobFlags) add(cmd *cobra.Command) {
	f.inputFlags.add(cmd)
	f.computeFlags.add(cmd)
	f.watchFlags.add(cmd)
	flags := cmd.Flags()
	f.deliveryFlags.add(cmd)
	flags.StringVarP(&f.output, "output", "o", config.Stdio, "file, - for standard output, or kafka://broker/topic")
	flags.StringVar(&f.deadLetters, "dead-letters", "", "file or kafka://broker/topic for records that failed; empty = complaints on standard error")
	flags.BoolVar(&f.overwrite, "overwrite", false, "start over: replace the output instead of going on behind what it holds")
	flags.StringVar(&f.config.Model, "model", "", "model directory; empty = the embedded one")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
}

// addFilling adds the flags of a job that fills blanks.
func (f *jobFlags) addFilling(cmd *cobra.Command) {
	c, flags := &f.config, cmd.Flags()
	flags.StringVar(&f.strategy, "strategy", f.strategy, "decode strategy: NAME[:k=v,...] or PATH[:k=v,...] (see a3 plugins list)")
	flags.StringVar(&c.Strategy.Directory, "plugin-dir", "", "folder of executables that --strategy knows by their file names")
	flags.BoolVar(&c.Strategy.InProcess, "in-process", false, "run a built-in strategy in this process instead of one of its own")
	flags.Uint64Var(&c.Decoding.Seed, "seed", 0, "of all random numbers; the same seed gives the same bytes")
	flags.Float64Var(&c.Decoding.Temperature, "temperature", 0, "0 = take the most probable token, above = draw, flatter the higher")
	flags.IntVar(&c.Decoding.TopK, "top-k", 0, "draw among the k most probable tokens; 0 = all")
	flags.Float64Var(&c.Decoding.TopP, "top-p", 1, "draw among the most probable tokens that hold this mass")
	flags.StringVar(&f.cache, "cache", "on", "on, or off: compute everything anew in each step, for checks. It changes stats.rows alone")
	flags.StringVar(&c.Decoding.Regroup, "regroup", string(decode.RegroupCommit), "commit, or published: regroup all known tokens before each step (another distribution, slow)")
	flags.StringVar(&f.explain, "explain", "", "text, json or html, with :FILE behind it: tell in which order the blanks were filled, how surely and in which groups; without FILE on standard error. It never changes a record")
	flags.IntVar(&c.Batching.Documents, "batch", c.Batching.Documents, "documents decoded at the same time. It never changes a result")
	flags.IntVar(&c.Batching.Rows, "rows", c.Batching.Rows, "rows of one model call over all documents. It never changes a result")
}

// flagOf names the flag that sets a field, for messages.
func flagOf(path string) string {
	for field, flag := range map[string]string{
		"input.files": "--input", "input.files.paths": "--input", "input.files.format": "--format", "input.kafka": "--input",
		"compute.threads": "--threads", "compute.cpu": "--cpu", "compute.type": "--compute",
		"batching.documents": "--batch", "batching.rows": "--rows",
		"job.infill.blank_tokens": "--blank-tokens", "job.rewrite.select": "--select", "job.rewrite.tokens": "--tokens",
		"strategy.name": "--strategy", "strategy.directory": "--plugin-dir", "decoding.temperature": "--temperature", "decoding.top_k": "--top-k",
		"decoding.top_p": "--top-p", "decoding.regroup": "--regroup",
		"explain": "--explain", "explain.form": "--explain", "explain.file": "--explain",
		"output": "--output", "output.file.path": "--output", "output.kafka": "--output", "dead_letters": "--dead-letters",
		"delivery.guarantee": "--exactly-once", "delivery.max_attempts": "--max-attempts", "delivery.max_failures": "--max-failures",
		"metrics.address": "--metrics-addr", "log.format": "--log-format", "log.level": "--log-level",
	} {
		if path == field {
			return flag
		}
	}
	return path
}

// complete returns the configuration that the flags make.
func (f *jobFlags) complete(args []string) (*config.Config, error) {
	c := f.config
	f.inputs = append(f.inputs, args...)
	var err error
	if c.Input, err = f.input(); err != nil {
		return nil, err
	}
	c.Compute = f.Compute
	f.watchFlags.apply(&c)
	f.deliveryFlags.apply(&c)
	if c.Output, err = parseOutput("--output", f.output, f.overwrite); err != nil {
		return nil, err
	}
	if f.deadLetters != "" {
		dead, err := parseOutput("--dead-letters", f.deadLetters, f.overwrite)
		if err != nil {
			return nil, err
		}
		c.DeadLetters = &dead
	}
	named, err := config.ParseStrategy(f.strategy)
	if err != nil {
		return nil, &usageError{err}
	}
	if f.explain != "" {
		e := config.ParseExplain(f.explain)
		c.Explain = &e
	}
	c.Strategy.Name, c.Strategy.Params = named.Name, named.Params
	switch f.cache {
	case "on", "off":
		c.Decoding.Cache = f.cache == "on"
	default:
		return nil, usagef("--cache is %q; use on or off", f.cache)
	}
	return &c, completeFlags(&c)
}

// completeFlags completes a configuration that flags made; its problems name them.
func completeFlags(c *config.Config) error {
	err := c.Complete()
	var found config.Problems
	if !errors.As(err, &found) {
		return err
	}
	lines := make([]string, len(found))
	for i, p := range found {
		lines[i] = p.About(flagOf(p.Path))
	}
	return usagef("%s", strings.Join(lines, "\n    "))
}

func parseOutput(flag, address string, overwrite bool) (config.Output, error) {
	out, err := config.ParseOutput(address)
	if err != nil {
		return out, usagef("%s: %w", flag, err)
	}
	if out.File != nil {
		out.File.Overwrite = overwrite
	}
	return out, nil
}

// version returns the module's version, or the commit the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
