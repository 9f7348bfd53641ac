package host

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/internal/remote"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// launcher starts instances of one strategy. The first start fixes what it is; a
// later one that differs is refused.
type launcher struct {
	options Options
	values  map[string]string // parameters as given
	builtin *sdk.Plugin       // nil = external
	file    *executable       // nil = built-in
	sockets *runDir           // nil = in process
	output  *lineLog

	started bool // the fields below are known
	info    sdk.Info
	params  sdk.Params
	spec    strategy.Spec

	vocabulary [][]byte // nil until a strategy reads it
}

// launch starts an instance that is ready for calls.
func (l *launcher) launch(ctx context.Context) (instance, error) {
	if l.builtin != nil && l.options.InProcess {
		return l.launchLocal(ctx)
	}
	if l.file != nil {
		if err := l.file.verify(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.options.StartTimeout,
		fmt.Errorf("%w: it was not ready after %v", ErrTimeout, l.options.StartTimeout))
	defer cancel()
	return l.launchProcess(ctx)
}

func (l *launcher) launchLocal(ctx context.Context) (instance, error) {
	s, err := l.builtin.Open(l.values)
	if err != nil {
		return nil, err
	}
	err = l.identify(l.builtin.Info, func(sdk.Params) (strategy.Spec, error) { return s.Spec(), nil })
	if err != nil {
		return nil, err
	}
	i := &local{strategy: s, timeout: l.options.CallTimeout}
	return i, l.read(ctx, i)
}

// read tells a strategy that reads what tokens mean.
func (l *launcher) read(ctx context.Context, i instance) error {
	if !l.spec.Text {
		return nil
	}
	if l.options.Vocabulary == nil {
		return fmt.Errorf("strategy %s reads text, and there is no vocabulary: Options.Vocabulary must be set", l.spec.Name)
	}
	if l.vocabulary == nil {
		l.vocabulary = l.options.Vocabulary()
	}
	return i.Read(ctx, l.vocabulary)
}

// launchProcess starts the process, shakes hands, checks its health, configures it
// and opens a session.
func (l *launcher) launchProcess(ctx context.Context) (_ instance, err error) {
	command := l.command()
	run := &pluginRunner{command: command, log: l.output.line}
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Version: {}},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			run.env = append(allowedEnv(l.options.Environ, l.options.AllowEnv), cmd.Env...)
			return run, nil
		},
		SkipHostEnv:      true,
		AutoMTLS:         l.options.AutoMTLS,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),      // the runner and this file say all there is to say
		StartTimeout:     2 * l.options.StartTimeout, // the context ends it before
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: l.sockets.path},
		SyncStdout:       &lineWriter{log: l.output.line},
		SyncStderr:       &lineWriter{log: l.output.line},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
			// Fixed windows: else gRPC measures the connection, with a ping for each message.
			grpc.WithInitialWindowSize(wire.Window), grpc.WithInitialConnWindowSize(wire.Window),
		},
	})
	p := &pluginProcess{client: client, run: run, grace: l.options.StopTimeout, output: l.output}
	defer func() {
		if err != nil {
			p.Close()
			err = startError(ctx, command.Path, run.process, err)
		}
	}()
	// Start knows no context.
	defer context.AfterFunc(ctx, func() { _ = run.Kill(ctx) })()
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	conn := protocol.(*goplugin.GRPCClient).Conn // the only protocol allowed
	health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	if err != nil {
		return nil, fmt.Errorf("check health: %w", err)
	}
	if s := health.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return nil, fmt.Errorf("check health: the plugin says %v", s)
	}
	info, err := remote.Describe(ctx, conn)
	if err != nil {
		return nil, err
	}
	err = l.identify(info, func(params sdk.Params) (strategy.Spec, error) {
		return remote.Configure(ctx, conn, info.Name, params.Text())
	})
	if err != nil {
		return nil, err
	}
	if p.Session, err = remote.Open(ctx, conn, l.spec, l.options.CallTimeout); err != nil {
		return nil, err
	}
	return p, l.read(ctx, p)
}

// identify resolves the parameters, asks for the specification, and holds both and
// the description to what they were at the first start.
func (l *launcher) identify(info sdk.Info, configure func(sdk.Params) (strategy.Spec, error)) error {
	params, err := sdk.Resolve(info.Params, l.values)
	if err != nil {
		return fmt.Errorf("strategy %s: %w", info.Name, err)
	}
	spec, err := configure(params)
	if err != nil {
		return err
	}
	if !l.started {
		l.started, l.info, l.params, l.spec = true, info, params, spec
		return nil
	}
	was := fmt.Sprint(l.info.Name, " ", l.info.Version, " (", l.params.Canonical(), ") ", l.spec)
	if is := fmt.Sprint(info.Name, " ", info.Version, " (", params.Canonical(), ") ", spec); is != was {
		return fmt.Errorf("%w: it was %s, and is %s now; run the job again", ErrChanged, was, is)
	}
	return nil
}

func (l *launcher) command() Command {
	if l.file != nil {
		return Command{Path: l.file.path}
	}
	self := l.options.Self
	return Command{Path: self.Path, Args: append(self.Args[:len(self.Args):len(self.Args)], l.builtin.Info.Name)}
}
