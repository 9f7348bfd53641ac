package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// Register adds the plugin's service to a gRPC server. Main does it; tests may do it
// without a process.
func Register(s grpc.ServiceRegistrar, plugin Plugin) {
	pb.RegisterStrategyServer(s, &server{plugin: plugin})
}

// server is the plugin's end of the protocol.
type server struct {
	pb.UnimplementedStrategyServer
	plugin Plugin

	mu         sync.Mutex        // the host may configure while an old session ends
	configured bool              // guarded by mu
	values     map[string]string // guarded by mu; of the last Configure
}

func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	info := s.plugin.Info
	m := &pb.DescribeResponse{Name: info.Name, Version: info.Version, Doc: info.Doc}
	kinds := map[Kind]pb.Parameter_Kind{
		KindInt: pb.Parameter_KIND_INT, KindFloat: pb.Parameter_KIND_FLOAT,
		KindBool: pb.Parameter_KIND_BOOL, KindString: pb.Parameter_KIND_STRING,
	}
	for _, p := range info.Params {
		m.Parameters = append(m.Parameters, &pb.Parameter{
			Name: p.Name, Kind: kinds[p.Kind], Default: p.Default, Doc: p.Doc, Min: p.Min, Max: p.Max, Choices: p.Choices,
		})
	}
	return m, nil
}

func (s *server) Configure(_ context.Context, m *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	instance, err := s.plugin.Open(m.GetParameters())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configured, s.values = true, m.GetParameters()
	return &pb.ConfigureResponse{Spec: wire.EncodeSpec(instance.Spec())}, nil
}

func (s *server) Session(stream grpc.BidiStreamingServer[pb.Request, pb.Response]) error {
	s.mu.Lock()
	configured, values := s.configured, maps.Clone(s.values)
	s.mu.Unlock()
	if !configured {
		return status.Error(codes.FailedPrecondition, "Session before Configure")
	}
	instance, err := s.plugin.Open(values)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	c := conversation{instance: instance, memory: wire.NewMemory()}
	for batch := uint64(1); ; batch++ {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if request.GetBatch() != batch {
			return status.Errorf(codes.InvalidArgument, "batch %d arrived, want %d", request.GetBatch(), batch)
		}
		response, err := c.answer(stream.Context(), request)
		if err != nil {
			return err
		}
		response.Batch = batch
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// conversation is one session.
type conversation struct {
	instance Instance
	memory   *wire.Memory
}

// answer hands one request to the instance. The error ends the stream: the request
// is malformed, or the host went away. What the strategy itself reports becomes part
// of the response.
func (c *conversation) answer(ctx context.Context, request *pb.Request) (*pb.Response, error) {
	response := new(pb.Response)
	var refused, malformed error
	switch s := c.instance.(type) {
	case strategy.Strategy:
		refused, malformed = c.step(ctx, s, request, response)
	case strategy.Planner:
		refused, malformed = c.plan(ctx, s, request, response)
	}
	if malformed != nil {
		return nil, status.Error(codes.InvalidArgument, malformed.Error())
	}
	if ctx.Err() != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	var batch *strategy.BatchError
	switch {
	case errors.As(refused, &batch):
		for _, id := range slices.Sorted(maps.Keys(batch.Failed)) {
			response.Failed = append(response.Failed, &pb.Failure{Document: id, Error: batch.Failed[id].Error()})
		}
	case refused != nil:
		response.Answer = &pb.Response_Error{Error: refused.Error()}
	}
	return response, nil
}

// step calls a strategy.Strategy and fills in the answer. It returns the strategy's
// error, and what is wrong with the request.
func (c *conversation) step(ctx context.Context, s strategy.Strategy, request *pb.Request, response *pb.Response) (refused, malformed error) {
	response.Answer = &pb.Response_Done{Done: new(pb.Done)}
	switch call := request.GetCall().(type) {
	case *pb.Request_Begin:
		docs, err := wire.DecodeDocuments(call.Begin, s.Spec().Text)
		if err != nil {
			return nil, err
		}
		c.memory.Begin(docs)
		return s.Begin(ctx, docs), nil
	case *pb.Request_End:
		ids, err := wire.DecodeIDs(call.End)
		if err != nil {
			return nil, err
		}
		c.memory.End(ids)
		return s.End(ctx, ids), nil
	case *pb.Request_Vocabulary:
		return c.read(call)
	case *pb.Request_Next:
		obs, err := wire.DecodeObservation(call.Next, s.Spec(), c.memory)
		if err != nil {
			return nil, err
		}
		decision, err := s.Next(ctx, obs)
		if decision != nil && usable(err) {
			response.Answer = &pb.Response_Decision{Decision: wire.EncodeDecision(decision, obs.Doc, c.memory)}
		} else if usable(err) {
			err = errors.New("the strategy returned no decision")
		}
		return err, nil
	}
	return nil, fmt.Errorf("request %d is not for a strategy that decides step by step, or this plugin is too old for it", request.GetBatch())
}

// read hands the vocabulary to a strategy.Reader. Others that say Text read ids alone.
func (c *conversation) read(call *pb.Request_Vocabulary) (refused, malformed error) {
	vocabulary, err := wire.DecodeVocabulary(call.Vocabulary)
	if err != nil {
		return nil, err
	}
	if reader, ok := c.instance.(strategy.Reader); ok {
		return reader.Read(vocabulary), nil
	}
	return nil, nil
}

// plan does the same as step for a strategy.Planner.
func (c *conversation) plan(ctx context.Context, p strategy.Planner, request *pb.Request, response *pb.Response) (refused, malformed error) {
	if call, ok := request.GetCall().(*pb.Request_Vocabulary); ok {
		response.Answer = &pb.Response_Done{Done: new(pb.Done)}
		return c.read(call)
	}
	call, ok := request.GetCall().(*pb.Request_Plan)
	if !ok {
		return nil, fmt.Errorf("request %d is not for a strategy that plans, or this plugin is too old for it", request.GetBatch())
	}
	docs, err := wire.DecodeDocuments(call.Plan, p.Spec().Text)
	if err != nil {
		return nil, err
	}
	plans, err := p.Plan(ctx, docs)
	if len(plans) != len(docs) && usable(err) {
		err = fmt.Errorf("the strategy returned %d plans for %d documents", len(plans), len(docs))
	}
	response.Answer = &pb.Response_Plans{Plans: wire.EncodePlans(plans)}
	return err, nil
}

// usable says whether a result stands beside err.
func usable(err error) bool {
	var batch *strategy.BatchError
	return err == nil || errors.As(err, &batch)
}
