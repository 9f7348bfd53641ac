package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka/kafkatest"
)

// shared is the real broker of this run of the tests, started when the first asks for it.
type shared struct {
	once   sync.Once
	addr   string
	broker *kafkatest.Broker // nil if the address was given
	err    error
}

var real shared

// A3_KAFKA says which real Kafka the tests use beside the one in memory: host:port of one
// that runs and allows sessions of 100 ms, or "start" for one of their own.
const realVariable = "A3_KAFKA"

func TestMain(m *testing.M) { goleak.VerifyTestMain(stopping{m}) }

// stopping ends the real broker before goroutines are counted.
type stopping struct{ *testing.M }

func (m stopping) Run() int {
	code := m.M.Run()
	if real.broker != nil {
		if err := errors.Join(real.broker.Kill(), os.RemoveAll(real.dir())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func (r *shared) dir() string {
	return filepath.Join(os.TempDir(), "a3-kafka-"+strconv.Itoa(os.Getpid()))
}

func (r *shared) address(t *testing.T) string {
	t.Helper()
	where := os.Getenv(realVariable)
	if where == "" {
		t.Skipf("not run against a real Kafka: set %s to host:port, or to start", realVariable)
	}
	r.once.Do(func() {
		if r.addr = where; where != "start" {
			return
		}
		if r.err = os.MkdirAll(r.dir(), 0o755); r.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // it may fetch the jars
		defer cancel()
		if r.broker, r.err = kafkatest.Start(ctx, r.dir()); r.err == nil {
			r.addr = r.broker.Addr
		}
	})
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.addr
}

// broker is a cluster of one node, with a client to look into it.
type broker struct {
	*kfake.Cluster // nil for a real one
	addrs          []string
	client         *kgo.Client
	admin          *kadm.Client
}

// eachBroker runs a case in memory, and on a real Kafka if there is one.
func eachBroker(t *testing.T, test func(t *testing.T, b *broker)) {
	t.Run("memory", func(t *testing.T) { test(t, newBroker(t)) })
	if os.Getenv(realVariable) != "" {
		t.Run("kafka", func(t *testing.T) { test(t, lookInto(t, nil, real.address(t))) })
	}
}

// TestRealKafka tells whether the cases of eachBroker ran on a real one too.
func TestRealKafka(t *testing.T) { real.address(t) }

// newBroker makes a cluster in memory.
func newBroker(t *testing.T, opts ...kfake.Opt) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return lookInto(t, cluster, cluster.ListenAddrs()...)
}

func lookInto(t *testing.T, cluster *kfake.Cluster, addrs ...string) *broker {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &broker{Cluster: cluster, addrs: addrs, client: client, admin: kadm.NewClient(client)}
}

// topic makes a topic with a name of its own.
func (b *broker) topic(t *testing.T, partitions int32) string {
	t.Helper()
	return b.topicWith(t, partitions, nil)
}

func (b *broker) topicWith(t *testing.T, partitions int32, config map[string]*string) string {
	t.Helper()
	ctx, name := bounded(t), "stories-"+rand.Text()
	if _, err := b.admin.CreateTopic(ctx, partitions, 1, config, name); err != nil {
		t.Fatal(err)
	}
	for { // a broker answers before its own view of the topics has the new one
		seen, err := b.admin.ListTopics(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if topic := seen[name]; topic.Err == nil && len(topic.Partitions) == int(partitions) {
			return name
		}
		time.Sleep(5 * time.Millisecond)
	}
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

// all reads what is committed in a topic now, by partition.
func (b *broker) all(t *testing.T, topic string) map[int32][]*kgo.Record {
	t.Helper()
	ctx := bounded(t)
	ends := b.settled(t, topic)
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	out := map[int32][]*kgo.Record{}
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out[r.Partition] = append(out[r.Partition], r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return out
}

// settled returns the ends of what is committed, once no transaction is on its way: a broker
// answers its end before the marks are in the partitions, and before all know a new leader.
// One that is left open on purpose is waited for in vain, for a few seconds.
func (b *broker) settled(t *testing.T, topic string) kadm.ListedOffsets {
	t.Helper()
	ctx := bounded(t)
	for wait := 0; ; wait++ {
		committed, err := b.admin.ListCommittedOffsets(ctx, topic)
		ends, err2 := b.admin.ListEndOffsets(ctx, topic)
		if err = errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		err = errors.Join(committed.Error(), ends.Error())
		open := false
		ends.Each(func(o kadm.ListedOffset) {
			c, _ := committed.Lookup(topic, o.Partition)
			open = open || c.Offset < o.Offset
		})
		switch {
		case err == nil && (!open || wait > 500):
			return committed
		case err != nil && (wait > 500 || !kerr.IsRetriable(committed.Error()) && !kerr.IsRetriable(ends.Error())):
			t.Fatal(err)
		case err != nil:
			b.client.ForceMetadataRefresh()
		}
		time.Sleep(10 * time.Millisecond)
	}
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

// mend ends the power cut.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
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
	o.Brokers, o.Topics, o.Group = b.addrs, []string{topic}, "group of "+topic
	o.Instance = InstanceNone
	o.CommitInterval = 20 * time.Millisecond
	o.SessionTimeout, o.RebalanceTimeout = 10*time.Second, 10*time.Second
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
