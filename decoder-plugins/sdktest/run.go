package sdktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/decoder-plugins/internal/remote"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// serveArgument makes a test binary serve its strategy; see Main.
const serveArgument = "sdktest-serve"

// Main is the body of TestMain. It lets the test binary re-run itself as the plugin,
// so that Run can test the strategy as a process without building anything.
func Main(m *testing.M, constructor sdk.New, info sdk.Info) {
	if len(os.Args) == 3 && os.Args[1] == serveArgument {
		sdk.Main(constructor, info)
		return
	}
	os.Exit(m.Run())
}

// Run holds the strategy to all Rules, once for each text of parameters, such as
// "size=3,threshold=0.5": in this process, then over gRPC and as a process, where it
// must also fill documents as it does in this process.
func Run(t *testing.T, constructor sdk.New, info sdk.Info, parameters ...string) {
	t.Helper()
	handshake := wire.Handshake()
	if os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue {
		// We are the child: without TestMain it would run all tests, and start a child.
		fmt.Fprintln(os.Stderr, "sdktest: add func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }")
		os.Exit(1)
	}
	plugin := sdk.Plugin{Info: info, New: constructor}
	for _, text := range parameters {
		t.Run("parameters "+text, func(t *testing.T) {
			spec := info.Name
			if text != "" {
				spec += ":" + text
			}
			_, values, err := sdk.ParseSpec(spec)
			if err != nil {
				t.Fatal(err)
			}
			here := inProcess(plugin, values)
			t.Run("in process", func(t *testing.T) { runRules(t, here) })
			t.Run("over gRPC", func(t *testing.T) { runBoth(t, here, overGRPC(plugin, values)) })
			t.Run("as a process", func(t *testing.T) { runBoth(t, here, asProcess(plugin, spec)) })
		})
	}
}

func runRules(t *testing.T, open Open) {
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if err := rule.Check(t.Context(), open); err != nil {
				t.Error(err)
			}
		})
	}
}

func runBoth(t *testing.T, here, there Open) {
	runRules(t, there)
	t.Run("same as in process", func(t *testing.T) {
		if err := same(t.Context(), "there", &engine{open: here}, &engine{open: there}); err != nil {
			t.Error(err)
		}
	})
}

// inProcess opens the strategy as a value.
func inProcess(plugin sdk.Plugin, values map[string]string) Open {
	return func(context.Context) (sdk.Instance, func() error, error) {
		instance, err := plugin.Open(values)
		if err == nil && instance.Spec().Text {
			if r, ok := instance.(strategy.Reader); ok {
				err = r.Read(Vocabulary())
			}
		}
		return instance, func() error { return nil }, err
	}
}

// overGRPC opens the strategy behind the protocol, in this process.
func overGRPC(plugin sdk.Plugin, values map[string]string) Open {
	return func(ctx context.Context) (sdk.Instance, func() error, error) {
		listener := bufconn.Listen(1 << 20)
		server := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessage))
		sdk.Register(server, plugin)
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		conn, err := grpc.NewClient("passthrough:bufconn",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		end := func() error {
			server.Stop()
			return <-served
		}
		if err != nil {
			return nil, nil, errors.Join(err, end())
		}
		instance, err := openSession(ctx, conn, plugin, values)
		return instance, func() error { return errors.Join(conn.Close(), end()) }, err
	}
}

func openSession(ctx context.Context, conn *grpc.ClientConn, plugin sdk.Plugin, values map[string]string) (sdk.Instance, error) {
	info, err := remote.Describe(ctx, conn)
	if err != nil {
		return nil, err
	}
	spec, err := remote.Configure(ctx, conn, info.Name, values)
	if err != nil {
		return nil, err
	}
	session, err := remote.Open(ctx, conn, spec, time.Minute)
	if err != nil {
		return nil, err
	}
	if spec.Text {
		if err := session.Read(ctx, Vocabulary()); err != nil {
			return nil, err
		}
	}
	return oneKind(session, spec.Planned), nil
}

// oneKind hides from a session, which has all methods, those of the other kind.
func oneKind(session *remote.Session, planned bool) sdk.Instance {
	if planned {
		return struct{ strategy.Planner }{session}
	}
	return struct{ strategy.Strategy }{session}
}

// asProcess opens the strategy as the engine's host does, by re-running this test.
func asProcess(plugin sdk.Plugin, spec string) Open {
	return func(ctx context.Context) (sdk.Instance, func() error, error) {
		executable, err := os.Executable()
		if err != nil {
			return nil, nil, err
		}
		return Hosted(spec, host.Options{
			Self:     host.Command{Path: executable, Args: []string{serveArgument}},
			Builtins: []sdk.Plugin{plugin},
			// Under the race detector each process would sleep a second before it ends.
			Environ:  append(os.Environ(), "GORACE=atexit_sleep_ms=0"),
			AllowEnv: append(host.DefaultAllowEnv(), "GORACE"),
		})(ctx)
	}
}

// Hosted opens the strategy of a specification with package host. With Check it
// proves an executable of which there is no source.
func Hosted(spec string, options host.Options) Open {
	if options.Vocabulary == nil {
		options.Vocabulary = Vocabulary
	}
	return func(ctx context.Context) (sdk.Instance, func() error, error) {
		p, err := host.Open(ctx, spec, options)
		if err != nil {
			return nil, nil, err
		}
		if planner := p.Planner(); planner != nil {
			return planner, p.Close, nil
		}
		return p.Strategy(), p.Close, nil
	}
}
