package bench

import "testing"

func TestTicks(t *testing.T) {
	before := parseTicks("cpu  10 0 20 100 5 1 2 3 40 40\ncpu0 1 1 1 1\n", "7 (a) b) R 1 1 1 0 -1 0 0 0 0 0 6 4 0 0 20")
	if want := (ticks{all: 141, busy: 36, own: 10}); before != want {
		t.Fatalf("%+v, want %+v", before, want)
	}
	// Of 100 more ticks this process has 50 and others 30.
	if got := (ticks{all: 241, busy: 116, own: 60}).othersSince(before); got != 0.3 {
		t.Errorf("others had %v, want 0.3", got)
	}
	for _, c := range []ticks{before, {}, {all: 242, busy: 37, own: 50}} {
		if got := c.othersSince(before); got != 0 {
			t.Errorf("%+v: others had %v, want 0", c, got)
		}
	}
	for _, bad := range [][2]string{{"", ""}, {"cpu 1 2", "1 (a) R"}, {"cpu 1 2 x 4 5 6 7 8", "1 (a) R 1 1 1 0 -1 0 0 0 0 0 x 4"}} {
		if got := parseTicks(bad[0], bad[1]); got != (ticks{}) {
			t.Errorf("%q, %q: %+v, want nothing", bad[0], bad[1], got)
		}
	}
}
