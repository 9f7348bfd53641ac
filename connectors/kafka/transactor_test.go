package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/any-order/a3/connectors"
)

// exchange is a worker that moves records exactly once: those that start with "bad" to
// the dead letters, the others to the results.
type exchange struct {
	*worker
	*Transactor
	out, dead string
}

func (b *broker) exchange(t *testing.T, in, out, dead string, change func(*SourceOptions)) *exchange {
	t.Helper()
	x := &exchange{worker: b.worker(t, in, change), out: out, dead: dead}
	sinks := [2]SinkOptions{DefaultSinkOptions(), DefaultSinkOptions()}
	for i, topic := range []string{out, dead} {
		sinks[i].Brokers, sinks[i].Topic = b.addrs, topic
		sinks[i].Client = []kgo.Opt{kgo.Dialer(x.net.dial), kgo.MetadataMinAge(20 * time.Millisecond)}
	}
	var err error
	if x.Transactor, err = OpenTransactor(bounded(t), x.Source, sinks[0], sinks[1]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Transactor.Close(bounded(t)) })
	return x
}

func outcomes(ds []connectors.Delivery) []connectors.Outcome {
	out := make([]connectors.Outcome, len(ds))
	for i := range ds {
		rec := ds[i].Record
		out[i].Delivery = &ds[i]
		if strings.HasPrefix(string(rec.Value), "bad") {
			out[i].Letter = &rec
		} else {
			out[i].Output = &rec
		}
	}
	return out
}

func (x *exchange) transact(t *testing.T, ds []connectors.Delivery) {
	t.Helper()
	if err := x.Transact(bounded(t), outcomes(ds)); err != nil {
		t.Fatal(err)
	}
}

// run moves records until the end, n at a time.
func (x *exchange) run(t *testing.T, n int) {
	t.Helper()
	for {
		ds, err := x.Read(bounded(t), n)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		x.transact(t, ds)
	}
}

// wantOnce checks that a topic has the values, each once, in any order.
func (b *broker) wantOnce(t *testing.T, topic string, want ...string) {
	t.Helper()
	var got []string
	for _, recs := range b.all(t, topic) {
		for _, r := range recs {
			got = append(got, string(r.Value))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("topic %s has %d records, want %d: %q", topic, len(got), len(want), got)
	}
}

func TestTransact(t *testing.T) { eachBroker(t, transact) }

func transact(t *testing.T, b *broker) {
	in, out, dead := b.topic(t, 2), b.topic(t, 2), b.topic(t, 1)
	b.put(t, in, 0, append(numbered("v", 10), "bad0")...) // the last of a partition is the bad one
	b.put(t, in, 1, numbered("w", 10)...)
	x := b.exchange(t, in, out, dead, func(o *SourceOptions) { o.Until = UntilEnd })
	x.run(t, 4)
	b.wantOnce(t, out, append(numbered("v", 10), numbered("w", 10)...)...)
	b.wantOnce(t, dead, "bad0")
	for p, want := range []int64{11, 10} {
		if got := b.committed(t, x.opts.Group, in, int32(p)); got != want {
			t.Errorf("partition %d is committed up to %d, want %d", p, got, want)
		}
	}
	if err := x.Transactor.Close(bounded(t)); err != nil {
		t.Error(err)
	}
	if err := x.Transact(bounded(t), nil); !errors.Is(err, connectors.ErrClosed) {
		t.Errorf("Transact after Close: %v", err)
	}
}

// A worker dies between its results and the end of the transaction; the one that comes
// back under its name ends what it left at once, and does it again.
func TestTransactionLeftOpen(t *testing.T) { eachBroker(t, transactionLeftOpen) }

func transactionLeftOpen(t *testing.T, b *broker) {
	in, out, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
	b.put(t, in, 0, numbered("v", 6)...)
	named := func(o *SourceOptions) { o.Instance, o.Until = "w", UntilEnd }
	first := b.exchange(t, in, out, dead, named)
	first.transact(t, first.take(t, 2))
	ds := first.take(t, 4)
	if err := first.Transactor.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	records := []*kgo.Record{{Topic: out, Value: []byte("v2")}}
	member, generation := first.Source.client.GroupMetadata()
	if err := errors.Join(first.produce(bounded(t), records, []int{0}), first.addOffsets(bounded(t), member, generation, map[place]int64{{in, 0}: 3})); err != nil {
		t.Fatal(err)
	}
	first.kill()

	start := time.Now()
	second := b.exchange(t, in, out, dead, named)
	second.run(t, 10)
	if waited := time.Since(start); waited > transactionTimeout/2 {
		t.Errorf("the worker that came back waited %v for its own transaction", waited)
	}
	b.wantOnce(t, out, numbered("v", 6)...)

	// The dead one wakes up: it is fenced.
	if err := first.Transact(bounded(t), outcomes(ds)); err == nil && !ds[0].Taken() {
		t.Error("a worker that was replaced goes on")
	}
	b.wantOnce(t, out, numbered("v", 6)...)
}

// A partition moves with work in hand. The old owner's transaction leaves it out; the new
// owner does it.
func TestTransactLeavesOutWhatWasTaken(t *testing.T) { eachBroker(t, transactLeavesOutWhatWasTaken) }

func transactLeavesOutWhatWasTaken(t *testing.T, b *broker) {
	for name, protocol := range protocols {
		t.Run(name, func(t *testing.T) {
			in, out, dead := b.topic(t, 2), b.topic(t, 1), b.topic(t, 1)
			b.put(t, in, 0, numbered("v", 6)...)
			b.put(t, in, 1, numbered("w", 6)...)
			speaking := func(o *SourceOptions) { o.Protocol = protocol }
			old := b.exchange(t, in, out, dead, speaking)
			ds := old.take(t, 12)
			newer := b.exchange(t, in, out, dead, speaking)
			moved := newer.take(t, 6)
			old.transact(t, ds)
			newer.transact(t, moved)
			b.wantOnce(t, out, append(numbered("v", 6), numbered("w", 6)...)...)
			for p := range int32(2) {
				b.waitCommitted(t, old.opts.Group, in, p, 6)
			}
		})
	}
}

func TestTransactRejects(t *testing.T) { eachBroker(t, transactRejects) }

func transactRejects(t *testing.T, b *broker) {
	limit := "2000"
	in, dead := b.topic(t, 1), b.topic(t, 1)
	out := b.topicWith(t, 1, map[string]*string{"max.message.bytes": &limit})
	b.put(t, in, 0, "a", strings.Repeat("x", 3000), "c")
	x := b.exchange(t, in, out, dead, nil)
	ds := x.take(t, 3)
	all := outcomes(ds)
	err := x.Transact(bounded(t), all)
	var item *connectors.ItemError
	if !errors.As(err, &item) || !errors.Is(err, connectors.ErrRejected) || len(item.Failed) != 1 || item.Failed[1] == nil {
		t.Fatalf("error %v, want outcome 1 rejected", err)
	}
	if got := b.committed(t, x.opts.Group, in, 0); got > 0 {
		t.Errorf("committed up to %d", got)
	}
	all[1].Letter, all[1].Output = all[1].Output, nil // the dead letters take it
	if err := x.Transact(bounded(t), all); err != nil {
		t.Fatal(err)
	}
	b.wantOnce(t, out, "a", "c")
	b.wantOnce(t, dead, strings.Repeat("x", 3000))
}

// Nothing to write is no transaction; the source acknowledges it by itself.
func TestTransactWithoutRecords(t *testing.T) {
	b := newBroker(t)
	in, out, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
	b.put(t, in, 0, "v")
	x := b.exchange(t, in, out, dead, nil)
	ended := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Observe: true, Count: -1})
	ds := x.take(t, 1)
	if err := x.Transact(bounded(t), []connectors.Outcome{{Delivery: &ds[0]}}); err != nil {
		t.Fatal(err)
	}
	b.waitCommitted(t, x.opts.Group, in, 0, 1)
	if ended.Hits() != 0 {
		t.Error("an empty transaction was made")
	}
}

// Whatever request of a transaction fails in a way that passes, whether or not the broker
// did what was asked: each record is out once.
func TestTransactionFaults(t *testing.T) {
	for _, c := range []struct {
		key kmsg.Key
		err *kerr.Error
	}{
		{kmsg.Produce, kerr.NotLeaderForPartition},
		{kmsg.Produce, kerr.RequestTimedOut}, // done, and not said
		{kmsg.Produce, kerr.NotEnoughReplicasAfterAppend},
		{kmsg.TxnOffsetCommit, kerr.NotCoordinator},
		{kmsg.TxnOffsetCommit, kerr.CoordinatorLoadInProgress},
		{kmsg.TxnOffsetCommit, kerr.IllegalGeneration},
		{kmsg.TxnOffsetCommit, kerr.RebalanceInProgress},
		{kmsg.TxnOffsetCommit, kerr.UnknownMemberID},
		{kmsg.TxnOffsetCommit, kerr.ConcurrentTransactions},
		{kmsg.TxnOffsetCommit, kerr.RequestTimedOut},
		{kmsg.EndTxn, kerr.NotCoordinator},
		{kmsg.EndTxn, kerr.ConcurrentTransactions},
		{kmsg.EndTxn, kerr.UnknownServerError},
		{kmsg.EndTxn, kerr.TransactionAbortable},
		{kmsg.AddOffsetsToTxn, kerr.CoordinatorNotAvailable},
	} {
		for _, protocol := range []string{"of 3.8", "of today"} {
			if protocol == "of today" && c.key == kmsg.AddOffsetsToTxn {
				continue // not sent any more
			}
			if protocol == "of 3.8" && c.key == kmsg.EndTxn && c.err == kerr.TransactionAbortable {
				continue // the client gives up its producer: the worker ends, and comes back
			}
			t.Run(fmt.Sprintf("%s %s %s", c.key.Name(), c.err.Message, protocol), func(t *testing.T) {
				t.Parallel()
				var options []kfake.Opt
				if protocol == "of 3.8" {
					options = append(options, kfake.MaxVersions(kversion.V3_8_0()))
				}
				b := newBroker(t, options...)
				in, out, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
				b.put(t, in, 0, numbered("v", 9)...)
				x := b.exchange(t, in, out, dead, nil)
				x.transact(t, x.take(t, 3))
				fault := b.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, Count: 2})
				x.transact(t, x.take(t, 3))
				if fault.Hits() == 0 {
					t.Error("the fault did not happen")
				}
				x.transact(t, x.take(t, 3))
				b.wantOnce(t, out, numbered("v", 9)...)
				b.waitCommitted(t, x.opts.Group, in, 0, 9)
			})
		}
	}
}

// What does not pass ends the run, with nothing acknowledged.
func TestTransactionFaultsThatStay(t *testing.T) {
	for _, c := range []struct {
		key kmsg.Key
		err *kerr.Error
	}{
		{kmsg.TxnOffsetCommit, kerr.FencedInstanceID},
		{kmsg.TxnOffsetCommit, kerr.GroupAuthorizationFailed},
		{kmsg.Produce, kerr.TopicAuthorizationFailed},
	} {
		b := newBroker(t)
		in, out, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
		b.put(t, in, 0, "v")
		x := b.exchange(t, in, out, dead, nil)
		b.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, Count: -1})
		if err := x.Transact(bounded(t), outcomes(x.take(t, 1))); !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.key.Name(), err, c.err)
		}
		if got := b.committed(t, x.opts.Group, in, 0); got > 0 {
			t.Errorf("%s: committed up to %d", c.key.Name(), got)
		}
		b.wantOnce(t, out)
	}
}

func TestTransactObeysCancel(t *testing.T) {
	b := newBroker(t)
	in, out, dead := b.topic(t, 1), b.topic(t, 1), b.topic(t, 1)
	b.put(t, in, 0, "v")
	x := b.exchange(t, in, out, dead, nil)
	fault := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.RebalanceInProgress, Count: -1})
	ctx, cancel := context.WithCancel(bounded(t))
	go func() {
		_ = fault.Wait(ctx, 3)
		cancel()
	}()
	if err := x.Transact(ctx, outcomes(x.take(t, 1))); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestTransactorRefusesAnotherCluster(t *testing.T) {
	b, other := newBroker(t), newBroker(t, kfake.ClusterID("another"))
	src := b.worker(t, b.topic(t, 1), nil)
	o := DefaultSinkOptions()
	o.Brokers, o.Topic = other.addrs, other.topic(t, 1)
	if _, err := OpenTransactor(bounded(t), src.Source, o, o); err == nil || !strings.Contains(err.Error(), "exactly once needs both in one") {
		t.Errorf("error %v", err)
	}
}
