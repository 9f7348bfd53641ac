package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/any-order/a3/connectors"
)

func output(offset int64, value string) connectors.Record {
	return connectors.Record{
		Origin: connectors.Origin{Stream: "stories-in", Partition: 3, Offset: offset, Next: offset + 1},
		Value:  []byte(value),
	}
}

func TestWhatIsProduced(t *testing.T) { eachBroker(t, whatIsProduced) }

func whatIsProduced(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	at := time.UnixMilli(1_700_000_000_123)
	full := output(41, "v")
	full.Key, full.Time = []byte("k"), at
	full.Headers = []connectors.Header{{Name: "h", Value: []byte("1")}, {Name: "h"}, {Name: HeaderSourceOffset, Value: []byte("of an earlier job")}, {Name: HeaderModel, Value: []byte("of an earlier job")}}
	tombstone := connectors.Record{Origin: connectors.Origin{Stream: "a.jsonl", Partition: connectors.NoPartition, Offset: 7}, Key: []byte("gone")}
	identified := func(o *SinkOptions) { o.Model, o.Config = "m1", "c1" }
	for range 2 { // a second worker that repeats them
		if err := b.sink(t, topic, identified).Write(bounded(t), []connectors.Record{full, tombstone}); err != nil {
			t.Fatal(err)
		}
	}
	got := b.all(t, topic)[0]
	headers := func(r *kgo.Record) string {
		var s []string
		for _, h := range r.Headers {
			if h.Key == HeaderDedupe {
				continue
			}
			s = append(s, fmt.Sprintf("%s=%s/%v", h.Key, h.Value, h.Value == nil))
		}
		return strings.Join(s, " ")
	}
	if r := got[0]; string(r.Key) != "k" || string(r.Value) != "v" || !r.Timestamp.Equal(at) ||
		headers(r) != "h=1/false h=/true a3.source.topic=stories-in/false a3.source.partition=3/false a3.source.offset=41/false a3.model=m1/false a3.config=c1/false" {
		t.Errorf("record %q %q %v %s", r.Key, r.Value, r.Timestamp, headers(r))
	}
	rows := DefaultSinkOptions()
	first, second := output(41, "v"), output(41, "v")
	first.Origin.Row, second.Origin.Row = 1, 2
	one, two := rows.toKafka(first), rows.toKafka(second)
	if headers(two) != "a3.source.topic=stories-in/false a3.source.partition=3/false a3.source.offset=41/false a3.source.row=2/false" ||
		string(one.Headers[len(one.Headers)-1].Value) == string(two.Headers[len(two.Headers)-1].Value) {
		t.Errorf("rows %s and %s", headers(one), headers(two))
	}
	if r := got[1]; r.Value != nil || headers(r) != "a3.source.stream=a.jsonl/false a3.source.offset=7/false a3.model=m1/false a3.config=c1/false" {
		t.Errorf("tombstone %v %s", r.Value, headers(r))
	}
	dedupe := func(r *kgo.Record) string { return string(r.Headers[len(r.Headers)-1].Value) }
	if len(got) != 4 || dedupe(got[0]) != dedupe(got[2]) || dedupe(got[1]) != dedupe(got[3]) || dedupe(got[0]) == dedupe(got[1]) {
		t.Errorf("dedupe keys %q, %q, %q, %q", dedupe(got[0]), dedupe(got[1]), dedupe(got[2]), dedupe(got[3]))
	}
}

// Errors that pass are retried inside, also those where the broker did take the batch
// and its answer got lost: no record is lost or doubled, and the order holds.
func TestProduceErrorsThatPass(t *testing.T) {
	for _, passing := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicas} {
		t.Run(passing.Message, func(t *testing.T) {
			b := newBroker(t)
			topic := b.topic(t, 1)
			sink := b.sink(t, topic, nil)
			fault := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: passing, Count: 2})
			var want []string
			for i := range int64(6) {
				want = append(want, fmt.Sprint("v", i))
				if err := sink.Write(bounded(t), []connectors.Record{output(i, want[i])}); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, r := range b.all(t, topic)[0] {
				got = append(got, string(r.Value))
			}
			if strings.Join(got, " ") != strings.Join(want, " ") || fault.Hits() != 2 {
				t.Errorf("after %d faults: %v", fault.Hits(), got)
			}
		})
	}
}

func TestOneRecordThatIsTooLarge(t *testing.T) {
	b := newBroker(t)
	limit := "20000"
	if err := b.CreateTopic("small", 1, map[string]string{"max.message.bytes": limit}); err != nil {
		t.Fatal(err)
	}
	sink := b.sink(t, "small", nil)
	err := sink.Write(bounded(t), []connectors.Record{output(1, "a"), output(2, strings.Repeat("x", 30000)), output(3, "c")})
	var items *connectors.ItemError
	if !errors.As(err, &items) || len(items.Failed) != 1 || !errors.Is(items.Failed[1], connectors.ErrRejected) ||
		!strings.Contains(err.Error(), "stories-in/3@2 has 30000 bytes") {
		t.Fatalf("Write: %v", err)
	}
	if got := b.all(t, "small")[0]; len(got) != 2 || string(got[0].Value) != "a" || string(got[1].Value) != "c" {
		t.Errorf("%d records are durable, want the two others", len(got))
	}
	o := sink.opts
	o.MaxMessageBytes = 30000
	if _, err := OpenSink(bounded(t), o); err == nil || !strings.Contains(err.Error(), limit) {
		t.Errorf("a limit over the topic's: %v", err)
	}
}

func TestProduceErrorsThatStay(t *testing.T) {
	b := newBroker(t)
	topic := b.topic(t, 1)
	sink := b.sink(t, topic, nil)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: 1})
	err := sink.Write(bounded(t), []connectors.Record{output(1, "a"), output(2, "b")})
	var items *connectors.ItemError
	if !errors.As(err, &items) || len(items.Failed) != 2 || !errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, connectors.ErrRejected) {
		t.Fatalf("Write: %v", err)
	}
	if err := sink.Write(bounded(t), []connectors.Record{output(1, "a")}); err != nil {
		t.Errorf("the next Write: %v", err)
	}
}

// The broker does not answer: Write ends with its context, and Close does too.
func TestWriteCanBeCancelled(t *testing.T) {
	b := newBroker(t)
	topic := b.topic(t, 1)
	sink := b.sink(t, topic, nil)
	ctx, cancel := context.WithCancel(t.Context())
	asked, answer := make(chan struct{}), make(chan struct{})
	b.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.SleepControl(func() { close(asked); <-answer })
		return nil, nil, false
	})
	done := make(chan error)
	go func() { done <- sink.Write(ctx, []connectors.Record{output(1, "a")}) }()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v, want context.Canceled", err)
	}
	if err := sink.Close(bounded(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
	close(answer)
}

func TestOpenSinkExplainsAMissingTopic(t *testing.T) {
	b := newBroker(t)
	o := DefaultSinkOptions()
	o.Brokers, o.Topic = b.addrs, "missing"
	if _, err := OpenSink(bounded(t), o); err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("error %v", err)
	}
}
