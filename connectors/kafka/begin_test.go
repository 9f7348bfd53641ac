package kafka

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A group begins at its commits, else where the options say; nobody joins it.
func TestBegin(t *testing.T) {
	eachBroker(t, func(t *testing.T, b *broker) {
		topic := b.topic(t, 2)
		b.put(t, topic, 0, numbered("a", 5)...)
		b.put(t, topic, 1, numbered("b", 3)...)
		w := b.worker(t, topic, nil)
		for _, d := range w.take(t, 8) {
			if d.Origin.Partition == 0 && d.Origin.Offset < 2 {
				d.Settle(nil)
			}
		}
		if err := w.Close(bounded(t)); err != nil {
			t.Fatal(err)
		}
		for start, want := range map[Start][2]int64{StartEarliest: {2, 0}, StartLatest: {2, 3}} {
			o := w.opts
			o.Start = start
			from, err := Begin(bounded(t), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(from) != 2 || from[0].Partition != 0 || from[1].Stream != topic || [2]int64{from[0].Next, from[1].Next} != want {
				t.Errorf("start %v: %+v, want %v", start, from, want)
			}
		}
	})
}

// Extents are what is left in a topic. A group whose commit is behind what was removed begins
// at the oldest that is left.
func TestExtents(t *testing.T) {
	eachBroker(t, func(t *testing.T, b *broker) {
		topic := b.topic(t, 2)
		b.put(t, topic, 0, numbered("a", 5)...)
		b.put(t, topic, 1, numbered("b", 3)...)
		w := b.worker(t, topic, nil)
		for _, d := range w.take(t, 8) {
			if d.Origin.Offset < 1 {
				d.Settle(nil)
			}
		}
		if err := w.Close(bounded(t)); err != nil {
			t.Fatal(err)
		}
		gone := kadm.Offsets{}
		gone.AddOffset(topic, 0, 4, -1)
		if _, err := b.admin.DeleteRecords(bounded(t), gone); err != nil {
			t.Fatal(err)
		}
		got, err := Extents(bounded(t), w.opts)
		if err != nil || len(got) != 2 || got[0] != (Extent{topic, 0, 4, 5}) || got[1] != (Extent{topic, 1, 0, 3}) {
			t.Errorf("extents %v, %v", got, err)
		}
		from, err := Begin(bounded(t), w.opts)
		if err != nil || from[0].Next != 4 || from[1].Next != 1 {
			t.Errorf("begins at %v, %v", from, err)
		}
	})
}

// On a new cluster a group has no coordinator for some seconds, and the client gives up.
func TestBeginWaitsForTheCoordinator(t *testing.T) {
	b := newBroker(t)
	topic := b.topic(t, 1)
	o := DefaultSourceOptions()
	o.Brokers, o.Topics, o.Group = b.addrs, []string{topic}, "new"
	o.Client = []kgo.Opt{kgo.RequestRetries(0)}
	const refusals = 3
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.CoordinatorNotAvailable, Count: refusals})
	from, err := Begin(bounded(t), o)
	if err != nil || len(from) != 1 {
		t.Errorf("begins at %v, %v", from, err)
	}
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed, Count: 1})
	if _, err := Begin(bounded(t), o); !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("without permission: %v", err)
	}
}
