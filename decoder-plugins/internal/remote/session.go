package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// ErrTimeout is a call that was not answered in time.
var ErrTimeout = errors.New("no answer in time")

// ErrRefused is an error that the strategy itself returned for a whole batch. The
// session goes on.
var ErrRefused = errors.New("the strategy refused the batch")

// errClosed is the cause of a session's end by Close.
var errClosed = errors.New("session closed")

// Session is one stream of calls, for one caller at a time. After an error other than
// ErrRefused and *strategy.BatchError it is Broken: an answer may still be under way,
// so the stream cannot be used again.
type Session struct {
	spec    strategy.Spec
	timeout time.Duration // of one call
	stream  grpc.BidiStreamingClient[pb.Request, pb.Response]
	ctx     context.Context // of the stream; its cause is why the stream was ended
	cancel  context.CancelCauseFunc
	batch   uint64 // id of the last request
	memory  *wire.Memory
	broken  bool
}

// Open starts a session with a configured plugin. The context covers the opening
// alone.
func Open(ctx context.Context, conn grpc.ClientConnInterface, spec strategy.Spec, timeout time.Duration) (*Session, error) {
	s := &Session{spec: spec, timeout: timeout, memory: wire.NewMemory()}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	err := s.guard(ctx, func() (err error) {
		s.stream, err = pb.NewStrategyClient(conn).Session(s.ctx)
		return err
	})
	if err != nil {
		s.cancel(errClosed)
		return nil, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// Spec returns the specification that the session was opened with.
func (s *Session) Spec() strategy.Spec { return s.spec }

// Broken says whether the session can serve no further call.
func (s *Session) Broken() bool { return s.broken || s.ctx.Err() != nil }

// Close ends the stream.
func (s *Session) Close() { s.cancel(errClosed) }

// Read tells a strategy that reads what tokens mean. It comes first.
func (s *Session) Read(ctx context.Context, vocabulary [][]byte) error {
	return s.done(ctx, &pb.Request{Call: &pb.Request_Vocabulary{Vocabulary: wire.EncodeVocabulary(vocabulary)}})
}

// Begin introduces documents.
func (s *Session) Begin(ctx context.Context, docs []strategy.Document) error {
	s.memory.Begin(docs)
	return s.done(ctx, &pb.Request{Call: &pb.Request_Begin{Begin: wire.EncodeDocuments(docs)}})
}

// End releases documents.
func (s *Session) End(ctx context.Context, ids []uint64) error {
	s.memory.End(ids)
	return s.done(ctx, &pb.Request{Call: &pb.Request_End{End: wire.EncodeIDs(ids)}})
}

// Next asks for a decision about each document of the observation.
func (s *Session) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	decision, err := s.next(ctx, obs)
	if decision == nil {
		s.memory.Doubt(obs.Doc)
	}
	return decision, err
}

func (s *Session) next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	response, err := s.call(ctx, &pb.Request{Call: &pb.Request_Next{Next: wire.EncodeObservation(obs, s.memory)}})
	if err != nil {
		return nil, err
	}
	answer, ok := response.GetAnswer().(*pb.Response_Decision)
	if !ok {
		return nil, s.unexpected(response, "a decision")
	}
	decision, err := wire.DecodeDecision(answer.Decision, obs.Doc, s.memory)
	if err != nil {
		return nil, s.violation(err)
	}
	return decision, failures(response)
}

// Plan asks for the plans of documents.
func (s *Session) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	response, err := s.call(ctx, &pb.Request{Call: &pb.Request_Plan{Plan: wire.EncodeDocuments(docs)}})
	if err != nil {
		return nil, err
	}
	answer, ok := response.GetAnswer().(*pb.Response_Plans)
	if !ok {
		return nil, s.unexpected(response, "plans")
	}
	plans, err := wire.DecodePlans(answer.Plans, len(docs))
	if err != nil {
		return nil, s.violation(err)
	}
	return plans, failures(response)
}

func (s *Session) done(ctx context.Context, request *pb.Request) error {
	response, err := s.call(ctx, request)
	if err != nil {
		return err
	}
	if _, ok := response.GetAnswer().(*pb.Response_Done); !ok {
		return s.unexpected(response, "done")
	}
	return failures(response)
}

// call sends a request and waits for its answer, for no longer than the timeout.
func (s *Session) call(ctx context.Context, request *pb.Request) (response *pb.Response, err error) {
	if s.Broken() {
		return nil, errClosed
	}
	s.batch++
	request.Batch = s.batch
	err = s.guard(ctx, func() error {
		// A send error is always io.EOF; receiving gives the reason.
		_ = s.stream.Send(request)
		response, err = s.stream.Recv()
		return err
	})
	if err != nil {
		return nil, err
	}
	if response.GetBatch() != s.batch {
		s.broken = true
		return nil, s.violation(fmt.Errorf("batch %d was answered, want %d", response.GetBatch(), s.batch))
	}
	if answer, failed := response.GetAnswer().(*pb.Response_Error); failed {
		return nil, fmt.Errorf("%w: %s", ErrRefused, clip(answer.Error))
	}
	return response, nil
}

// guard runs f, which blocks on the stream, until it returns, the caller gives up or
// the time is up. The latter two end the stream, which makes f return; the error is
// then the caller's or ErrTimeout.
func (s *Session) guard(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { s.cancel(context.Cause(ctx)) })
	defer stop()
	timer := time.AfterFunc(s.timeout, func() { s.cancel(fmt.Errorf("%w: waited %v", ErrTimeout, s.timeout)) })
	defer timer.Stop()
	err := f()
	if err == nil {
		return nil
	}
	s.broken = true
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return err
}

// unexpected is an answer of the wrong kind.
func (s *Session) unexpected(response *pb.Response, want string) error {
	s.broken = true
	return s.violation(fmt.Errorf("answer %T, want %s", response.GetAnswer(), want))
}

// violation is an answer that breaks the protocol as a whole.
func (s *Session) violation(err error) error {
	return &strategy.Violation{Strategy: s.spec.Name, Rule: strategy.RuleShape, Detail: err.Error()}
}

// failures returns what the strategy has against single documents.
func failures(response *pb.Response) error {
	if len(response.GetFailed()) == 0 {
		return nil
	}
	batch := &strategy.BatchError{Failed: make(map[uint64]error)}
	for _, f := range response.GetFailed() {
		batch.Failed[f.GetDocument()] = errors.New(clip(f.GetError()))
	}
	return batch
}

// clip bounds a message that a plugin wrote.
func clip(s string) string {
	const limit = 2048
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
