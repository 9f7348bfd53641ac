package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/connectors/kafka/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A record of 8 MiB goes in and out; two brokers are two clusters.
func TestBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	first, err := embedded.Start("t")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := embedded.Start("t")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	value := bytes.Repeat([]byte("x"), 8<<20)
	out := kafka.DefaultSinkOptions()
	out.Brokers, out.Topic = []string{first.Addr()}, "t"
	sink, err := kafka.OpenSink(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close(ctx)
	if err := sink.Write(ctx, []connectors.Record{{Value: value}}); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]int{first.Addr(): 1, second.Addr(): 0} {
		in := kafka.DefaultSourceOptions()
		in.Brokers, in.Topics, in.Group, in.Instance, in.Until = []string{addr}, []string{"t"}, "g", kafka.InstanceNone, kafka.UntilEnd
		src, err := kafka.OpenSource(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for {
			ds, err := src.Read(ctx, 10)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range ds {
				if bytes.Equal(d.Value, value) {
					got++
				}
			}
		}
		if got != want {
			t.Errorf("%s has %d records, want %d", addr, got, want)
		}
		if err := src.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}
