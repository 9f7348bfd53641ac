// Package remote is the host's end of the protocol: a strategy behind a gRPC
// connection, as the strategy.Strategy or strategy.Planner that it is. It knows one
// connection and one session; processes, restarts and the rules of the contract are
// the business of package host.
package remote

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Describe asks a plugin what it is. The answer is valid.
func Describe(ctx context.Context, conn grpc.ClientConnInterface) (sdk.Info, error) {
	m, err := pb.NewStrategyClient(conn).Describe(ctx, new(pb.DescribeRequest))
	if err != nil {
		return sdk.Info{}, fmt.Errorf("describe: %w", err)
	}
	info := sdk.Info{Name: m.GetName(), Version: m.GetVersion(), Doc: m.GetDoc()}
	kinds := map[pb.Parameter_Kind]sdk.Kind{
		pb.Parameter_KIND_INT: sdk.KindInt, pb.Parameter_KIND_FLOAT: sdk.KindFloat,
		pb.Parameter_KIND_BOOL: sdk.KindBool, pb.Parameter_KIND_STRING: sdk.KindString,
	}
	for _, p := range m.GetParameters() {
		info.Params = append(info.Params, sdk.Param{
			Name: p.GetName(), Kind: kinds[p.GetKind()], Default: p.GetDefault(), Doc: p.GetDoc(),
			Min: p.GetMin(), Max: p.GetMax(), Choices: p.GetChoices(),
		})
	}
	if err := info.Validate(); err != nil {
		return sdk.Info{}, fmt.Errorf("describe: %w", err)
	}
	return info, nil
}

// Configure sets the parameters and returns the specification that follows.
func Configure(ctx context.Context, conn grpc.ClientConnInterface, name string, values map[string]string) (strategy.Spec, error) {
	m, err := pb.NewStrategyClient(conn).Configure(ctx, &pb.ConfigureRequest{Parameters: values})
	if err != nil {
		return strategy.Spec{}, fmt.Errorf("configure: %s", status.Convert(err).Message())
	}
	return wire.DecodeSpec(m.GetSpec(), name)
}
