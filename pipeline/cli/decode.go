package cli

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/jobs"
	"github.com/any-order/a3/pipeline/models"
	"github.com/any-order/a3/tokenize"
)

// decoder is a loaded model with an engine and, if the job fills blanks, a strategy.
type decoder struct {
	*models.Loaded
	engine   *decode.Engine
	plugin   *host.Plugin
	identity string
}

// openDecoder loads the model, with an engine, and starts the strategy if the job has
// one. The caller closes the result.
func openDecoder(ctx context.Context, env *Env, c *config.Config, w *watch) (*decoder, error) {
	k, compute, err := openKernels(env, c.Compute)
	if err != nil {
		return nil, err
	}
	ownGarbage := env.lookup("GOGC") == "" // else it is the user's
	if ownGarbage {
		debug.SetGCPercent(garbagePercent(1 << 62)) // while it is read
	}
	l, err := models.Load(ctx, c.Model, k, compute)
	if err != nil {
		return nil, &usageError{err}
	}
	if ownGarbage {
		debug.SetGCPercent(garbagePercent(l.Model.Bytes()))
	}
	d := &decoder{Loaded: l}
	if d.engine, err = decode.New(l.Model, engineOptions(c, l)); err != nil {
		return nil, &usageError{err}
	}
	parts := []string{"model " + d.Digest.String(), fmt.Sprintf("compute %s %s", l.Model.Type, l.Model.Kernels().Level())}
	if c.Job.Fills() {
		if d.plugin, err = openStrategy(ctx, env, c, l, w); err != nil {
			return nil, err
		}
		s := c.Decoding
		parts = append(parts, "strategy "+d.plugin.Identity().String(), "seed "+strconv.FormatUint(s.Seed, 10),
			fmt.Sprintf("temperature %v top_k %d top_p %v regroup %s cache %s", s.Temperature, s.TopK, s.TopP, s.Regroup, onOff(s.Cache)))
	}
	d.identity = strings.Join(parts, "; ")
	return d, nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// engineOptions are the engine's options for a model.
func engineOptions(c *config.Config, l *models.Loaded) decode.Options {
	o := decode.DefaultOptions()
	d := c.Decoding
	o.Seed, o.TopK, o.TopP, o.Given = d.Seed, d.TopK, d.TopP, l.Given
	if o.Greedy = d.Temperature == 0; !o.Greedy {
		o.Temperature = d.Temperature
	}
	o.NoCache, o.Regroup = !d.Cache, decode.Regroup(d.Regroup)
	o.Trace = c.Explain != nil
	o.MaxDocuments, o.MaxRows, o.Threads = c.Batching.Documents, c.Batching.Rows, threadCount(c.Compute)
	o.Banned = jobs.Banned(l.Tokenizer, l.Model.Config.Vocab)
	return o
}

// openStrategy starts the plugin.
func openStrategy(ctx context.Context, env *Env, c *config.Config, l *models.Loaded, w *watch) (*host.Plugin, error) {
	o := host.Options{
		Directory: c.Strategy.Directory, SHA256: c.Strategy.SHA256, AutoMTLS: c.Strategy.MTLS,
		InProcess: c.Strategy.InProcess, Builtins: builtin.List(), Vocab: int32(l.Model.Config.Vocab),
		Environ: env.Environ, Logger: w.logger,
		OnRestart:  func(strategy string, _ error) { w.metrics.PluginRestarted(strategy) },
		Vocabulary: func() [][]byte { return vocabulary(l.Tokenizer) },
	}
	if !o.InProcess {
		var err error
		if o.Self, err = self(); err != nil {
			return nil, err
		}
	}
	plugin, err := host.Open(ctx, c.Strategy.Spec(), o)
	if err != nil {
		return nil, &usageError{fmt.Errorf("strategy %s: %w", c.Strategy.Spec(), err)}
	}
	return plugin, nil
}

// self is the command by which this program runs one of its strategies.
func self() (host.Command, error) {
	path, err := os.Executable()
	if err != nil {
		return host.Command{}, fmt.Errorf("find this program, to run strategies from it: %w", err)
	}
	return host.Command{Path: host.SelfPath(path), Args: []string{servePlugin}}, nil
}

// vocabulary returns the bytes of each token; special tokens have none.
func vocabulary(t *tokenize.Tokenizer) [][]byte {
	words := make([][]byte, t.Vocab())
	for id := range words {
		if !t.IsSpecial(int32(id)) {
			words[id] = t.Bytes(int32(id))
		}
	}
	return words
}

// close ends the strategy.
func (d *decoder) close() error {
	if d.plugin == nil {
		return nil
	}
	return d.plugin.Close()
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
