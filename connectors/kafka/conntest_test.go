package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/conntest"
)

func TestSourceSuite(t *testing.T) { eachBroker(t, sourceSuite) }

func sourceSuite(t *testing.T, b *broker) {
	named := func(o *SourceOptions) { o.Instance = "worker-1" }
	conntest.RunSource(t, conntest.SourceSuite{
		Fill: func(t *testing.T, values []string) conntest.Input {
			topic := b.topic(t, 1)
			b.put(t, topic, 0, values...)
			var last *worker
			return conntest.Input{
				Open: func(t *testing.T) connectors.Source {
					last = b.worker(t, topic, func(o *SourceOptions) { named(o); o.Until = UntilEnd })
					return last
				},
				Crash: func(*testing.T, connectors.Source) { last.kill() },
			}
		},
		Idle: func(t *testing.T) connectors.Source { return b.worker(t, b.topic(t, 1), named) },
	})
}

func TestSinkSuite(t *testing.T) { eachBroker(t, sinkSuite) }

func sinkSuite(t *testing.T, b *broker) {
	conntest.RunSink(t, func(t *testing.T) conntest.Output {
		topic := b.topic(t, 1)
		return conntest.Output{
			Open: func(t *testing.T) connectors.Sink { return b.sink(t, topic, nil) },
			Values: func(t *testing.T) []string {
				var out []string
				for _, r := range b.all(t, topic)[0] {
					out = append(out, string(r.Value))
				}
				return out
			},
		}
	})
}

func (b *broker) sink(t *testing.T, topic string, change func(*SinkOptions)) *Sink {
	t.Helper()
	o := DefaultSinkOptions()
	o.Brokers, o.Topic = b.addrs, topic
	o.Client = []kgo.Opt{kgo.MetadataMinAge(20 * time.Millisecond)} // so that retries need not wait for it
	if change != nil {
		change(&o)
	}
	sink, err := OpenSink(bounded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close(bounded(t)) })
	return sink
}
