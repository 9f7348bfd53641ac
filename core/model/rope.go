package model

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/any-order/a3/core/kernels"
)

// rope holds the rotary tables (Su et al. 2021): cosine and sine of position times
// frequency, [positions, HeadDim/2] each. They grow on demand and are shared.
type rope struct {
	freq   []float64
	mu     sync.Mutex // held while growing
	tables atomic.Pointer[ropeTables]
}

type ropeTables struct {
	positions int
	cos, sin  []float32
}

func newRope(c *Config) *rope {
	half := c.HeadDim / 2
	r := &rope{freq: make([]float64, half)}
	for i := range r.freq {
		r.freq[i] = math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))
		if c.RopeScaling != nil {
			r.freq[i] = c.RopeScaling.stretch(r.freq[i])
		}
	}
	r.tables.Store(&ropeTables{})
	return r
}

// stretch is Llama 3's rule: short waves stay, long ones are slowed by Factor, and
// between them the two are blended.
func (s *RopeScaling) stretch(freq float64) float64 {
	wave := 2 * math.Pi / freq
	orig := float64(s.OriginalMaxPositions)
	switch {
	case wave < orig/s.HighFreqFactor:
		return freq
	case wave > orig/s.LowFreqFactor:
		return freq / s.Factor
	}
	blend := (orig/wave - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
	return (1-blend)*freq/s.Factor + blend*freq
}

// upTo returns tables that hold at least the given number of positions.
func (r *rope) upTo(positions int) *ropeTables {
	if t := r.tables.Load(); t.positions >= positions {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tables.Load()
	if t.positions >= positions {
		return t
	}
	n := max(positions, 2*t.positions, 256)
	half := len(r.freq)
	grown := &ropeTables{n, make([]float32, n*half), make([]float32, n*half)}
	for p := range n {
		for i, f := range r.freq {
			// As the reference: the frequency and the angle are rounded to float32.
			sin, cos := math.Sincos(float64(float32(p) * float32(f)))
			grown.cos[p*half+i], grown.sin[p*half+i] = float32(cos), float32(sin)
		}
	}
	r.tables.Store(grown)
	return grown
}

// rotate turns every head of every row of x by its position, or back for sign -1.
func (t *ropeTables) rotate(k *kernels.Kernels, x kernels.Mat, pos []int32, headDim int, sign float32) {
	half := headDim / 2
	for r := range x.Rows {
		at := int(pos[r]) * half
		cos, sin := t.cos[at:at+half], t.sin[at:at+half]
		k.RotateHeads(x.Row(r), headDim, cos, sin, sign)
	}
}
