package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker is an in-memory cluster of one node, with a client to look into it.
type broker struct {
	*kfake.Cluster
	client *kgo.Client
	admin  *kadm.Client
	topics atomic.Int64
}

func newBroker(t *testing.T, opts ...kfake.Opt) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &broker{Cluster: cluster}
	b.client, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	b.admin = kadm.NewClient(b.client)
	return b
}

// topic makes a topic with a name of its own.
func (b *broker) topic(t *testing.T, partitions int32) string {
	t.Helper()
	name := "stories-" + strconv.FormatInt(b.topics.Add(1), 10)
	if err := b.CreateTopic(name, partitions, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

// put produces values to one partition.
func (b *broker) put(t *testing.T, topic string, partition int32, values ...string) {
	t.Helper()
	var recs []*kgo.Record
	for _, v := range values {
		recs = append(recs, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)})
	}
	if err := b.client.ProduceSync(bounded(t), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// all reads what is in a topic now, by partition.
func (b *broker) all(t *testing.T, topic string) map[int32][]*kgo.Record {
	t.Helper()
	ctx := bounded(t)
	ends, err := b.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	ends.Each(func(o kadm.ListedOffset) { left += int(o.Offset) })
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	out := map[int32][]*kgo.Record{}
	for left > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			out[r.Partition] = append(out[r.Partition], r)
			left--
		})
	}
	return out
}

// committed returns the group's commit for a partition, -1 for none.
func (b *broker) committed(t *testing.T, group, topic string, partition int32) int64 {
	t.Helper()
	commits, err := b.admin.FetchOffsetsForTopics(bounded(t), group, topic)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := commits.Lookup(topic, partition)
	if !ok {
		return -1
	}
	return o.At
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// network is what one worker is connected through; cut is a power cut for it.
type network struct {
	mu    sync.Mutex
	conns []net.Conn
	down  bool
}

func (n *network) dial(ctx context.Context, kind, host string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, kind, host)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil && n.down {
		conn.Close()
		return nil, errors.New("the network is cut")
	}
	n.conns = append(n.conns, conn)
	return conn, err
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for _, c := range n.conns {
		if c != nil {
			c.Close()
		}
	}
}

// worker is a source with its own network.
type worker struct {
	*Source
	net *network
}

func (b *broker) worker(t *testing.T, topic string, change func(*SourceOptions)) *worker {
	t.Helper()
	w := &worker{net: &network{}}
	o := DefaultSourceOptions()
	o.Brokers, o.Topic, o.Group = b.ListenAddrs(), topic, "group of "+topic
	o.Instance = InstanceNone
	o.CommitInterval = 20 * time.Millisecond
	o.SessionTimeout, o.RebalanceTimeout = 2*time.Second, 4*time.Second
	o.Client = []kgo.Opt{kgo.Dialer(w.net.dial)}
	if change != nil {
		change(&o)
	}
	src, err := OpenSource(bounded(t), o)
	if err != nil {
		t.Fatal(err)
	}
	w.Source = src
	t.Cleanup(w.kill)
	return w
}

// kill ends the worker without a word to the cluster.
func (w *worker) kill() {
	w.net.cut()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	w.Close(gone)
}

// take reads n records.
func (w *worker) take(t *testing.T, n int) []connectors.Delivery {
	t.Helper()
	ctx := bounded(t)
	var all []connectors.Delivery
	for len(all) < n {
		ds, err := w.Read(ctx, n-len(all))
		if err != nil {
			t.Fatalf("Read after %d of %d records: %v", len(all), n, err)
		}
		all = append(all, ds...)
	}
	return all
}

func settle(ds []connectors.Delivery) {
	for _, d := range ds {
		d.Settle(nil)
	}
}

// numbered makes n values.
func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(prefix, i)
	}
	return out
}
