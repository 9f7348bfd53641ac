package cli

import "testing"

// Garbage is bounded beside large weights, and as usual beside small ones.
func TestGarbagePercent(t *testing.T) {
	for bytes, want := range map[int]int{0: 100, 7 << 20: 100, 64 << 20: 100, 128 << 20: 50, 256 << 20: 25, 1 << 40: 25} {
		if got := garbagePercent(bytes); got != want {
			t.Errorf("%d bytes of weights: %d %%, want %d %%", bytes, got, want)
		}
	}
}
