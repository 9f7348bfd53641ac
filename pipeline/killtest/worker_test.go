package killtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/journal"
)

// A point is where a worker may be killed: behind what its name says.
type point string

const (
	polled       point = "poll"
	computed     point = "decode"
	journaled    point = "journal"
	produced     point = "produce"
	offsetsAdded point = "offsets" // of a transaction
	commitSent   point = "commit sent"
	committed    point = "commit"
	outside      point = "outside" // by another process, at any time
	frozen       point = "frozen"  // stopped for longer than its session, and killed when it has come back
	nowhere      point = ""
)

// orders are what the harness tells a worker.
type orders struct {
	Brokers        []string
	In, Out, Dead  string
	ExactlyOnce    bool
	Dir            string // of slots, journals and the diary
	SessionTimeout time.Duration
	Kill           point
	After          int64 // the how manieth time
}

const ordersVariable = "A3_KILLTEST_ORDERS"

// TestMain lets the test binary be a worker.
func TestMain(m *testing.M) {
	text := os.Getenv(ordersVariable)
	if text == "" {
		goleak.VerifyTestMain(m)
		return
	}
	var o orders
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = (&worker{orders: o}).run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// worker is one process of the group.
type worker struct {
	orders
	passed atomic.Int64 // times at the point to be killed at
	diary  *os.File
}

// at is called behind each point.
func (w *worker) at(p point) {
	if p == w.Kill && w.passed.Add(1) == w.After {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

// note writes a line to the diary of all workers.
func (w *worker) note(what, name string, value []byte) error {
	_, err := fmt.Fprintf(w.diary, "%s %s %s\n", what, name, value)
	return err
}

func (w *worker) run() (err error) {
	ctx := context.Background()
	stop := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		close(stop)
	}()
	if w.diary, err = os.OpenFile(filepath.Join(w.Dir, "diary"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	cluster := kafka.Cluster{Brokers: w.Brokers, ClientID: "killtest", Client: []kgo.Opt{kgo.WithHooks(w), kgo.MetadataMinAge(50 * time.Millisecond)}}
	in := kafka.DefaultSourceOptions()
	in.Cluster, in.Topics, in.Group, in.SlotDir = cluster, []string{w.In}, "group of "+w.In, w.Dir
	in.SessionTimeout, in.RebalanceTimeout, in.CommitInterval = w.SessionTimeout, 2*w.SessionTimeout, 20*time.Millisecond
	src, err := kafka.OpenSource(ctx, in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close(ctx)) }()
	j, err := journal.Open(filepath.Join(w.Dir, "journal of "+src.Name()), journal.DefaultOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()

	out, dead := kafka.DefaultSinkOptions(), kafka.DefaultSinkOptions()
	out.Cluster, out.Topic, out.Config = cluster, w.Out, "killtest"
	dead.Cluster, dead.Topic = cluster, w.Dead
	o := pipeline.Options{Window: 24, WriteBatch: 5, Journal: noting{j, w, src.Name()}, Run: "killtest"}
	var sink, letters connectors.Sink
	if w.ExactlyOnce {
		x, err := kafka.OpenTransactor(ctx, src, out, dead)
		if err != nil {
			return err
		}
		defer x.Close(ctx)
		o.Transactor = x
	} else {
		if sink, err = kafka.OpenSink(ctx, out); err != nil {
			return err
		}
		defer sink.Close(ctx)
		if letters, err = kafka.OpenSink(ctx, dead); err != nil {
			return err
		}
		defer letters.Close(ctx)
	}
	_, err = pipeline.Run(ctx, stop, polling{src, w}, job{w, src.Name()}, sink, letters, o)
	return err
}

// The points that only the client sees: a request that was sent, and its answer.

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (w *worker) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil && kmsg.Key(key) == w.lastRequest() {
		w.at(commitSent)
	}
}

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (w *worker) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if e2e.Err() != nil {
		return
	}
	switch kmsg.Key(key) {
	case kmsg.Produce:
		w.at(produced)
	case kmsg.TxnOffsetCommit:
		w.at(offsetsAdded)
	case w.lastRequest():
		w.at(committed)
	}
}

func (w *worker) lastRequest() kmsg.Key {
	if w.ExactlyOnce {
		return kmsg.EndTxn
	}
	return kmsg.OffsetCommit
}

// polling is the source.
type polling struct {
	connectors.Source
	w *worker
}

func (p polling) Read(ctx context.Context, max int) ([]connectors.Delivery, error) {
	ds, err := p.Source.Read(ctx, max)
	if len(ds) > 0 {
		p.w.at(polled)
	}
	return ds, err
}

// noting is the journal.
type noting struct {
	*journal.Journal
	w    *worker
	name string
}

func (n noting) Done(key journal.Key, r journal.Result) error {
	if err := n.Journal.Done(key, r); err != nil {
		return err
	}
	value, _, _ := strings.Cut(string(r.Output), " ")
	if err := n.w.note("journaled", n.name, []byte(value)); err != nil {
		return err
	}
	n.w.at(journaled)
	return nil
}

// job is slow enough that records are in every stage when a worker dies.
type job struct {
	w    *worker
	name string
}

func (j job) Prepare(item *pipeline.Item) { item.Task = item.Delivery.Value }

func (j job) Compute(ctx context.Context, in <-chan *pipeline.Item, done func(*pipeline.Item) error) error {
	for {
		var item *pipeline.Item
		var ok bool
		select {
		case item, ok = <-in:
		case <-ctx.Done():
		}
		if !ok {
			return ctx.Err()
		}
		value := item.Delivery.Value
		if err := j.w.note("computed", j.name, value); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
		if isBad(string(value)) {
			item.Err = errors.New("this one cannot be computed")
		} else {
			item.Output = result(string(value))
		}
		j.w.at(computed)
		if err := done(item); err != nil {
			return err
		}
	}
}

// result is what becomes of a value.
func result(value string) []byte {
	return fmt.Appendf(nil, "%s %x", value, sha256.Sum256([]byte(value)))
}

// reachable says whether somebody listens at an address.
func reachable(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}
