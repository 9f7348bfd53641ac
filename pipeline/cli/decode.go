package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/models"
)

// decodeFlags say how blanks are filled.
type decodeFlags struct {
	computeFlags
	model, strategy string
	seed            uint64
	temperature     float64
	topK            int
	topP            float64
	cache, regroup  string
	batch, maxRows  int
	inProcess       bool
}

// addModel adds the flags that every use of a model has, and leaves the others at
// their defaults.
func (f *decodeFlags) addModel(cmd *cobra.Command) {
	f.computeFlags.add(cmd)
	cmd.Flags().StringVar(&f.model, "model", "", "model directory; empty = the embedded one")
	f.topP, f.cache, f.regroup, f.batch, f.maxRows = 1, "on", string(decode.RegroupCommit), defaultBatch, defaultRows
}

const (
	defaultBatch = 64
	defaultRows  = 4096
)

func (f *decodeFlags) add(cmd *cobra.Command) {
	f.addModel(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.strategy, "strategy", "confidence", "decode strategy: NAME[:k=v,...] or PATH[:k=v,...] (see a3 plugins list)")
	flags.Uint64Var(&f.seed, "seed", 0, "of all random numbers; the same seed gives the same bytes")
	flags.Float64Var(&f.temperature, "temperature", 0, "0 = take the most probable token, above = draw, flatter the higher")
	flags.IntVar(&f.topK, "top-k", 0, "draw among the k most probable tokens; 0 = all")
	flags.Float64Var(&f.topP, "top-p", 1, "draw among the most probable tokens that hold this mass")
	flags.StringVar(&f.cache, "cache", "on", "on, or off: compute everything anew in each step, for checks. It changes stats.rows alone")
	flags.StringVar(&f.regroup, "regroup", string(decode.RegroupCommit), "commit, or published: regroup all known tokens before each step (another distribution, slow)")
	flags.IntVar(&f.batch, "batch", defaultBatch, "documents decoded at the same time. It never changes a result")
	flags.IntVar(&f.maxRows, "rows", defaultRows, "rows of one model call over all documents. It never changes a result")
	flags.BoolVar(&f.inProcess, "in-process", false, "run a built-in strategy in this process instead of one of its own")
}

// options returns the engine's options for a model.
func (f *decodeFlags) options(l *models.Loaded) (decode.Options, error) {
	switch {
	case !(f.temperature >= 0 && f.temperature <= 100):
		return decode.Options{}, usagef("--temperature is %v; it must be 0 (take the most probable token) to 100", f.temperature)
	case f.temperature == 0 && (f.topK != 0 || f.topP != 1):
		return decode.Options{}, usagef("--top-k and --top-p say among which tokens to draw, but at --temperature 0 nothing is drawn; give a temperature, such as 0.8")
	case f.batch < 1:
		return decode.Options{}, usagef("--batch is %d; it must be at least 1 document", f.batch)
	case f.maxRows < 1:
		return decode.Options{}, usagef("--rows is %d; it must be at least 1", f.maxRows)
	}
	o := decode.DefaultOptions()
	o.Seed, o.TopK, o.TopP, o.Given = f.seed, f.topK, f.topP, l.Given
	if o.Greedy = f.temperature == 0; !o.Greedy {
		o.Temperature = f.temperature
	}
	switch f.cache {
	case "on", "off":
		o.NoCache = f.cache == "off"
	default:
		return o, usagef("--cache is %q; use on or off", f.cache)
	}
	o.Regroup = decode.Regroup(f.regroup)
	o.MaxDocuments, o.MaxRows, o.Threads = f.batch, f.maxRows, f.threadCount()
	o.Banned = jobs.Banned(l.Tokenizer, l.Model.Config.Vocab)
	if err := o.Validate(l.Model.Config.Vocab); err != nil {
		return o, &usageError{err}
	}
	return o, nil
}

// decoder is a loaded model with an engine and a strategy.
type decoder struct {
	*models.Loaded
	engine   *decode.Engine
	plugin   *host.Plugin
	identity string
}

// open loads the model and starts the strategy. The caller closes the result.
func (f *decodeFlags) open(cmd *cobra.Command, env *Env) (*decoder, error) {
	d, err := f.load(cmd, env)
	if err != nil {
		return nil, err
	}
	o := host.Options{
		InProcess: f.inProcess, Builtins: builtin.List(), Vocab: int32(d.Model.Config.Vocab),
		Environ: env.Environ, Logger: newLogger(env.Stderr),
	}
	if !f.inProcess {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program, to run strategies from it: %w", err)
		}
		o.Self = host.Command{Path: host.SelfPath(self), Args: []string{servePlugin}}
	}
	if d.plugin, err = host.Open(cmd.Context(), f.strategy, o); err != nil {
		return nil, &usageError{fmt.Errorf("strategy %s: %w", f.strategy, err)}
	}
	d.identity = strings.Join([]string{
		"model " + d.Digest.String(), d.computedIn(), "strategy " + d.plugin.Identity().String(),
		"seed " + strconv.FormatUint(f.seed, 10),
		fmt.Sprintf("temperature %v top_k %d top_p %v regroup %s cache %s", f.temperature, f.topK, f.topP, f.regroup, f.cache),
	}, "; ")
	return d, nil
}

// load loads the model with an engine, without a strategy.
func (f *decodeFlags) load(cmd *cobra.Command, env *Env) (*decoder, error) {
	k, compute, err := f.kernels(env)
	if err != nil {
		return nil, err
	}
	ownGarbage := env.lookup("GOGC") == "" // else it is the user's
	if ownGarbage {
		debug.SetGCPercent(garbagePercent(1 << 62)) // while it is read
	}
	l, err := models.Load(cmd.Context(), f.model, k, compute)
	if err != nil {
		return nil, &usageError{err}
	}
	if ownGarbage {
		debug.SetGCPercent(garbagePercent(l.Model.Bytes()))
	}
	o, err := f.options(l)
	if err != nil {
		return nil, err
	}
	engine, err := decode.New(l.Model, o)
	if err != nil {
		return nil, &usageError{err}
	}
	return &decoder{Loaded: l, engine: engine}, nil
}

// computedIn names what the bits of results depend on besides the model.
func (d *decoder) computedIn() string {
	return fmt.Sprintf("compute %s %s", d.Model.Type, d.Model.Kernels().Level())
}

// garbagePercent is how much of the heap may be garbage, beside weights of n bytes: about
// 64 MiB, or a quarter. Go's default of 100 % could hold the memory of a large model twice.
func garbagePercent(n int) int { return min(max(100*(64<<20)/max(n, 1), 25), 100) }

// decider is the strategy as the engine takes it.
func (d *decoder) decider() decode.Decider {
	if p := d.plugin.Planner(); p != nil {
		return p
	}
	return d.plugin.Strategy()
}

func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
