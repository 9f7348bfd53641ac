package sdk

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
)

// odd fails documents with an odd id, and everything when told to.
type odd struct{ refuse bool }

func (*odd) Spec() strategy.Spec                              { return strategy.Spec{Name: "odd"} }
func (*odd) Begin(context.Context, []strategy.Document) error { return nil }
func (*odd) End(context.Context, []uint64) error              { return nil }
func (o *odd) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	if o.refuse {
		return nil, errors.New("not today")
	}
	failed := make(map[uint64]error)
	for _, id := range obs.Doc {
		if id%2 == 1 {
			failed[id] = errors.New("odd")
		}
	}
	dec := &strategy.Decision{CommitOffset: make([]int32, len(obs.Doc)+1)}
	if len(failed) > 0 {
		return dec, &strategy.BatchError{Failed: failed}
	}
	return dec, nil
}

// client serves the plugin in memory and returns a client of it.
func client(t *testing.T) pb.StrategyClient {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	Register(server, Plugin{
		Info: Info{Name: "odd", Version: "1", Params: []Param{Bool("refuse", false, "")}},
		New:  func(p Params) (Instance, error) { return &odd{refuse: p.Bool("refuse")}, nil },
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:test",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return pb.NewStrategyClient(conn)
}

func session(t *testing.T, parameters map[string]string) grpc.BidiStreamingClient[pb.Request, pb.Response] {
	t.Helper()
	c := client(t)
	if _, err := c.Configure(t.Context(), &pb.ConfigureRequest{Parameters: parameters}); err != nil {
		t.Fatal(err)
	}
	stream, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// exchange sends requests and returns the answer to the last.
func exchange(t *testing.T, stream grpc.BidiStreamingClient[pb.Request, pb.Response], requests ...*pb.Request) (*pb.Response, error) {
	t.Helper()
	var response *pb.Response
	for _, r := range requests {
		if err := stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		var err error
		if response, err = stream.Recv(); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// begin introduces documents of one blank.
func begin(ids ...uint64) *pb.Request {
	var docs []strategy.Document
	for _, id := range ids {
		docs = append(docs, strategy.Document{ID: id, Length: 1, Open: []int32{0}})
	}
	return &pb.Request{Batch: 1, Call: &pb.Request_Begin{Begin: wire.EncodeDocuments(docs)}}
}

func observation(ids ...uint64) *pb.Request_Next {
	o := &strategy.Observation{Offset: []int32{0}}
	for i, id := range ids {
		o.Doc = append(o.Doc, id)
		o.Step = append(o.Step, 0)
		o.Remain = append(o.Remain, 1)
		o.Position = append(o.Position, 0)
		o.Offset = append(o.Offset, int32(i+1))
	}
	return &pb.Request_Next{Next: wire.EncodeObservation(o, wire.NewMemory())}
}

func TestSessionNeedsConfigure(t *testing.T) {
	stream, err := client(t).Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("got %v", err)
	}
}

func TestConfigureRefuses(t *testing.T) {
	_, err := client(t).Configure(t.Context(), &pb.ConfigureRequest{Parameters: map[string]string{"refuze": "true"}})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), `did you mean "refuse"?`) {
		t.Errorf("got %v", err)
	}
}

func TestStrategyErrorsTravel(t *testing.T) {
	response, err := exchange(t, session(t, nil), begin(2, 3, 4), &pb.Request{Batch: 2, Call: observation(2, 3, 4)})
	if err != nil {
		t.Fatal(err)
	}
	if f := response.GetFailed(); len(f) != 1 || f[0].GetDocument() != 3 || f[0].GetError() != "odd" {
		t.Errorf("failed %v, want document 3", f)
	}
	if response.GetBatch() != 2 || response.GetDecision() == nil {
		t.Errorf("got %v", response)
	}

	stream := session(t, map[string]string{"refuse": "true"})
	if _, err := exchange(t, stream, begin(2)); err != nil {
		t.Fatal(err)
	}
	for batch := uint64(2); batch <= 3; batch++ { // the session goes on after an error
		response, err = exchange(t, stream, &pb.Request{Batch: batch, Call: observation(2)})
		if err != nil || response.GetError() != "not today" {
			t.Errorf("got %v, %v", response, err)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *pb.Request
		want string
	}{
		{"batch id", &pb.Request{Batch: 2, Call: observation(2)}, "batch 2 arrived, want 1"},
		{"no call", &pb.Request{Batch: 1}, "not for a strategy that decides step by step"},
		{"plan", &pb.Request{Batch: 1, Call: &pb.Request_Plan{}}, "not for a strategy that decides step by step"},
		{"torn column", &pb.Request{Batch: 1, Call: &pb.Request_End{End: &pb.DocumentIDs{Id: []byte{1}}}}, "not a multiple of 8"},
		{"documents", &pb.Request{Batch: 1, Call: &pb.Request_Begin{Begin: &pb.Documents{}}}, "open_offset"},
		{"stranger", &pb.Request{Batch: 1, Call: observation(2)}, "document 2 was not introduced"},
		{"vocabulary", &pb.Request{Batch: 1, Call: &pb.Request_Vocabulary{}}, "offset is empty"},
		{"observation", &pb.Request{Batch: 1, Call: &pb.Request_Next{Next: &pb.Observation{}}}, "offset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := exchange(t, session(t, nil), c.r)
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want InvalidArgument with %q", err, c.want)
			}
		})
	}
}

func TestPluginOpenRefuses(t *testing.T) {
	info := Info{Name: "s", Version: "1"}
	for _, c := range []struct {
		name string
		new  New
		want string
	}{
		{"constructor", func(Params) (Instance, error) { return nil, errors.New("no disk") }, "no disk"},
		{"name", func(Params) (Instance, error) { return &odd{}, nil }, `calls itself "odd"`},
		{"no plan", func(Params) (Instance, error) { return spec{strategy.Spec{Name: "s", Planned: true}}, nil }, "no Plan method"},
		{"no next", func(Params) (Instance, error) { return spec{strategy.Spec{Name: "s"}}, nil }, "lacks Begin, Next or End"},
		{"window", func(Params) (Instance, error) { return spec{strategy.Spec{Name: "s", Window: -1}}, nil }, "window"},
	} {
		if _, err := (Plugin{Info: info, New: c.new}).Open(nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

type spec struct{ s strategy.Spec }

func (s spec) Spec() strategy.Spec { return s.s }

// TestHostWatch: the process ends when no host ever connects, or a while after the
// last connection ended, and not before.
func TestHostWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exits []time.Duration
		begin := time.Now()
		w := watchHost(func() { exits = append(exits, time.Since(begin)) })
		w.HandleConn(t.Context(), &stats.ConnBegin{})
		time.Sleep(time.Hour)
		w.HandleConn(t.Context(), &stats.ConnEnd{})
		time.Sleep(lastConnection / 2)
		w.HandleConn(t.Context(), &stats.ConnBegin{}) // it came back in time
		time.Sleep(time.Hour)
		w.HandleConn(t.Context(), &stats.ConnEnd{})
		time.Sleep(2 * lastConnection)
		synctest.Wait()
		if want := 2*time.Hour + lastConnection/2 + lastConnection; len(exits) != 1 || exits[0] != want {
			t.Errorf("exits after %v, want once after %v", exits, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		exited := false
		watchHost(func() { exited = true })
		time.Sleep(firstConnection + time.Second)
		synctest.Wait()
		if !exited {
			t.Error("a plugin whose host never connects lives on")
		}
	})
}
