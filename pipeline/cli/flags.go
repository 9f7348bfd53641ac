package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/connectors/file"
	"github.com/any-order/a3/core/kernels"
)

// inputFlags say what to read.
type inputFlags struct {
	inputs []string
	format string
}

func (f *inputFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.inputs, "input", "i", nil, "file, glob or - for standard input (repeatable; the same as positional arguments)")
	flags.StringVar(&f.format, "format", "auto", "of the inputs: auto, jsonl, text (a file is a document) or text-lines")
}

// openFiles opens the inputs with the file connector; none means standard input.
func (f *inputFlags) openFiles(env *Env, exclude ...string) (*file.Source, error) {
	if len(f.inputs) == 0 {
		f.inputs = []string{stdio}
		if isTerminal(env.Stdin) {
			fmt.Fprintln(env.Stderr, "reading records from the terminal, one a line; Ctrl-D ends")
		}
	}
	o := file.DefaultSourceOptions()
	o.Paths, o.Stdin, o.Exclude = f.inputs, env.Stdin, exclude
	var err error
	if o.Format, err = file.ParseFormat(f.format); err != nil {
		return nil, &usageError{err}
	}
	src, err := file.OpenSource(o)
	if err != nil {
		return nil, &usageError{err}
	}
	return src, nil
}

// computeFlags say what to compute with.
type computeFlags struct {
	threads int
	cpu     string
	compute string
}

func (f *computeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.threads, "threads", 0, "goroutines that compute; 0 = one for each CPU. It never changes a result")
	flags.StringVar(&f.cpu, "cpu", "", "CPU level: amx, avx512, avx2 or portable; empty = A3_CPU of the environment, else the best. Equal bytes are promised on one level")
	flags.StringVar(&f.compute, "compute", "", "what products are computed in: float32, bf16, or int8 (weights of 8 bits, not for training); empty = A3_COMPUTE of the environment, else bf16 where the CPU has tiles for it, else float32. Equal bytes are promised for one of them")
}

func (f *computeFlags) threadCount() int {
	if f.threads > 0 {
		return f.threads
	}
	return runtime.GOMAXPROCS(0)
}

// kernels opens the CPU level and says what products are computed in. Where the flags are
// silent, the environment's A3_CPU and A3_COMPUTE are asked.
func (f *computeFlags) kernels(env *Env) (*kernels.Kernels, kernels.Type, error) {
	if f.threads < 0 {
		return nil, "", usagef("--threads is %d; it must not be negative", f.threads)
	}
	level, compute := f.cpu, f.compute
	for name, value := range map[string]*string{"A3_CPU": &level, "A3_COMPUTE": &compute} {
		if *value == "" {
			*value = env.lookup(name)
		}
	}
	k, err := kernels.Open(kernels.Level(level))
	if err != nil {
		return nil, "", &usageError{err}
	}
	t, err := k.ParseType(compute)
	if err != nil {
		return nil, "", &usageError{err}
	}
	return k, t, nil
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
