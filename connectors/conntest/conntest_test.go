package conntest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/conntest"
	"github.com/any-order/a3/connectors/memory"
)

// The suite is worth something when it finds faults. Each mutant below breaks one
// rule of a correct connector; the test binary runs itself with that mutant under the
// suite, and the run must fail.
const mutantName = "A3_TEST_CONNTEST_MUTANT"

// source is a memory source with one fault.
type source struct {
	*memory.Source
	fault  string
	closed bool
	held   []connectors.Delivery
}

func (s *source) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	switch s.fault {
	case "too many":
		max += 2
	case "loses a cancelled read":
		if ctx.Err() != nil {
			s.Source.Read(context.Background(), 1)
		}
	case "ignores cancel":
		ctx = context.Background()
	case "swallows the end":
		ds, err := s.Source.Read(ctx, max)
		if err == io.EOF {
			return nil, errors.New("no more")
		}
		return ds, err
	}
	if s.closed && s.fault == "reads after close" {
		return nil, io.EOF
	}
	ds, err := s.Source.Read(ctx, max)
	for i, d := range ds {
		switch s.fault {
		case "acknowledges when read":
			d.Settle(nil)
		case "takes give-back for done":
			ds[i].Settle = func(error) { d.Settle(nil) }
		case "never acknowledges":
			ds[i].Settle = func(error) {}
		case "last settle counts":
			ds[i].Settle = s.lastCounts(d)
		case "acknowledges gaps":
			s.held = append(s.held, d)
			before := slices.Clone(s.held)
			ds[i].Settle = func(err error) {
				for _, b := range before {
					b.Settle(err)
				}
			}
		case "changes bytes":
			ds[i].Value = []byte(strings.ToValidUTF8(string(d.Value), "?"))
		case "wrong positions":
			ds[i].Origin.Next = 1
		}
	}
	if s.fault == "reorders" {
		slices.Reverse(ds)
	}
	if s.fault == "drops one" && len(ds) > 1 {
		ds = ds[1:]
	}
	return ds, err
}

// lastCounts settles only at Close, as the latest call said.
func (s *source) lastCounts(d connectors.Delivery) func(error) {
	at := len(s.held)
	s.held = append(s.held, d)
	s.held[at].Err = errors.New("open")
	return func(err error) { s.held[at].Err = err }
}

func (s *source) Close(ctx context.Context) error {
	if s.fault == "last settle counts" {
		for _, d := range s.held {
			d.Settle(d.Err)
		}
	}
	if s.closed && s.fault == "closes once" {
		return errors.New("already closed")
	}
	s.closed = true
	return s.Source.Close(ctx)
}

var sourceFaults = []string{
	"too many", "loses a cancelled read", "ignores cancel", "swallows the end", "reads after close",
	"acknowledges when read", "takes give-back for done", "never acknowledges", "last settle counts",
	"acknowledges gaps", "changes bytes", "wrong positions", "reorders", "drops one", "closes once",
}

func runSource(t *testing.T, fault string) {
	conntest.RunSource(t, conntest.SourceSuite{
		Fill: func(t *testing.T, values []string) conntest.Input {
			var before *memory.Source
			return conntest.Input{Open: func(t *testing.T) connectors.Source {
				var recs []connectors.Record
				for _, v := range values {
					recs = append(recs, connectors.Record{Value: []byte(v)})
				}
				src := memory.FromSlice("in", recs)
				if before != nil {
					if err := src.Seek(before.Acknowledged()); err != nil {
						t.Fatal(err)
					}
				}
				before = src
				return &source{Source: src, fault: fault}
			}}
		},
	})
}

// output is a memory sink, shared by the workers of one case, with one fault.
type output struct {
	*memory.Sink
	fault  string
	closed bool
}

func (o *output) Write(ctx context.Context, recs []connectors.Record) error {
	if o.closed {
		if o.fault == "writes after close" {
			return nil
		}
		return connectors.ErrClosed
	}
	switch o.fault {
	case "ignores cancel":
		ctx = context.Background()
	case "reorders":
		recs = slices.Clone(recs)
		slices.Reverse(recs)
	case "loses the last":
		recs = recs[:max(0, len(recs)-1)]
	case "changes the caller's records":
		for i := range recs {
			defer func() { recs[i].Value = nil }()
		}
	}
	return o.Sink.Write(ctx, recs)
}

func (o *output) Advance(ctx context.Context, done []connectors.Origin) error {
	if o.closed {
		return connectors.ErrClosed
	}
	if o.fault == "ignores Advance" {
		return nil
	}
	return o.Sink.Advance(ctx, done)
}

func (o *output) Resume() ([]connectors.Origin, error) {
	got, err := o.Sink.Resume()
	switch {
	case o.fault == "forgets positions":
		return nil, err
	case o.fault == "forgets marks":
		for i := range got {
			got[i].Mark = ""
		}
	}
	return got, err
}

func (o *output) Close(context.Context) error {
	if o.closed && o.fault == "closes once" {
		return errors.New("already closed")
	}
	o.closed = true
	return nil
}

var sinkFaults = []string{
	"writes after close", "ignores cancel", "reorders", "loses the last", "changes the caller's records",
	"ignores Advance", "forgets positions", "forgets marks", "closes once",
}

func runSink(t *testing.T, fault string) {
	conntest.RunSink(t, func(t *testing.T) conntest.Output {
		sink := memory.NewSink()
		return conntest.Output{
			Open: func(*testing.T) connectors.Sink { return &output{Sink: sink, fault: fault} },
			Values: func(*testing.T) []string {
				var out []string
				for _, r := range sink.Records() {
					out = append(out, string(r.Value))
				}
				return out
			},
		}
	})
}

func TestMutant(t *testing.T) {
	kind, fault, _ := strings.Cut(os.Getenv(mutantName), ":")
	switch kind {
	case "source":
		runSource(t, fault)
	case "sink":
		runSink(t, fault)
	default:
		runSource(t, "") // without a fault the suite passes
		runSink(t, "")
	}
}

func TestTheSuiteFindsEachFault(t *testing.T) {
	var mutants []string
	for _, f := range sourceFaults {
		mutants = append(mutants, "source:"+f)
	}
	for _, f := range sinkFaults {
		mutants = append(mutants, "sink:"+f)
	}
	for _, m := range mutants {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMutant$")
		cmd.Env = append(os.Environ(), mutantName+"="+m)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--- FAIL: TestMutant/") {
			t.Errorf("the suite does not find %q: %v\n%s", m, err, out)
		}
	}
}
