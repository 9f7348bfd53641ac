package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka/kafkatest"
)

// virtual makes a cluster and its network of virtual time, for a bubble of synctest.
func virtual(t *testing.T) (*broker, kgo.Opt) {
	t.Helper()
	net := &kfake.VirtualNetwork{}
	dialer := kgo.Dialer(net.DialContext)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(net.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), dialer, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &broker{Cluster: cluster, addrs: []string{"localhost:9092"}, client: client, admin: kadm.NewClient(client)}, dialer
}

// Work on a record takes ten minutes, longer than any timeout of the group; others come and go
// meanwhile. Nobody is expelled, and nothing comes twice.
func TestSlowWorkNeverExpelsAWorker(t *testing.T) {
	for name, protocol := range protocols {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, dialer := virtual(t)
				topic := "slow"
				if err := b.CreateTopic(topic, 2, nil); err != nil {
					t.Fatal(err)
				}
				for p := range int32(2) {
					if err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: p, Value: []byte("v0")}, &kgo.Record{Topic: topic, Partition: p, Value: []byte("v1")}).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
				open := func() *Source {
					o := DefaultSourceOptions()
					o.Brokers, o.Topics, o.Group, o.Instance, o.Protocol = b.addrs, []string{topic}, "g", InstanceNone, protocol
					o.Client = []kgo.Opt{dialer}
					src, err := OpenSource(t.Context(), o)
					if err != nil {
						t.Fatal(err)
					}
					return src
				}
				read := func(src *Source, n int) (out []connectors.Delivery) {
					for len(out) < n {
						ds, err := src.Read(t.Context(), n)
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, ds...)
					}
					return out
				}
				slow := open()
				defer slow.Close(t.Context())
				ds := read(slow, 4)
				visitor := open()
				moved := read(visitor, 2)
				time.Sleep(10 * time.Minute) // both at work, nobody polls
				for _, d := range append(slices.Clone(ds), moved...) {
					d.Settle(nil)
				}
				time.Sleep(time.Minute)
				if err := visitor.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				for p := range int32(2) {
					commits, err := b.admin.FetchOffsetsForTopics(t.Context(), "g", topic)
					if err != nil {
						t.Fatal(err)
					}
					if o, _ := commits.Lookup(topic, p); o.At != 2 {
						t.Errorf("partition %d is committed up to %d", p, o.At)
					}
				}
				taken := 0
				for i := range ds {
					if ds[i].Taken() {
						taken++
					}
				}
				if taken != 2 {
					t.Errorf("%d records were taken from the slow worker, want the 2 that moved", taken)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if again, err := slow.Read(ctx, 4); err == nil {
					t.Errorf("%d records come again, the first is %v", len(again), again[0].Origin)
				}
			})
		})
	}
}

// A worker is cut off for longer than its session, with work in hand. Another does it; when
// the network is back, the first finds out and goes on as a new member.
func TestSessionExpiry(t *testing.T) { eachBroker(t, sessionExpiry) }

func sessionExpiry(t *testing.T, b *broker) {
	in, out, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
	b.put(t, in, 0, numbered("v", 6)...)
	short := func(o *SourceOptions) {
		o.SessionTimeout, o.RebalanceTimeout = time.Second, time.Second
	}
	first := b.exchange(t, in, out, dead, short)
	first.transact(t, first.take(t, 2))
	held := first.take(t, 4)
	first.net.cut()
	second := b.exchange(t, in, out, dead, short)
	second.transact(t, second.take(t, 4))
	first.net.mend()
	first.transact(t, held) // returns when it has found out
	for i := range held {
		if !held[i].Taken() {
			t.Errorf("%v is still held by the worker that was expelled", held[i].Origin)
		}
	}
	if err := second.worker.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	b.put(t, in, 0, "v6")
	first.transact(t, first.take(t, 1))
	b.wantOnce(t, out, numbered("v", 7)...)
}

// The partitions of the outputs get another leader between any two transactions, and in
// the middle of some; fetches meet one that leads no more. (The cluster in memory does not
// know where the epochs of a log end, so the input's leader stays.)
func TestLeadersMove(t *testing.T) {
	const nodes = 3
	b := newBroker(t, kfake.NumBrokers(nodes))
	in, out, dead := b.topic(t, 2), b.topic(t, 2), b.topic(t, 1)
	move := func(round int) {
		for p := range int32(2) {
			if err := b.MoveTopicPartition(out, p, int32(round+int(p))%nodes); err != nil {
				t.Error(err)
			}
		}
		b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: in, Err: kerr.NotLeaderForPartition})
	}
	var want []string
	for p := range int32(2) {
		values := numbered(fmt.Sprint("p", p, "-"), 30)
		b.put(t, in, p, values...)
		want = append(want, values...)
	}
	x := b.exchange(t, in, out, dead, func(o *SourceOptions) {
		o.Client = append(o.Client, kgo.MetadataMinAge(20*time.Millisecond))
	})
	for round := 0; round < 12; round++ {
		ds := x.take(t, 5)
		done := make(chan error)
		go func() { done <- x.Transact(bounded(t), outcomes(ds)) }()
		move(round)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	b.wantOnce(t, out, want...)
}

// The broker is killed and started again under two workers, one of each delivery.
func TestBrokerBounce(t *testing.T) {
	if os.Getenv(realVariable) != "start" {
		t.Skipf("needs a real broker of its own: set %s to start", realVariable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	kafka, err := kafkatest.Start(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := kafka.Kill(); err != nil {
			t.Error(err)
		}
	}()
	b := lookInto(t, nil, kafka.Addr)
	in, once, least, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
	want := numbered("v", 40)
	b.put(t, in, 0, want...)
	ending := func(o *SourceOptions) { o.Until = UntilEnd }
	x := b.exchange(t, in, once, dead, ending)
	w := b.worker(t, in, func(o *SourceOptions) { ending(o); o.Group = "another" })
	sink := b.sink(t, least, nil)
	x.transact(t, x.take(t, 5))
	held, inHand := w.take(t, 5), x.take(t, 5)
	if err := kafka.Kill(); err != nil {
		t.Fatal(err)
	}
	again := make(chan error)
	go func() { again <- kafka.Restart(ctx) }()
	x.transact(t, inHand)
	x.run(t, 5)
	for ds := held; ; {
		var recs []connectors.Record
		for _, d := range ds {
			recs = append(recs, d.Record)
		}
		if err := sink.Write(bounded(t), recs); err != nil {
			t.Fatal(err)
		}
		settle(ds)
		if ds, err = w.Read(bounded(t), 5); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-again; err != nil {
		t.Error(err)
	}
	b.wantOnce(t, once, want...)
	seen := map[string]bool{}
	for _, r := range b.all(t, least)[0] {
		seen[string(r.Value)] = true
	}
	if len(seen) != len(want) {
		t.Errorf("at least once: %d of %d records are out", len(seen), len(want))
	}
}
