package connectors

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func at(next int64) Origin {
	return Origin{Stream: "s", Partition: NoPartition, Offset: next, Next: next}
}

func wantAcked(t *testing.T, w *Watermark, next int64) {
	t.Helper()
	got, ok := w.Acknowledged()
	if next == 0 && !ok {
		return
	}
	if !ok || got.Next != next {
		t.Fatalf("acknowledged %v %v, want next %d", got, ok, next)
	}
}

func TestWatermarkMovesOnlyOverWhatIsContiguous(t *testing.T) {
	moves := 0
	w := NewWatermark(func() { moves++ })
	var settle []func(error)
	for i := int64(1); i <= 4; i++ {
		settle = append(settle, w.Track(at(i), 10))
	}
	settle[2](nil)
	wantAcked(t, w, 0)
	settle[0](nil)
	wantAcked(t, w, 1)
	settle[1](nil)
	wantAcked(t, w, 3)
	if n, bytes := w.Window(); n != 1 || bytes != 10 {
		t.Fatalf("window %d records, %d bytes", n, bytes)
	}
	settle[3](nil)
	wantAcked(t, w, 4)
	if moves != 3 {
		t.Fatalf("moved %d times, want 3", moves)
	}
}

func TestWatermarkStopsAtARecordGivenBack(t *testing.T) {
	w := NewWatermark(nil)
	a, b, c := w.Track(at(1), 0), w.Track(at(2), 0), w.Track(at(3), 0)
	b(errors.New("engine died"))
	c(nil)
	a(nil)
	b(nil) // too late: the first call counts
	wantAcked(t, w, 1)
	a(errors.New("too late as well"))
	wantAcked(t, w, 1)
}

// The sequence that once lost data elsewhere: a partition is revoked with work in
// flight, its new owner goes on, and then the old work finishes.
func TestWatermarkDropsSettlesOfAnEndedEpoch(t *testing.T) {
	w := NewWatermark(func() {})
	a, b := w.Track(at(1), 5), w.Track(at(2), 5)
	a(nil)
	if o, ok := w.End(); !ok || o.Next != 1 {
		t.Fatalf("end gave %v %v", o, ok)
	}
	b(nil)
	w.Track(at(3), 5)(nil)
	wantAcked(t, w, 1)
	if n, bytes := w.Window(); n != 0 || bytes != 0 {
		t.Fatalf("an ended epoch holds %d records, %d bytes", n, bytes)
	}
}

func TestWatermarkEqualsTheLongestSettledPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		w := NewWatermark(nil)
		state := make([]int, n) // 0 open, 1 settled, 2 given back
		settle := make([]func(error), n)
		for i := range settle {
			settle[i] = w.Track(at(int64(i+1)), 1)
		}
		for _, i := range rapid.SliceOf(rapid.IntRange(0, n-1)).Draw(t, "calls") {
			var err error
			next := 1
			if rapid.IntRange(0, 9).Draw(t, "refuse") == 0 {
				err, next = errors.New("no"), 2
			}
			settle[i](err)
			if state[i] == 0 {
				state[i] = next
			}
			prefix := 0
			for prefix < n && state[prefix] == 1 {
				prefix++
			}
			if o, ok := w.Acknowledged(); ok != (prefix > 0) || o.Next != int64(prefix) {
				t.Fatalf("acknowledged %d %v, want %d (state %v)", o.Next, ok, prefix, state)
			}
			if held, _ := w.Window(); held != n-prefix {
				t.Fatalf("window %d, want %d", held, n-prefix)
			}
		}
	})
}

func TestWatermarkUnderConcurrentSettles(t *testing.T) {
	const n = 2000
	w := NewWatermark(func() {})
	settle := make([]func(error), n)
	for i := range settle {
		settle[i] = w.Track(at(int64(i+1)), 1)
	}
	rand.Shuffle(n, func(i, j int) { settle[i], settle[j] = settle[j], settle[i] })
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < n; i += 8 {
				settle[i](nil)
			}
		})
	}
	wg.Wait()
	wantAcked(t, w, n)
}

func TestItemErrorNamesTheFirstAndUnwrapsAll(t *testing.T) {
	err := error(&ItemError{Failed: map[int]error{7: errors.New("late"), 2: ErrRejected}})
	if got, want := err.Error(), "write of record 2 of the batch: record rejected (and 1 more)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, ErrRejected) {
		t.Error("a reason is not reachable by errors.Is")
	}
	if got := (&ItemError{}).Error(); got != "write failed" {
		t.Errorf("empty: %q", got)
	}
}

func TestOriginNamesTheRecordForAPerson(t *testing.T) {
	for want, o := range map[string]Origin{
		"stories.jsonl:12": {Stream: "stories.jsonl", Partition: NoPartition, Offset: 12},
		"topic/3@1042":     {Stream: "topic", Partition: 3, Offset: 1042},
	} {
		if got := o.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
