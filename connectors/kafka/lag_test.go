package kafka

import (
	"maps"
	"sync/atomic"
	"testing"
)

func byPlace(lag []Lag) map[place]int64 {
	out := map[place]int64{}
	for _, l := range lag {
		out[place{l.Topic, l.Partition}] = l.Records
	}
	return out
}

func TestLag(t *testing.T) { eachBroker(t, lag) }

func lag(t *testing.T, b *broker) {
	topic := b.topic(t, 2)
	b.put(t, topic, 0, numbered("v", 5)...)
	b.put(t, topic, 1, numbered("w", 3)...)
	var rebalances atomic.Int32
	w := b.worker(t, topic, func(o *SourceOptions) { o.OnRebalance = func() { rebalances.Add(1) } })
	ctx := bounded(t)
	if w.take(t, 8); rebalances.Load() == 0 {
		t.Error("nobody was told of the assignment")
	}
	got, err := w.Lag(ctx)
	if want := map[place]int64{{topic, 0}: 5, {topic, 1}: 3}; err != nil || !maps.Equal(byPlace(got), want) {
		t.Errorf("lag %v, %v; want %v", got, err, want)
	}
	group := w.opts.Group
	before := rebalances.Load()
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if rebalances.Load() == before {
		t.Error("nobody was told that the partitions went")
	}

	// Behind the commit, what came since counts.
	again := b.worker(t, topic, func(o *SourceOptions) { o.Group = group })
	settle(again.take(t, 8))
	if err := again.Close(ctx); err != nil {
		t.Fatal(err)
	}
	b.put(t, topic, 0, "later")
	last := b.worker(t, topic, func(o *SourceOptions) { o.Group = group })
	last.take(t, 1)
	got, err = last.Lag(ctx)
	if want := map[place]int64{{topic, 0}: 1, {topic, 1}: 0}; err != nil || !maps.Equal(byPlace(got), want) {
		t.Errorf("lag %v, %v; want %v", got, err, want)
	}
}
