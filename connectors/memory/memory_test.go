package memory_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/conntest"
	"github.com/any-order/a3/connectors/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func recordsOf(values []string) []connectors.Record {
	var out []connectors.Record
	for _, v := range values {
		out = append(out, connectors.Record{Value: []byte(v)})
	}
	return out
}

// suite runs conntest over sources that open makes anew over the same values.
func suite(open func(values []string) *memory.Source) conntest.SourceSuite {
	return conntest.SourceSuite{
		Fill: func(t *testing.T, values []string) conntest.Input {
			var before *memory.Source
			return conntest.Input{Open: func(t *testing.T) connectors.Source {
				src := open(values)
				if before != nil {
					if err := src.Seek(before.Acknowledged()); err != nil {
						t.Fatal(err)
					}
				}
				before = src
				return src
			}}
		},
		Idle: func(*testing.T) connectors.Source {
			return memory.FromChannel("idle", make(chan connectors.Record))
		},
	}
}

func TestSliceSource(t *testing.T) {
	conntest.RunSource(t, suite(func(values []string) *memory.Source {
		return memory.FromSlice("slice", recordsOf(values))
	}))
}

func TestChannelSource(t *testing.T) {
	conntest.RunSource(t, suite(func(values []string) *memory.Source {
		ch := make(chan connectors.Record, len(values))
		for _, r := range recordsOf(values) {
			ch <- r
		}
		close(ch)
		return memory.FromChannel("channel", ch)
	}))
}

func TestSink(t *testing.T) {
	conntest.RunSink(t, func(t *testing.T) conntest.Output {
		sink := memory.NewSink()
		return conntest.Output{
			Open: func(*testing.T) connectors.Sink { return &reopened{Sink: sink} },
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

// reopened gives each worker of the suite its own Close over one shared sink.
type reopened struct {
	*memory.Sink
	closed bool
}

func (r *reopened) Close(context.Context) error { r.closed = true; return nil }

func (r *reopened) Write(ctx context.Context, recs []connectors.Record) error {
	if r.closed {
		return connectors.ErrClosed
	}
	return r.Sink.Write(ctx, recs)
}

func (r *reopened) Advance(ctx context.Context, done []connectors.Origin) error {
	if r.closed {
		return connectors.ErrClosed
	}
	return r.Sink.Advance(ctx, done)
}

func TestSinkRefusesAfterClose(t *testing.T) {
	sink := memory.NewSink()
	sink.Close(t.Context())
	if err := sink.Write(t.Context(), recordsOf([]string{"a"})); !errors.Is(err, connectors.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := sink.Advance(t.Context(), nil); !errors.Is(err, connectors.ErrClosed) {
		t.Errorf("Advance: %v", err)
	}
}

func TestChannelSinkHoldsBackAndObeysCancel(t *testing.T) {
	ch := make(chan connectors.Record, 1)
	sink := memory.ToChannel(ch)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- sink.Write(ctx, recordsOf([]string{"a", "b", "c"})) }()
	if got := string((<-ch).Value); got != "a" {
		t.Fatalf("got %q", got)
	}
	cancel() // b fills the channel, c waits
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Write: %v, want context.Canceled", err)
	}
	if sink.Records() != nil {
		t.Error("a channel sink keeps records")
	}
}

func TestSeekRefusesForeignPositions(t *testing.T) {
	src := memory.FromSlice("s", recordsOf([]string{"a"}))
	for _, o := range []connectors.Origin{
		{Stream: "other", Partition: connectors.NoPartition, Next: 1},
		{Stream: "s", Partition: 3, Next: 1},
		{Stream: "s", Partition: connectors.NoPartition, Next: 2},
		{Stream: "s", Partition: connectors.NoPartition, Next: -1},
	} {
		if err := src.Seek([]connectors.Origin{o}); err == nil {
			t.Errorf("position %+v is accepted", o)
		}
	}
}

// A source that was sought and closed before any settle still stands where it began.
func TestAcknowledgedKeepsTheStart(t *testing.T) {
	src := memory.FromSlice("s", recordsOf([]string{"a", "b"}))
	start := connectors.Origin{Stream: "s", Partition: connectors.NoPartition, Offset: 2, Next: 2}
	if err := src.Seek([]connectors.Origin{start}); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Read(t.Context(), 1); !errors.Is(err, io.EOF) {
		t.Fatalf("Read: %v", err)
	}
	if got := src.Acknowledged(); len(got) != 1 || got[0] != start {
		t.Errorf("acknowledged %v", got)
	}
}
