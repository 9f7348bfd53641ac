package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/internal/wire"
	pb "github.com/any-order/a3/decoder-plugins/proto/v1"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// fixtures are the strategies of the tests: faulty ones, and processes that are no
// proper plugins at all.
func fixtures() []sdk.Plugin {
	plugins := []sdk.Plugin{
		{Info: faultyInfo("faulty"), New: newFaulty},
		{Info: faultyInfo("planning"), New: newPlanning},
		{Info: sdk.Info{Name: "counting", Version: "1"}, New: newCounting},
	}
	for name := range processes {
		plugins = append(plugins, sdk.Plugin{Info: sdk.Info{Name: name, Version: "1", Params: faultyInfo(name).Params}, New: newFaulty})
	}
	return plugins
}

func faultyInfo(name string) sdk.Info {
	return sdk.Info{
		Name: name, Version: "1",
		Params: []sdk.Param{
			sdk.String("fault", "", "what goes wrong"),
			sdk.Int("document", 0, 0, 1000, "the document with which it goes wrong; 0 = each"),
			sdk.String("once", "", "a file that says that it has gone wrong before"),
		},
	}
}

// serve runs a fixture as a process.
func serve(name string) {
	if run, ok := processes[name]; ok {
		run()
		return
	}
	plugin, err := sdk.Find(fixtures(), name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sdk.Main(plugin.New, plugin.Info)
}

// choice is which of n open positions is filled in a step.
func choice(key seq.Key, step int32, n int) int { return key.Intn(uint64(step), n) }

// faulty fills correctly until its fault strikes.
type faulty struct {
	fault string
	id    uint64
	once  string
	keys  map[uint64]seq.Key
}

func newFaulty(p sdk.Params) (sdk.Instance, error) {
	return &faulty{fault: p.String("fault"), id: uint64(p.Int("document")), once: p.String("once"), keys: make(map[uint64]seq.Key)}, nil
}

func (f *faulty) Spec() strategy.Spec { return strategy.Spec{Name: "faulty"} }

func (f *faulty) Begin(_ context.Context, docs []strategy.Document) error {
	for _, d := range docs {
		f.keys[d.ID] = d.Key
		if f.fault == "begin" && f.strikes(d.ID) {
			os.Exit(5)
		}
	}
	return nil
}

func (f *faulty) End(_ context.Context, ids []uint64) error {
	for _, id := range ids {
		if f.fault == "end" && f.strikes(id) {
			os.Exit(5)
		}
		delete(f.keys, id)
	}
	return nil
}

// strikes says whether the fault is due for a document.
func (f *faulty) strikes(id uint64) bool {
	if f.fault == "" || f.id != 0 && f.id != id {
		return false
	}
	if f.once == "" {
		return true
	}
	file, err := os.OpenFile(f.once, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	return file.Close() == nil
}

func (f *faulty) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	dec := &strategy.Decision{CommitOffset: []int32{0}, ProposeOffset: []int32{0}}
	failed := make(map[uint64]error)
	for d, id := range obs.Doc {
		start, end := obs.Rows(d)
		rows := obs.Position[start:end]
		commit := []int32{rows[choice(f.keys[id], obs.Step[d], len(rows))]}
		token := strategy.KeepToken
		var propose []int32
		if obs.Step[d] == 2 && f.fault != "begin" && f.fault != "end" && f.strikes(id) {
			switch f.fault {
			case "exit":
				os.Exit(3)
			case "panic":
				panic("lost my mind")
			case "hang":
				select {}
			case "oversize":
				dec.Commit = make([]int32, wire.MaxMessage/4+1)
			case "error":
				return nil, errors.New("cannot decide")
			case "stranger":
				failed[999] = errors.New("who is that")
			case "document":
				failed[id] = errors.New("do not like it")
			case "environment":
				failed[id] = errors.New(strings.Join(os.Environ(), "\n"))
			case "stdin":
				b, err := io.ReadAll(os.Stdin)
				failed[id] = fmt.Errorf("read %d bytes, %v", len(b), err)
			case "child":
				cmd := exec.Command("sleep", "1000")
				failed[id] = errors.Join(cmd.Start(), fmt.Errorf("child %d", cmd.Process.Pid))
			case "stdout":
				fmt.Println("hello from stdout")
				fmt.Fprintln(os.Stderr, "hello from stderr")
				_, _ = os.NewFile(1, "descriptor 1").WriteString("hello from descriptor 1\n")
			case "nothing":
				commit = nil
			case "given":
				commit = []int32{0}
			case "twice":
				commit = append(commit, commit...)
			case "token":
				token = vocab
			case "reopen":
				propose = commit
			case "stale": // a position that was committed in an earlier step
				propose = slices.DeleteFunc(slices.Clone(intros(1)[0].Open), func(p int32) bool { return slices.Contains(rows, p) })[:1]
			case "flood": // of lines, while it works as it should
				for range 20_000 {
					fmt.Fprintln(os.Stderr, strings.Repeat("flood ", 20))
				}
			case "far":
				commit = []int32{1 << 30}
			case "negative":
				commit = []int32{-1}
			case "negative token":
				token = -7
			case "reopen-given", "check-open", "draft-beside", "infinite-bias", "large-state", "look":
				odd[f.fault](dec, d, len(obs.Doc), rows)
				if f.fault == "look" {
					commit, propose = nil, rows
				}
			case "shape":
				dec.CommitOffset[0] = 1
			default:
				panic("unknown fault " + f.fault)
			}
		}
		dec.Commit = append(dec.Commit, commit...)
		dec.Token = append(dec.Token, slices.Repeat([]int32{token}, len(commit))...)
		dec.CommitOffset = append(dec.CommitOffset, int32(len(dec.Commit)))
		dec.Propose = append(dec.Propose, propose...)
		dec.ProposeOffset = append(dec.ProposeOffset, int32(len(dec.Propose)))
	}
	if len(failed) > 0 {
		return dec, &strategy.BatchError{Failed: failed}
	}
	return dec, nil
}

// odd are faults in the operations that only some decisions have, of the d-th of n
// documents.
var odd = map[string]func(dec *strategy.Decision, d, n int, rows []int32){
	"reopen-given": func(dec *strategy.Decision, d, n int, _ []int32) {
		dec.ReopenOffset, dec.Reopen = onlyOf(d, n), []int32{0}
	},
	"check-open": func(dec *strategy.Decision, d, n int, rows []int32) {
		dec.CheckOffset, dec.Check = onlyOf(d, n), rows[:1]
	},
	"draft-beside": func(dec *strategy.Decision, d, n int, rows []int32) {
		dec.DraftOffset, dec.Draft = onlyOf(d, n), rows[:1]
	},
	"infinite-bias": func(dec *strategy.Decision, d, n int, rows []int32) {
		dec.BiasOffset, dec.Bias = onlyOf(d, n), []strategy.Bias{{Position: rows[0], Value: float32(math.Inf(1))}}
	},
	"large-state": func(dec *strategy.Decision, d, n int, _ []int32) {
		dec.State = make([][]byte, n)
		dec.State[d] = make([]byte, 1<<20)
	},
	"look": func(*strategy.Decision, int, int, []int32) {},
}

// onlyOf returns offsets of n documents of which the d-th alone has one entry.
func onlyOf(d, n int) []int32 {
	offset := make([]int32, n+1)
	for i := d + 1; i <= n; i++ {
		offset[i] = 1
	}
	return offset
}

// newCounting returns a strategy that goes by its state alone: it fills as faulty does as
// long as the state counts its decisions.
func newCounting(sdk.Params) (sdk.Instance, error) {
	return sdk.Stepwise(strategy.Spec{Name: "counting"}, func(v sdk.View) strategy.Choice {
		return strategy.Choice{
			Commit: v.Position[choice(v.Document.Key, int32(len(v.State)), len(v.Position)):][:1],
			State:  append(slices.Clone(v.State), 'x'),
		}
	}), nil
}

// planning plans one group, until its fault strikes.
type planning struct{ faulty }

func newPlanning(p sdk.Params) (sdk.Instance, error) {
	f, err := newFaulty(p)
	return struct{ strategy.Planner }{planning{*f.(*faulty)}}, err
}

func (planning) Spec() strategy.Spec { return strategy.Spec{Name: "planning", Planned: true} }

func (f planning) Plan(_ context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	plans := make([]strategy.Plan, len(docs))
	failed := make(map[uint64]error)
	for i, d := range docs {
		plans[i] = strategy.Plan{slices.Clone(d.Open)}
		if !f.strikes(d.ID) {
			continue
		}
		switch f.fault {
		case "exit":
			os.Exit(3)
		case "missing":
			plans[i][0] = plans[i][0][1:]
		case "document":
			failed[d.ID] = errors.New("do not like it")
		case "short":
			return plans[:i], nil
		}
	}
	if len(failed) > 0 {
		return plans, &strategy.BatchError{Failed: failed}
	}
	return plans, nil
}

// processes are executables that do not behave like plugins.
var processes = map[string]func(){
	"noisy": func() {
		fmt.Println("loading weights...")
		sdk.Main(newFaulty, faultyInfo("noisy"))
	},
	"silent":  func() { time.Sleep(time.Hour) },
	"future":  func() { fmt.Println("1|7|unix|/nowhere|grpc|"); time.Sleep(time.Hour) },
	"misled":  func() { fmt.Printf("1|%d|tcp|127.0.0.1:1|grpc|\n", wire.Version); time.Sleep(time.Hour) },
	"chatter": func() { fmt.Println(strings.Repeat("x", 1<<20)); time.Sleep(time.Hour) },
	"raw-batch": func() {
		serveRaw(func(r *pb.Request) *pb.Response { return &pb.Response{Batch: r.GetBatch() + 1, Answer: done()} })
	},
	"raw-kind": func() {
		serveRaw(func(r *pb.Request) *pb.Response {
			return &pb.Response{Batch: r.GetBatch(), Answer: &pb.Response_Plans{Plans: wire.EncodePlans(nil)}}
		})
	},
	"raw-empty": func() { serveRaw(func(r *pb.Request) *pb.Response { return &pb.Response{Batch: r.GetBatch()} }) },
	"raw-torn": func() {
		serveRaw(func(r *pb.Request) *pb.Response {
			if r.GetNext() == nil {
				return &pb.Response{Batch: r.GetBatch(), Answer: done()}
			}
			return &pb.Response{Batch: r.GetBatch(), Answer: &pb.Response_Decision{Decision: &pb.Decision{CommitOffset: []byte{1, 2, 3}}}}
		})
	},
	"raw-huge": func() { // beyond any limit, and nothing on its side holds it back
		serveRaw(func(r *pb.Request) *pb.Response {
			return &pb.Response{Batch: r.GetBatch(), Answer: &pb.Response_Error{Error: strings.Repeat("x", 3*wire.MaxMessage)}}
		})
	},
	"raw-long": func() { // a refusal that fills the log and the record
		serveRaw(func(r *pb.Request) *pb.Response {
			return &pb.Response{Batch: r.GetBatch(), Answer: &pb.Response_Error{Error: strings.Repeat("x", 1<<20)}}
		})
	},
	"raw-flood":  func() { serveFlood() },
	"raw-hangup": func() { serveRaw(func(*pb.Request) *pb.Response { return nil }) },
}

func done() *pb.Response_Done { return &pb.Response_Done{Done: new(pb.Done)} }

// raw answers each request as it is told, without an SDK.
type raw struct {
	goplugin.NetRPCUnsupportedPlugin
	pb.UnimplementedStrategyServer
	answer func(*pb.Request) *pb.Response // nil ends the stream
	flood  bool
}

func serveRaw(answer func(*pb.Request) *pb.Response) {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Version: {wire.ServiceName: &raw{answer: answer}}},
		GRPCServer:       goplugin.DefaultGRPCServer,
		Logger:           hclog.NewNullLogger(),
	})
}

func (r *raw) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterStrategyServer(s, r)
	return nil
}

func (r *raw) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a client")
}

func (r *raw) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Name: "raw", Version: "1"}, nil
}

func (r *raw) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return &pb.ConfigureResponse{Spec: new(pb.Spec)}, nil
}

// serveFlood answers before it is asked, for ever.
func serveFlood() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Version: {wire.ServiceName: &raw{flood: true}}},
		GRPCServer:       goplugin.DefaultGRPCServer,
		Logger:           hclog.NewNullLogger(),
	})
}

func (r *raw) Session(stream grpc.BidiStreamingServer[pb.Request, pb.Response]) error {
	for batch := uint64(1); r.flood; batch++ {
		decision := &pb.Response{Batch: 1, Answer: &pb.Response_Error{Error: strings.Repeat("y", 1<<16)}}
		if err := stream.Send(decision); err != nil {
			return err
		}
	}
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		response := r.answer(request)
		if response == nil {
			return nil
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}
