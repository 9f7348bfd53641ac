package sdk

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/any-order/a3/decoder-plugins/internal/wire"
)

// Main serves a strategy to the host that started this process, and returns when
// the host is done or gone. It is the whole main function of a plugin. From its
// first line on, whatever is written to standard output appears on standard error:
// the host reads its handshake there.
//
// A description that contradicts itself, or a start by hand, ends the process with
// status 1 and an explanation.
func Main(constructor New, info Info) {
	plugin := Plugin{Info: info, New: constructor}
	if err := info.Validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	handshake := wire.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		explain(os.Stderr, info)
		os.Exit(1)
	}
	stdout, err := divertStdout()
	if err != nil {
		fmt.Fprintf(os.Stderr, "plugin %s: divert standard output: %v\n", info.Name, err)
		os.Exit(1)
	}
	os.Stdout = stdout // go-plugin writes the handshake there, then replaces it

	host := watchHost(func() { os.Exit(0) })
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Version: {wire.ServiceName: service{plugin: plugin}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options,
				grpc.MaxRecvMsgSize(wire.MaxMessage), // the default of 4 MiB is less than a large batch
				grpc.MaxSendMsgSize(wire.MaxMessage),
				grpc.InitialWindowSize(wire.Window),
				grpc.InitialConnWindowSize(wire.Window),
				grpc.StatsHandler(host),
			)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Name: info.Name, Level: hclog.Warn, Output: os.Stderr}),
	})
}

// service registers the plugin with go-plugin's server, which adds health checks,
// standard output and error as streams, and the shutdown call.
type service struct {
	goplugin.NetRPCUnsupportedPlugin
	plugin Plugin
}

func (s service) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	Register(server, s.plugin)
	return nil
}

func (s service) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("plugin %s is a server", s.plugin.Info.Name)
}

// explain tells somebody who started the plugin by hand what it is.
func explain(w io.Writer, info Info) {
	fmt.Fprintf(w, "%s %s is a decode strategy for a3: %s\nIt is started by a3, with --strategy PATH:KEY=VALUE,...\n", info.Name, info.Version, info.Doc)
	for _, p := range info.Params {
		fmt.Fprintf(w, "  %-12s %s (%s, %s; default %s)\n", p.Name, p.Doc, p.Kind, p.Range(), p.Default)
	}
}
