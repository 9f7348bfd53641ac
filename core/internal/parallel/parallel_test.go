package parallel

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEach(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		for _, n := range []int{0, 1, 5, 100} {
			var calls [100]atomic.Int32
			if err := Each(t.Context(), make([]struct{}, workers), n, func(_ struct{}, i int) { calls[i].Add(1) }); err != nil {
				t.Fatal(err)
			}
			for i := range calls {
				want := int32(0)
				if i < n {
					want = 1
				}
				if got := calls[i].Load(); got != want {
					t.Fatalf("%d workers, %d pieces: piece %d ran %d times, want %d", workers, n, i, got, want)
				}
			}
		}
	}
}

// A worker has its memory to itself.
func TestWorkersAreNotShared(t *testing.T) {
	workers := []*int{new(int), new(int), new(int)}
	if err := Each(t.Context(), workers, 1000, func(w *int, _ int) { *w++ }); err != nil {
		t.Fatal(err)
	}
	if sum := *workers[0] + *workers[1] + *workers[2]; sum != 1000 {
		t.Fatalf("%d pieces, want 1000", sum)
	}
}

func TestEachStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	err := Each(ctx, []struct{}{{}}, 10, func(_ struct{}, i int) {
		if done++; i == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || done != 4 {
		t.Fatalf("%d pieces, error %v; want 4 and a cancellation", done, err)
	}
	// Being cancelled in the last piece leaves nothing undone.
	ctx, cancel = context.WithCancel(t.Context())
	if err := Each(ctx, []struct{}{{}}, 4, func(_ struct{}, i int) {
		if i == 3 {
			cancel()
		}
	}); err != nil {
		t.Fatal(err)
	}
}
