package conntest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/any-order/a3/connectors"
)

// Input is one filled input of the connector under test.
type Input struct {
	// Open opens a source over the input. Each call stands for a restarted worker:
	// the source begins behind what the ones before it acknowledged. The suite
	// closes or crashes one source before it opens the next.
	Open func(t *testing.T) connectors.Source
	// Crash ends a source as a killed process ends: without a last acknowledgement.
	// When nil, the suite leaves the source alone and closes it after the test.
	Crash func(t *testing.T, src connectors.Source)
}

// SourceSuite says how to get at the source under test.
type SourceSuite struct {
	// Fill makes a new input that holds the values in order in one stream, and then
	// ends: Read gives io.EOF. Values are never empty and hold no line break.
	Fill func(t *testing.T, values []string) Input
	// Idle opens a source whose input stays open and silent, so that Read blocks.
	// nil for a source that never waits.
	Idle func(t *testing.T) connectors.Source
}

// RunSource checks the rules of connectors.Source and connectors.Delivery.
func RunSource(t *testing.T, s SourceSuite) {
	t.Run("all in order, then the end", s.order)
	t.Run("an empty input ends at once", s.empty)
	t.Run("what is settled does not come again", s.settledOnce)
	t.Run("what is not settled comes again", s.unsettled)
	t.Run("only what is contiguous is acknowledged", s.contiguous)
	t.Run("a record given back comes again", s.giveBack)
	t.Run("the first settle counts", s.settleTwice)
	t.Run("settling from many goroutines", s.concurrent)
	t.Run("a crash loses nothing", s.crash)
	t.Run("restarts reach the end", s.restarts)
	t.Run("settling after close does nothing", s.lateSettle)
	t.Run("a cancelled read loses nothing", s.cancelled)
	t.Run("close twice", s.closeTwice)
	if s.Idle != nil {
		t.Run("cancel ends a blocked read", s.cancelBlocked)
		t.Run("close ends a blocked read", s.closeBlocked)
	}
}

func (s SourceSuite) order(t *testing.T) {
	want := values(23)
	for _, max := range []int{1, 4, 100} {
		src := s.Fill(t, want).Open(t)
		ds := drain(t, src, max)
		wantValues(t, "read", valuesOf(ds), want)
		for i, d := range ds[1:] {
			before := ds[i].Origin
			if d.Origin.Stream != before.Stream || d.Origin.Partition != before.Partition {
				t.Fatalf("one stream has two names: %v and %v", before, d.Origin)
			}
			if d.Origin.Offset <= before.Offset || d.Origin.Next <= before.Next {
				t.Fatalf("origin %+v follows %+v", d.Origin, before)
			}
		}
		if _, err := src.Read(bounded(t), 1); !errors.Is(err, io.EOF) {
			t.Fatalf("Read behind the end: %v, want io.EOF again", err)
		}
		settle(ds)
		closeNow(t, src)
	}
}

func (s SourceSuite) empty(t *testing.T) {
	src := s.Fill(t, nil).Open(t)
	if ds := drain(t, src, 10); len(ds) != 0 {
		t.Fatalf("%d records from nothing", len(ds))
	}
	closeNow(t, src)
}

// rest opens the input again and returns what comes, settling none of it.
func rest(t *testing.T, in Input) []string {
	t.Helper()
	src := in.Open(t)
	ds := drain(t, src, 7)
	closeNow(t, src)
	return valuesOf(ds)
}

func (s SourceSuite) settledOnce(t *testing.T) {
	want := values(12)
	in := s.Fill(t, want)
	src := in.Open(t)
	settle(drain(t, src, 5))
	closeNow(t, src)
	wantValues(t, "after everything was settled", rest(t, in), nil)
}

func (s SourceSuite) unsettled(t *testing.T) {
	want := values(12)
	in := s.Fill(t, want)
	src := in.Open(t)
	drain(t, src, 5)
	closeNow(t, src)
	wantValues(t, "after nothing was settled", rest(t, in), want)
}

func (s SourceSuite) contiguous(t *testing.T) {
	want := values(12)
	for _, hole := range []int{0, 5, 11} {
		in := s.Fill(t, want)
		src := in.Open(t)
		ds := drain(t, src, 5)
		for _, i := range rand.Perm(len(ds)) {
			if i != hole {
				ds[i].Settle(nil)
			}
		}
		closeNow(t, src)
		wantValues(t, "after all but one were settled", rest(t, in), want[hole:])
	}
}

func (s SourceSuite) giveBack(t *testing.T) {
	want := values(12)
	for _, back := range []int{0, 5, 11} { // the last one too: nothing behind it covers up
		in := s.Fill(t, want)
		src := in.Open(t)
		for i, d := range drain(t, src, 5) {
			if i == back {
				d.Settle(errors.New("given back"))
			} else {
				d.Settle(nil)
			}
		}
		closeNow(t, src)
		wantValues(t, "after one was given back", rest(t, in), want[back:])
	}
}

func (s SourceSuite) settleTwice(t *testing.T) {
	want := values(6)
	in := s.Fill(t, want)
	src := in.Open(t)
	ds := drain(t, src, 10)
	ds[0].Settle(nil)
	ds[0].Settle(errors.New("too late"))
	ds[1].Settle(nil)
	ds[1].Settle(nil)
	ds[2].Settle(errors.New("given back"))
	ds[2].Settle(nil)
	settle(ds[3:])
	closeNow(t, src)
	wantValues(t, "after double settles", rest(t, in), want[2:])
}

func (s SourceSuite) concurrent(t *testing.T) {
	want := values(200)
	in := s.Fill(t, want)
	src := in.Open(t)
	var wg sync.WaitGroup
	for read := 0; read < len(want); {
		ds := take(t, src, min(20, len(want)-read))
		read += len(ds)
		for _, d := range ds {
			wg.Go(func() { d.Settle(nil) })
		}
	}
	wg.Wait()
	closeNow(t, src)
	wantValues(t, "after concurrent settles", rest(t, in), nil)
}

// drop crashes the source, or leaves it for the end of the test.
func drop(t *testing.T, in Input, src connectors.Source) {
	t.Helper()
	if in.Crash != nil {
		in.Crash(t, src)
		return
	}
	t.Cleanup(func() { src.Close(context.Background()) })
}

// A crash may lose acknowledgements that were not yet passed on: records may come
// again. None may stay away.
func (s SourceSuite) crash(t *testing.T) {
	want := values(12)
	in := s.Fill(t, want)
	src := in.Open(t)
	ds := take(t, src, 9)
	settle(ds[:4])
	settle(ds[5:])
	drop(t, in, src)
	got := rest(t, in)
	if len(got) < len(want)-4 {
		t.Fatalf("%d records come after the crash, at least %d were not acknowledgeable", len(got), len(want)-4)
	}
	wantValues(t, "after the crash", got, want[len(want)-len(got):])
}

func (s SourceSuite) restarts(t *testing.T) {
	want := values(20)
	in := s.Fill(t, want)
	var got []string
	for len(got) < len(want) {
		src := in.Open(t)
		ds := take(t, src, min(3, len(want)-len(got)))
		settle(ds)
		got = append(got, valuesOf(ds)...)
		closeNow(t, src)
	}
	wantValues(t, "over seven workers", got, want)
	wantValues(t, "behind the end", rest(t, in), nil)
}

func (s SourceSuite) lateSettle(t *testing.T) {
	want := values(6)
	in := s.Fill(t, want)
	src := in.Open(t)
	ds := drain(t, src, 10)
	settle(ds[:2])
	closeNow(t, src)
	settle(ds[2:])
	wantValues(t, "after settles behind Close", rest(t, in), want[2:])
}

func (s SourceSuite) cancelled(t *testing.T) {
	want := values(6)
	src := s.Fill(t, want).Open(t)
	got := valuesOf(take(t, src, 2))
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	if _, err := src.Read(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Fatalf("Read under a cancelled context: %v, want context.Canceled", err)
	}
	got = append(got, valuesOf(drain(t, src, 2))...)
	wantValues(t, "around a cancelled Read", got, want)
	closeNow(t, src)
}

func (s SourceSuite) closeTwice(t *testing.T) {
	src := s.Fill(t, values(3)).Open(t)
	take(t, src, 1)
	closeNow(t, src)
	closeNow(t, src)
	if _, err := src.Read(bounded(t), 1); !errors.Is(err, connectors.ErrClosed) {
		t.Fatalf("Read after Close: %v, want ErrClosed", err)
	}
}

func (s SourceSuite) cancelBlocked(t *testing.T) {
	src := s.Idle(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wait := within(t, "a cancelled Read", func() error {
		_, err := src.Read(ctx, 1)
		return err
	})
	cancel()
	if err := wait(); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled Read: %v, want context.Canceled", err)
	}
	closeNow(t, src)
}

func (s SourceSuite) closeBlocked(t *testing.T) {
	src := s.Idle(t)
	wait := within(t, "a Read whose source was closed", func() error {
		_, err := src.Read(context.Background(), 1)
		return err
	})
	closeNow(t, src)
	if err := wait(); !errors.Is(err, connectors.ErrClosed) {
		t.Fatalf("Read of a closed source: %v, want ErrClosed", err)
	}
}
