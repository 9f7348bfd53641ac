package kafka

import (
	"testing"
	"time"
)

// static makes workers that name themselves, as they do by default.
func static(dir string) func(*SourceOptions) {
	return func(o *SourceOptions) { o.Instance, o.SlotDir = "", dir }
}

// A killed worker that comes back under its name has its partitions at once: nobody
// waits for its session to end, and its neighbour on the same machine keeps its own.
func TestKilledWorkerTakesItsSlotAgain(t *testing.T) { eachBroker(t, killedWorkerTakesItsSlotAgain) }

func killedWorkerTakesItsSlotAgain(t *testing.T, b *broker) {
	topic, dir := b.topic(t, 2), t.TempDir()
	lasting := func(o *SourceOptions) {
		static(dir)(o)
		o.SessionTimeout, o.RebalanceTimeout = 50*time.Second, 50*time.Second // longer than the test may take
	}
	for p := range int32(2) {
		b.put(t, topic, p, numbered("v", 4)...)
	}
	first := b.worker(t, topic, lasting)
	first.take(t, 8)
	second := b.worker(t, topic, lasting)
	if first.Name() == second.Name() || first.Name() == "" {
		t.Fatalf("workers %q and %q", first.Name(), second.Name())
	}
	moved := second.take(t, 4)[0].Origin.Partition

	second.kill()
	again := b.worker(t, topic, lasting)
	if again.Name() != second.Name() {
		t.Fatalf("worker %q came back as %q", second.Name(), again.Name())
	}
	ds := again.take(t, 4)
	if got := ds[0].Origin; got.Partition != moved || got.Offset != 0 {
		t.Fatalf("the worker that came back begins at %v, want partition %d", got, moved)
	}
	settle(ds)
	b.waitCommitted(t, again.opts.Group, topic, moved, 4)
}

// A worker that ends gives its partitions and its slot up at once, whatever its session
// timeout.
func TestWorkerThatEndsLeaves(t *testing.T) {
	for name, protocol := range protocols {
		t.Run(name, func(t *testing.T) {
			eachBroker(t, func(t *testing.T, b *broker) {
				topic, dir := b.topic(t, 1), t.TempDir()
				b.put(t, topic, 0, "v")
				option := func(o *SourceOptions) {
					static(dir)(o)
					o.Protocol, o.SessionTimeout = protocol, 50*time.Second
				}
				first := b.worker(t, topic, option)
				first.take(t, 1)
				second := b.worker(t, topic, option)
				if err := first.Close(bounded(t)); err != nil {
					t.Fatal(err)
				}
				second.take(t, 1)
				third := b.worker(t, topic, option)
				if third.Name() != first.Name() {
					t.Errorf("the slot of %s is not free: %s", first.Name(), third.Name())
				}
			})
		})
	}
}

// The protocol in which the broker divides the partitions: nothing is lost as workers
// come and go, and what was settled does not come again.
func TestConsumerProtocol(t *testing.T) { eachBroker(t, consumerProtocol) }

func consumerProtocol(t *testing.T, b *broker) {
	topic := b.topic(t, 4)
	want := 0
	for p := range int32(4) {
		b.put(t, topic, p, numbered("v", 10)...)
		want += 10
	}
	next := func(o *SourceOptions) { o.Protocol, o.Until = ProtocolConsumer, UntilEnd }
	first := b.worker(t, topic, next)
	seen := map[string]int{}
	read := func(w *worker, n int) {
		ds := w.take(t, n)
		for _, d := range ds {
			seen[d.Origin.String()]++
		}
		settle(ds)
	}
	read(first, 10)
	second := b.worker(t, topic, next)
	read(first, 10)
	if err := first.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	for len(seen) < want {
		read(second, 1)
	}
	for o, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", o, n)
		}
	}
	if err := second.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	for p := range int32(4) {
		if got := b.committed(t, second.opts.Group, topic, p); got != 10 {
			t.Errorf("partition %d is committed up to %d", p, got)
		}
	}
}

func TestSlotsAreBounded(t *testing.T) {
	dir := t.TempDir()
	a, err := claimSlot(dir, "g/1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := claimSlot(dir, "g/1")
	if err != nil || a.name == b.name {
		t.Fatalf("second slot %+v, %v", b, err)
	}
	other, err := claimSlot(dir, "h")
	if err != nil || other.name != a.name {
		t.Errorf("another group has slots of its own: %+v, %v", other, err)
	}
	for _, s := range []*slot{a, b, other, nil} {
		if err := s.release(); err != nil {
			t.Error(err)
		}
	}
}
