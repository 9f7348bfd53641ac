package kafka

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
)

func TestUntilEndStopsWhereTheTopicEndedAtTheStart(t *testing.T) {
	eachBroker(t, untilEndStopsWhereTheTopicEndedAtTheStart)
}

func untilEndStopsWhereTheTopicEndedAtTheStart(t *testing.T, b *broker) {
	topic := b.topic(t, 3) // partition 2 stays empty
	b.put(t, topic, 0, numbered("v", 5)...)
	b.put(t, topic, 1, numbered("v", 5)...)
	emptied := kadm.Offsets{}
	emptied.AddOffset(topic, 1, 5, -1)
	if deleted, err := b.admin.DeleteRecords(bounded(t), emptied); err != nil || deleted.Error() != nil { // as retention does
		t.Fatal(err, deleted.Error())
	}
	w := b.worker(t, topic, func(o *SourceOptions) { o.Until = UntilEnd })
	b.put(t, topic, 0, "later", "later")
	ctx := bounded(t)
	var got []connectors.Delivery
	for {
		ds, err := w.Read(ctx, 100)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ds...)
	}
	settle(got)
	if len(got) != 5 {
		t.Fatalf("%d records, want the 5 that were there", len(got))
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if next := b.committed(t, w.opts.Group, topic, 0); next != 5 {
		t.Fatalf("committed up to %d, want 5", next)
	}
}

// With several workers a batch job ends when all of it is done: the one that is ready
// stays to take over.
func TestUntilEndOutlivesAWorkerThatDies(t *testing.T) {
	eachBroker(t, untilEndOutlivesAWorkerThatDies)
}

func untilEndOutlivesAWorkerThatDies(t *testing.T, b *broker) {
	topic := b.topic(t, 2)
	for p := range int32(2) {
		b.put(t, topic, p, numbered("v", 3)...)
	}
	batch := func(o *SourceOptions) {
		o.Until = UntilEnd
		o.SessionTimeout, o.RebalanceTimeout = 900*time.Millisecond, 1800*time.Millisecond
	}
	stays := b.worker(t, topic, batch)
	first := stays.take(t, 6)
	dies := b.worker(t, topic, batch)
	moved := dies.take(t, 3)[0].Origin.Partition // in hand, never settled
	settle(first)                                // late for what has moved
	dies.net.cut()
	again := stays.take(t, 3)
	for _, d := range again {
		if d.Origin.Partition != moved {
			t.Fatalf("%v comes again", d.Origin)
		}
	}
	if _, err := stays.Read(bounded(t), 1); err != io.EOF {
		t.Fatalf("Read: %v, want io.EOF", err)
	}
	settle(again)
	if err := stays.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if next := b.committed(t, stays.opts.Group, topic, p); next != 3 {
			t.Errorf("partition %d is committed up to %d", p, next)
		}
	}
}

// Only committed transactions come; an aborted one at the very end does not keep a
// batch job waiting for records that never come.
func TestTransactions(t *testing.T) { eachBroker(t, transactions) }

func transactions(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.DefaultProduceTopic(topic), kgo.TransactionalID("tx"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, tx := range []struct {
		value string
		end   kgo.TransactionEndTry
	}{{"kept", kgo.TryCommit}, {"dropped", kgo.TryAbort}} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(bounded(t), kgo.StringRecord(tx.value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := producer.EndTransaction(bounded(t), tx.end); err != nil {
			t.Fatal(err)
		}
	}
	w := b.worker(t, topic, func(o *SourceOptions) { o.Until = UntilEnd })
	ds := w.take(t, 1)
	settle(ds)
	if _, err := w.Read(bounded(t), 1); string(ds[0].Value) != "kept" || err != io.EOF {
		t.Fatalf("%q, then %v", ds[0].Value, err)
	}
	if err := w.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if next := b.committed(t, w.opts.Group, topic, 0); next != 4 {
		t.Errorf("committed up to %d: the markers of the transactions show as lag", next)
	}
}

// A trainer goes back to its checkpoint, whatever the group has committed since.
func TestFromOverridesTheCommits(t *testing.T) { eachBroker(t, fromOverridesTheCommits) }

func fromOverridesTheCommits(t *testing.T, b *broker) {
	topic := b.topic(t, 2)
	for p := range int32(2) {
		b.put(t, topic, p, numbered("v", 6)...)
	}
	ahead := b.worker(t, topic, nil)
	settle(ahead.take(t, 12))
	if err := ahead.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	w := b.worker(t, topic, func(o *SourceOptions) {
		o.From = []connectors.Origin{{Stream: topic, Partition: 1, Offset: 3, Next: 4}}
	})
	got := byPartition(w.take(t, 8))
	if !slices.Equal(offsets(got[0]), []int64{0, 1, 2, 3, 4, 5}) || !slices.Equal(offsets(got[1]), []int64{4, 5}) {
		t.Fatalf("offsets %v and %v", offsets(got[0]), offsets(got[1]))
	}
	if err := w.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if next := b.committed(t, w.opts.Group, topic, 1); next != 4 {
		t.Errorf("the group shows %d, the checkpoint says 4", next)
	}
}

func TestStartLatest(t *testing.T) { eachBroker(t, startLatest) }

func startLatest(t *testing.T, b *broker) {
	topic := b.topic(t, 1)
	b.put(t, topic, 0, "old")
	w := b.worker(t, topic, func(o *SourceOptions) { o.Start, o.Until = StartLatest, UntilEnd })
	if _, err := w.Read(bounded(t), 1); err != io.EOF {
		t.Fatalf("Read: %v, want io.EOF", err)
	}
}
