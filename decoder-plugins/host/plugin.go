package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Plugin is a strategy that was opened. Its Strategy or Planner behaves like one in
// this process: it keeps the rules of the contract, survives crashes of the process
// behind it, and fails single documents instead of batches.
type Plugin struct {
	options    Options
	identity   Identity
	launcher   *launcher // its info and spec are fixed once Open has returned
	supervisor *supervisor
	closing    context.Context // cancelled, with cause ErrClosed, by Close
	close      context.CancelCauseFunc
	steps      *stepper // nil when the strategy plans

	mu     sync.Mutex // one call at a time
	closed bool       // guarded by mu
}

// Identity names a strategy in records: what produced an output.
type Identity struct {
	Name    string
	Version string
	Params  string // all parameters, defaults too: "size=1,threshold=0.9"
	SHA256  string // hexadecimal, of an external executable; "" = built in
}

// String returns "name version (params)", and the digest of an external executable.
func (i Identity) String() string {
	s := fmt.Sprintf("%s %s (%s)", i.Name, i.Version, i.Params)
	if i.SHA256 != "" {
		s += " sha256:" + i.SHA256
	}
	return s
}

// Open starts the strategy of a specification such as "confidence:threshold=0.9" or
// "/path/to/executable:key=value". A name without a path separator is a built-in one, or
// else a file of the Directory. The context covers the start alone. The caller closes the plugin.
func Open(ctx context.Context, spec string, options Options) (*Plugin, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	l, err := newLauncher(spec, options)
	if err != nil {
		return nil, err
	}
	first, err := l.launch(ctx)
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	p := &Plugin{options: options, launcher: l, identity: Identity{Name: l.info.Name, Version: l.info.Version, Params: l.params.Canonical()}}
	if l.file != nil {
		p.identity.SHA256 = l.file.digest
	}
	p.supervisor = &supervisor{name: l.info.Name, options: options, logger: l.output.logger, launch: l.launch}
	p.supervisor.use(first)
	p.closing, p.close = context.WithCancelCause(context.Background())
	if !l.spec.Planned {
		p.steps = &stepper{Plugin: p, documents: make(map[uint64]*document)}
	}
	return p, nil
}

// newLauncher finds the strategy and prepares what its processes need.
func newLauncher(spec string, options Options) (*launcher, error) {
	name, values, err := sdk.ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	l := &launcher{options: options, values: values, output: &lineLog{logger: options.Logger.With("strategy", filepath.Base(name))}}
	if path := options.find(name); path != "" {
		if l.file, err = findExecutable(path, options.SHA256); err != nil {
			return nil, err
		}
	} else {
		if l.builtin, err = options.findBuiltin(name, values); err != nil || options.InProcess {
			return l, err
		}
	}
	l.sockets, err = newRunDir(options.TempDir)
	return l, err
}

// find returns the path of an executable that a name means, "" if it means a built-in
// strategy.
func (o *Options) find(name string) string {
	if strings.ContainsAny(name, `/\`) {
		return name
	}
	builtin := slices.ContainsFunc(o.Builtins, func(p sdk.Plugin) bool { return p.Info.Name == name })
	if path := filepath.Join(o.Directory, name); !builtin && o.Directory != "" {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// findBuiltin returns a built-in strategy that can be started with the values.
func (o *Options) findBuiltin(name string, values map[string]string) (*sdk.Plugin, error) {
	if o.SHA256 != "" {
		return nil, fmt.Errorf("plugin host: SHA256 pins an executable, and %s is built in", name)
	}
	found, err := sdk.Find(o.Builtins, name)
	if err != nil {
		where := ""
		if o.Directory != "" {
			where = fmt.Sprintf(", nor is it a file in %s", o.Directory)
		}
		return nil, fmt.Errorf("%w%s (an executable needs a path, such as ./%s)", err, where, name)
	}
	params, err := sdk.Resolve(found.Info.Params, values)
	if err == nil {
		_, err = found.New(params) // before a process is started in vain
	}
	if err != nil {
		return nil, fmt.Errorf("strategy %s: %w", name, err)
	}
	if o.Self.Path == "" && !o.InProcess {
		return nil, errors.New("plugin host: Options.Self or InProcess must be set to run a built-in strategy")
	}
	return &found, nil
}

// release removes what newLauncher made.
func (l *launcher) release() error {
	if l.sockets == nil {
		return nil
	}
	return l.sockets.remove()
}

// Info describes the plugin and its parameters.
func (p *Plugin) Info() sdk.Info { return p.launcher.info }

// Spec says what the strategy wants of the engine.
func (p *Plugin) Spec() strategy.Spec { return p.launcher.spec }

// Identity names the strategy in records.
func (p *Plugin) Identity() Identity { return p.identity }

// Strategy returns the strategy if it decides step by step, nil if it plans.
func (p *Plugin) Strategy() strategy.Strategy {
	if p.steps == nil {
		return nil
	}
	return p.steps
}

// Planner returns the strategy if it plans, nil if it decides step by step.
func (p *Plugin) Planner() strategy.Planner {
	if p.steps != nil {
		return nil
	}
	return planner{p}
}

// Close ends the strategy and its process. Calls in progress end with ErrClosed. It
// takes a few times StopTimeout at most, and may be called again.
func (p *Plugin) Close() error {
	p.close(ErrClosed)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.supervisor.discard()
	return p.launcher.release()
}

// PID returns the id of the running process, 0 if there is none.
func (p *Plugin) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, ok := p.supervisor.current.(*pluginProcess); ok {
		return i.run.process.cmd.Process.Pid
	}
	return 0
}

// Restart ends the process. The next call starts another, which goes on where this one
// was: documents in flight are introduced to it, with their states.
func (p *Plugin) Restart(ctx context.Context) error {
	_, done, err := p.enter(ctx)
	if err != nil {
		return err
	}
	defer done()
	p.supervisor.discard()
	return nil
}

// enter begins a call: one at a time, and ended by Close. The caller calls done.
func (p *Plugin) enter(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.closing, func() { cancel(ErrClosed) })
	p.mu.Lock()
	done = func() {
		p.mu.Unlock()
		stop()
		cancel(nil)
	}
	if p.closed {
		done()
		return nil, nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		err = context.Cause(ctx)
		done()
		return nil, nil, err
	}
	return ctx, done, nil
}
