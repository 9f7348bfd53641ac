package kafka

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/connectors"
)

// both makes two topics whose partitions have the same numbers.
func (b *broker) both(t *testing.T) (topics []string, all func(*SourceOptions)) {
	t.Helper()
	topics = []string{b.topic(t, 2), b.topic(t, 1)}
	b.put(t, topics[0], 0, numbered("a", 4)...)
	b.put(t, topics[0], 1, numbered("b", 3)...)
	b.put(t, topics[1], 0, numbered("c", 5)...)
	return topics, func(o *SourceOptions) { o.Topics, o.Group = topics, "group of "+topics[0] }
}

// A partition is known by its topic: what is settled in one is committed there alone, and
// the lag and the place to begin at are told for each.
func TestSeveralTopics(t *testing.T) {
	eachBroker(t, func(t *testing.T, b *broker) {
		for name, protocol := range protocols {
			t.Run(name, func(t *testing.T) { severalTopics(t, b, protocol) })
		}
	})
}

func severalTopics(t *testing.T, b *broker, protocol Protocol) {
	topics, two := b.both(t)
	all := func(o *SourceOptions) {
		two(o)
		o.Protocol = protocol
	}
	w := b.worker(t, topics[0], all)
	seen := map[string]int{}
	for _, d := range w.take(t, 12) {
		seen[d.Origin.Stream]++
		if d.Origin.Stream == topics[1] && d.Origin.Offset < 3 || d.Origin.Stream == topics[0] && d.Origin.Partition == 0 && d.Origin.Offset < 1 {
			d.Settle(nil)
		}
	}
	if seen[topics[0]] != 7 || seen[topics[1]] != 5 {
		t.Errorf("records of the topics: %v", seen)
	}
	if err := w.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[place]int64{{topics[0], 0}: 1, {topics[0], 1}: -1, {topics[1], 0}: 3} {
		if got := b.committed(t, w.opts.Group, at.topic, at.partition); got != want {
			t.Errorf("%v is committed up to %d, want %d", at, got, want)
		}
	}
	from, err := Begin(bounded(t), w.opts)
	if err != nil || len(from) != 3 {
		t.Fatalf("begins at %v, %v", from, err)
	}
	for _, o := range from {
		if want := map[place]int64{{topics[0], 0}: 1, {topics[1], 0}: 3}[placeOf(o)]; o.Next != want {
			t.Errorf("%s/%d begins at %d, want %d", o.Stream, o.Partition, o.Next, want)
		}
	}
	if partitions, behind, err := Behind(bounded(t), w.opts); err != nil || partitions != 3 || behind != 8 {
		t.Errorf("%d partitions, %d behind, %v", partitions, behind, err)
	}

	// Positions that the caller prescribes win, by topic; what the job leaves is the lag.
	again := b.worker(t, topics[0], func(o *SourceOptions) {
		all(o)
		o.Until, o.From = UntilEnd, []connectors.Origin{{Stream: topics[0], Partition: 0, Next: 2}, {Stream: topics[1], Partition: 0, Next: 4}}
	})
	ds := again.take(t, 6)
	next := map[place]int64{}
	for _, d := range ds {
		if at := placeOf(d.Origin); next[at] == 0 {
			next[at] = d.Origin.Next
		}
	}
	if want := map[place]int64{{topics[0], 0}: 3, {topics[0], 1}: 1, {topics[1], 0}: 5}; !maps.Equal(next, want) {
		t.Errorf("first records %v, want %v", next, want)
	}
	settle(ds)
	if ds, err := again.Read(bounded(t), 1); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, %v", ds, err)
	}
	b.waitCommitted(t, again.opts.Group, topics[1], 0, 5)
	b.waitCommitted(t, again.opts.Group, topics[0], 0, 4)
	if lag, err := again.Lag(bounded(t)); err != nil || len(lag) != 3 || slices.ContainsFunc(lag, func(l Lag) bool { return l.Records != 0 }) {
		t.Errorf("lag %v, %v", lag, err)
	}
}

// One of the topics is missing: it is named.
func TestOneTopicIsMissing(t *testing.T) {
	b := newBroker(t)
	o := DefaultSourceOptions()
	o.Brokers, o.Topics, o.Group, o.Instance = b.addrs, []string{b.topic(t, 1), "missing"}, "g", InstanceNone
	if _, err := OpenSource(bounded(t), o); err == nil || !strings.Contains(err.Error(), "topic missing is not on") {
		t.Errorf("error %v", err)
	}
}

// A transaction holds results of several topics, and the offsets of all of them.
func TestTransactionOverTopics(t *testing.T) { eachBroker(t, transactionOverTopics) }

func transactionOverTopics(t *testing.T, b *broker) {
	topics, all := b.both(t)
	out := b.topic(t, 1)
	x := b.exchange(t, topics[0], out, b.topic(t, 1), all)
	x.transact(t, x.take(t, 12))
	var sources []string
	for _, r := range b.all(t, out)[0] {
		for _, h := range r.Headers {
			if h.Key == HeaderSourceTopic {
				sources = append(sources, string(h.Value))
			}
		}
	}
	slices.Sort(sources)
	if n := len(slices.Compact(slices.Clone(sources))); len(sources) != 12 || n != 2 {
		t.Errorf("results of %v", sources)
	}
	for at, want := range map[place]int64{{topics[0], 0}: 4, {topics[0], 1}: 3, {topics[1], 0}: 5} {
		if got := b.committed(t, x.worker.opts.Group, at.topic, at.partition); got != want {
			t.Errorf("%v is committed up to %d, want %d", at, got, want)
		}
	}
}
