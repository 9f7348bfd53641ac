package conntest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/any-order/a3/connectors"
)

// Output is one output of the connector under test, empty at first.
type Output struct {
	// Open opens a sink on the output. Each call stands for a restarted worker, on
	// the same output.
	Open func(t *testing.T) connectors.Sink
	// Crash ends a sink as a killed process ends. When nil, the suite leaves the
	// sink alone and closes it after the test.
	Crash func(t *testing.T, sink connectors.Sink)
	// Values returns what another program finds in the output now, in order.
	Values func(t *testing.T) []string
}

// RunSink checks the rules of connectors.Sink, and of Advancer and Resumer where the
// sink implements them. newOutput makes a fresh output at each call.
func RunSink(t *testing.T, newOutput func(t *testing.T) Output) {
	t.Run("written is durable and in order", func(t *testing.T) { durable(t, newOutput(t)) })
	t.Run("an empty batch is fine", func(t *testing.T) { emptyBatch(t, newOutput(t)) })
	t.Run("a cancelled write says so", func(t *testing.T) { cancelledWrite(t, newOutput(t)) })
	t.Run("close twice", func(t *testing.T) { sinkCloseTwice(t, newOutput(t)) })
	t.Run("a restarted worker goes on behind", func(t *testing.T) { goOn(t, newOutput(t)) })
	t.Run("positions are remembered", func(t *testing.T) { positions(t, newOutput(t)) })
	t.Run("positions move without output", func(t *testing.T) { advance(t, newOutput(t)) })
}

const inStream = "in.jsonl"

// records gives each value the origin of line first, first+1, ...
func records(first int, vals []string) []connectors.Record {
	out := make([]connectors.Record, len(vals))
	for i, v := range vals {
		out[i] = connectors.Record{Origin: origin(inStream, first+i), Value: []byte(v)}
	}
	return out
}

func origin(stream string, line int) connectors.Origin {
	return connectors.Origin{
		Stream: stream, Partition: connectors.NoPartition,
		Offset: int64(line), Next: int64(line) * 100, Mark: "mark of " + stream,
	}
}

func write(t *testing.T, sink connectors.Sink, recs []connectors.Record) {
	t.Helper()
	if err := sink.Write(bounded(t), recs); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func durable(t *testing.T, out Output) {
	want := values(17)
	sink := out.Open(t)
	for at := 0; at < len(want); at += 5 {
		batch := want[at:min(at+5, len(want))]
		recs := records(at+1, batch)
		write(t, sink, recs)
		wantValues(t, "visible once Write returned", out.Values(t), want[:at+len(batch)])
		for i, r := range recs {
			if string(r.Value) != batch[i] {
				t.Fatalf("Write changed the caller's record %d", i)
			}
		}
	}
	closeNow(t, sink)
	wantValues(t, "after Close", out.Values(t), want)
}

func emptyBatch(t *testing.T, out Output) {
	sink := out.Open(t)
	write(t, sink, nil)
	write(t, sink, []connectors.Record{})
	closeNow(t, sink)
	wantValues(t, "after empty batches", out.Values(t), nil)
}

func cancelledWrite(t *testing.T, out Output) {
	sink := out.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := sink.Write(ctx, records(1, values(2)))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Write under a cancelled context: %v, want context.Canceled", err)
	}
	if err := sink.Close(bounded(t)); err != nil {
		t.Fatalf("Close after a cancelled Write: %v", err)
	}
}

func sinkCloseTwice(t *testing.T, out Output) {
	sink := out.Open(t)
	write(t, sink, records(1, values(1)))
	closeNow(t, sink)
	closeNow(t, sink)
	if err := sink.Write(bounded(t), records(2, values(1))); !errors.Is(err, connectors.ErrClosed) {
		t.Fatalf("Write after Close: %v, want ErrClosed", err)
	}
}

func crashSink(t *testing.T, out Output, sink connectors.Sink) {
	t.Helper()
	if out.Crash != nil {
		out.Crash(t, sink)
		return
	}
	t.Cleanup(func() { sink.Close(context.Background()) })
}

func goOn(t *testing.T, out Output) {
	want := values(9)
	first := out.Open(t)
	write(t, first, records(1, want[:3]))
	crashSink(t, out, first)
	second := out.Open(t)
	write(t, second, records(4, want[3:6]))
	closeNow(t, second)
	third := out.Open(t)
	write(t, third, records(7, want[6:]))
	closeNow(t, third)
	wantValues(t, "over three workers", out.Values(t), want)
}

// wantResume opens the output again and compares the positions.
func wantResume(t *testing.T, out Output, want ...connectors.Origin) connectors.Sink {
	t.Helper()
	sink := out.Open(t)
	got, err := sink.(connectors.Resumer).Resume()
	if err != nil {
		t.Fatalf("Resume: %v", err)
	}
	if len(got) != len(want) {
		t.Fatalf("Resume gives %v, want %v", got, want)
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Fatalf("Resume gives %+v, want %+v among them", got, w)
		}
	}
	return sink
}

func positions(t *testing.T, out Output) {
	sink := out.Open(t)
	if _, ok := sink.(connectors.Resumer); !ok {
		closeNow(t, sink)
		t.Skip("not a Resumer")
	}
	crashSink(t, out, sink)
	sink = wantResume(t, out)
	recs := records(1, values(4))
	write(t, sink, recs)
	crashSink(t, out, sink)
	sink = wantResume(t, out, recs[3].Origin)
	var others []connectors.Record
	for i := range 3 {
		others = append(others, connectors.Record{Origin: origin(fmt.Sprint("other ", i), 8), Value: []byte("x")})
	}
	write(t, sink, others)
	crashSink(t, out, sink)
	sink = wantResume(t, out, recs[3].Origin, others[0].Origin, others[1].Origin, others[2].Origin)
	closeNow(t, sink)
	closeNow(t, wantResume(t, out, recs[3].Origin, others[0].Origin, others[1].Origin, others[2].Origin))
}

// The last inputs of a stream went to the dead letters: without Advance they would
// be done again by every restart.
func advance(t *testing.T, out Output) {
	sink := out.Open(t)
	adv, ok := sink.(connectors.Advancer)
	if !ok {
		closeNow(t, sink)
		t.Skip("not an Advancer")
	}
	write(t, sink, records(1, values(2)))
	if err := adv.Advance(bounded(t), []connectors.Origin{origin(inStream, 3), origin(inStream, 4)}); err != nil {
		t.Fatalf("Advance: %v", err)
	}
	if err := adv.Advance(bounded(t), nil); err != nil {
		t.Fatalf("Advance over nothing: %v", err)
	}
	crashSink(t, out, sink)
	wantValues(t, "after Advance", out.Values(t), values(2))
	if _, ok := sink.(connectors.Resumer); !ok {
		return
	}
	sink = wantResume(t, out, origin(inStream, 4))
	closeNow(t, sink)
	if err := sink.(connectors.Advancer).Advance(bounded(t), []connectors.Origin{origin(inStream, 5)}); !errors.Is(err, connectors.ErrClosed) {
		t.Fatalf("Advance after Close: %v, want ErrClosed", err)
	}
}
