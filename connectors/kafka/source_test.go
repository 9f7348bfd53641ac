package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/any-order/a3/connectors"
)

// waitCommitted asks the broker until the group's commit is what it must become.
func (b *broker) waitCommitted(t *testing.T, group, topic string, partition int32, want int64) {
	t.Helper()
	ctx := bounded(t)
	for {
		got := b.committed(t, group, topic, partition)
		if got == want {
			return
		}
		if ctx.Err() != nil || got > want {
			t.Fatalf("partition %d is committed up to %d, want %d", partition, got, want)
		}
	}
}

func byPartition(ds []connectors.Delivery) map[int32][]connectors.Delivery {
	out := map[int32][]connectors.Delivery{}
	for _, d := range ds {
		out[d.Origin.Partition] = append(out[d.Origin.Partition], d)
	}
	return out
}

func offsets(ds []connectors.Delivery) []int64 {
	var out []int64
	for _, d := range ds {
		out = append(out, d.Origin.Offset)
	}
	return out
}

func TestWhatARecordCarries(t *testing.T) { eachBroker(t, whatARecordCarries) }

func whatARecordCarries(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	at := time.UnixMilli(1_700_000_000_123)
	in := []*kgo.Record{
		{Topic: topic, Key: []byte("k"), Value: []byte("v"), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}, {Key: "e", Value: []byte{}}}},
		{Topic: topic, Key: []byte("gone"), Value: nil, Timestamp: at},
		{Topic: topic, Key: nil, Value: []byte{}, Timestamp: at},
	}
	if err := b.client.ProduceSync(bounded(t), in...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ds := b.worker(t, topic, nil).take(t, 3)
	if d := ds[0]; string(d.Key) != "k" || string(d.Value) != "v" || !d.Time.Equal(at) || len(d.Headers) != 3 ||
		d.Headers[1].Value != nil || d.Headers[2].Value == nil || d.Origin.String() != topic+"/0@0" || d.Origin.Next != 1 {
		t.Errorf("record %+v", d.Record)
	}
	if d := ds[1]; d.Value != nil || string(d.Key) != "gone" {
		t.Errorf("tombstone %+v", d.Record)
	}
	if d := ds[2]; d.Value == nil || d.Key != nil {
		t.Errorf("empty value %+v", d.Record)
	}
}

// The last record is the bad one: nothing behind it will ever move the commit past it.
func TestPoisonLast(t *testing.T) { eachBroker(t, poisonLast) }

func poisonLast(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	b.put(t, topic, 0, numbered("v", 5)...)
	w := b.worker(t, topic, nil)
	ds := w.take(t, 5)
	for _, i := range []int{3, 1, 2, 0} {
		ds[i].Settle(nil)
	}
	b.waitCommitted(t, w.opts.Group, topic, 0, 4)
	ds[4].Settle(nil) // it reached the dead letters
	b.waitCommitted(t, w.opts.Group, topic, 0, 5)
}

// A worker dies with work in hand: another one gets all of it that was not settled,
// and nothing was acknowledged early.
func TestKilledWorkerLosesNothing(t *testing.T) { eachBroker(t, killedWorkerLosesNothing) }

func killedWorkerLosesNothing(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	want := numbered("v", 20)
	b.put(t, topic, 0, want...)
	short := func(o *SourceOptions) {
		o.SessionTimeout, o.RebalanceTimeout = 900*time.Millisecond, 1800*time.Millisecond
	}
	first := b.worker(t, topic, short)
	ds := first.take(t, 12)
	settle(ds[:5])
	settle(ds[6:])
	b.waitCommitted(t, first.opts.Group, topic, 0, 5)
	first.net.cut()

	second := b.worker(t, topic, short)
	again := second.take(t, 15)
	if got := offsets(again); got[0] != 5 || !slices.IsSorted(got) {
		t.Fatalf("the second worker gets offsets %v, want 5 to 19", got)
	}
	ds[5].Settle(nil) // the dead worker's hand still moves
	first.kill()
	if got := b.committed(t, first.opts.Group, topic, 0); got != 5 {
		t.Fatalf("committed up to %d by a dead worker", got)
	}
	settle(again)
	b.waitCommitted(t, first.opts.Group, topic, 0, 20)
}

// A partition moves to another worker while its records are being worked on. What the
// old worker settles afterwards must not move the commit: the new one has not done it.
func TestLateSettleAfterRebalanceIsDropped(t *testing.T) {
	eachBroker(t, lateSettleAfterRebalanceIsDropped)
}

func lateSettleAfterRebalanceIsDropped(t *testing.T, b *broker) {
	topic := b.topic(t, 2)
	for p := range int32(2) {
		b.put(t, topic, p, numbered("v", 10)...)
	}
	old := b.worker(t, topic, nil)
	before := byPartition(old.take(t, 20))
	for _, ds := range before {
		settle(ds[:2])
	}

	newer := b.worker(t, topic, nil)
	first := newer.take(t, 1)
	moved := first[0].Origin.Partition
	if first[0].Origin.Offset != 2 {
		t.Fatalf("the new owner begins at %v, want offset 2: the revoke committed what was settled", first[0].Origin)
	}
	for _, ds := range before { // late for the partition that moved
		settle(ds)
	}
	b.waitCommitted(t, old.opts.Group, topic, 1-moved, 10)
	if err := old.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if got := b.committed(t, old.opts.Group, topic, moved); got != 2 {
		t.Fatalf("committed up to %d by the old owner, want 2", got)
	}
	rest := append(first, newer.take(t, 7)...)
	settle(rest)
	b.waitCommitted(t, old.opts.Group, topic, moved, 10)
}

// A partition comes back to a worker that has old work of it in hand: the old epoch's
// settles do not count for the new epoch.
func TestPartitionThatComesBackStartsAFreshEpoch(t *testing.T) {
	eachBroker(t, partitionThatComesBackStartsAFreshEpoch)
}

func partitionThatComesBackStartsAFreshEpoch(t *testing.T, b *broker) {
	topic := b.topic(t, 2)
	for p := range int32(2) {
		b.put(t, topic, p, numbered("v", 4)...)
	}
	stays := b.worker(t, topic, nil)
	before := byPartition(stays.take(t, 8))
	visitor := b.worker(t, topic, nil)
	moved := visitor.take(t, 1)[0].Origin.Partition
	if err := visitor.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	again := stays.take(t, 4)
	if got := byPartition(again)[moved]; !slices.Equal(offsets(got), []int64{0, 1, 2, 3}) {
		t.Fatalf("came again: %v of partition %d", offsets(again), moved)
	}
	settle(before[moved])
	settle(again[1:])
	settle(before[1-moved])
	b.waitCommitted(t, stays.opts.Group, topic, 1-moved, 4) // a commit that would have carried the other
	if got := b.committed(t, stays.opts.Group, topic, moved); got > 0 {
		t.Fatalf("committed up to %d by settles of an old epoch", got)
	}
	again[0].Settle(nil)
	b.waitCommitted(t, stays.opts.Group, topic, moved, 4)
}

// One record that takes long holds back its own partition, not the others.
func TestBackPressureIsByPartition(t *testing.T) { eachBroker(t, backPressureIsByPartition) }

func backPressureIsByPartition(t *testing.T, b *broker) {
	topic := b.topic(t, 2)
	b.put(t, topic, 0, numbered("slow", 30)...)
	b.put(t, topic, 1, numbered("fast", 30)...)
	w := b.worker(t, topic, func(o *SourceOptions) { o.MaxUnsettled = 5 })
	ctx := bounded(t)
	var slow []connectors.Delivery
	for fast := 0; fast < 30; {
		ds, err := w.Read(ctx, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if d.Origin.Partition == 0 {
				slow = append(slow, d)
			} else {
				d.Settle(nil)
				fast++
			}
		}
	}
	if len(slow) > 6 {
		t.Fatalf("%d records of a partition are out, the bound is 5 and one read", len(slow))
	}
	for settled := 0; settled < 30; {
		for _, d := range slow {
			d.Settle(nil)
			settled++
		}
		if slow = nil; settled < 30 {
			slow = w.take(t, 1)
		}
	}
	b.waitCommitted(t, w.opts.Group, topic, 0, 30)
}

// Commits fail now and then; the next one carries what is settled.
func TestCommitErrorsPass(t *testing.T) {
	b := newBroker(t)
	topic := b.topic(t, 1)
	b.put(t, topic, 0, numbered("v", 3)...)
	w := b.worker(t, topic, nil)
	fault := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress, Count: 2})
	settle(w.take(t, 3))
	if err := fault.Wait(bounded(t), 2); err != nil {
		t.Fatal(err)
	}
	b.waitCommitted(t, w.opts.Group, topic, 0, 3)
	if err := w.Close(bounded(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestForbiddenCommitsEndTheSource(t *testing.T) {
	b := newBroker(t)
	topic := b.topic(t, 1)
	b.put(t, topic, 0, "v")
	w := b.worker(t, topic, nil)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
	settle(w.take(t, 1))
	if _, err := w.Read(bounded(t), 1); !errors.Is(err, kerr.GroupAuthorizationFailed) || !strings.Contains(err.Error(), w.opts.Group) {
		t.Fatalf("Read: %v", err)
	}
	if err := w.Close(bounded(t)); err != nil && !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("Close: %v", err)
	}
}

func TestTwoWorkersWithOneInstanceName(t *testing.T) { eachBroker(t, twoWorkersWithOneInstanceName) }

func twoWorkersWithOneInstanceName(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	named := func(o *SourceOptions) { o.Instance = "same" }
	b.put(t, topic, 0, "v")
	first := b.worker(t, topic, named)
	first.take(t, 1)
	b.worker(t, topic, named).take(t, 1)
	if _, err := first.Read(bounded(t), 1); !errors.Is(err, kerr.FencedInstanceID) {
		t.Fatalf("the first worker's Read: %v, want FENCED_INSTANCE_ID", err)
	}
}

func TestOpenExplainsWhatIsWrong(t *testing.T) {
	b := newBroker(t)
	o := DefaultSourceOptions()
	o.Brokers, o.Topics, o.Group = b.addrs, []string{"missing"}, "g"
	if _, err := OpenSource(bounded(t), o); err == nil || !strings.Contains(err.Error(), "topic missing is not on") {
		t.Errorf("missing topic: %v", err)
	}
	dead := &network{down: true}
	o.Client = []kgo.Opt{kgo.Dialer(dead.dial), kgo.RequestRetries(0)}
	if _, err := OpenSource(bounded(t), o); err == nil || !strings.Contains(err.Error(), "connect to "+b.addrs[0]) {
		t.Errorf("no broker: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenSource(gone, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
