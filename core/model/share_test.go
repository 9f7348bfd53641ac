package model

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/seq"
)

// broad is large enough that a team shares its products, and no size fills its panels.
func broad() Config {
	return Config{
		Vocab: 1100, Hidden: 120, FFN: 250, Layers: 2, Heads: 6, KVHeads: 3, HeadDim: 24,
		NormEps: 1e-5, RopeTheta: 100, MaxPositions: 256, Residual: ResidualLlama, PadToken: -1,
	}
}

// A pass that a team shares has the bits of one that nobody shares, by columns and by
// rows, in every type.
func TestSharedPasses(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	for _, level := range kernels.Levels() {
		k, err := kernels.Open(level)
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range []kernels.Type{kernels.Float32, kernels.BF16} {
			t.Run(fmt.Sprintf("%s %s", level, typ), func(t *testing.T) {
				m := filled(t, broad(), k, typ)
				var want [][]float64
				batches := sharedBatches(m)
				alone := m.NewWorkspace()
				for _, b := range batches {
					want = append(want, append([]float64(nil), alone.LogProbs(b)...))
				}
				for _, threads := range []int{1, 2, 3, 7} {
					team := parallel.NewTeam(threads)
					mates := make([]*Workspace, threads)
					for i := range mates {
						mates[i] = m.NewWorkspace()
					}
					ways := map[bool]int{}
					mates[0].Share(team, mates)
					for i, b := range batches {
						sameBits(t, fmt.Sprintf("%d threads, batch %d", threads, i), mates[0].LogProbs(b), want[i])
						ways[mates[0].byRows]++
					}
					if threads > 1 && (ways[true] == 0 || ways[false] == 0) {
						t.Errorf("%d threads: %d passes by rows, %d by columns", threads, ways[true], ways[false])
					}
					mates[0].Share(nil, nil)
					sameBits(t, "afterwards alone", mates[0].LogProbs(batches[0]), want[0])
					team.Close()
				}
			})
		}
	}
}

// sharedBatches have from one row to so many that seven threads share them by rows.
func sharedBatches(m *Model) []*Batch {
	rng := rand.New(rand.NewPCG(31, 32))
	var list []*Batch
	for _, n := range []int{2, 3, 17, 33, 64, 100, 230} {
		b := &Batch{}
		for range 1 + n%3 {
			s := seq.Segment{Tokens: make([]int32, n), Group: make([]int32, n), Weight: make([]float32, n)}
			for p := range n {
				s.Tokens[p], s.Group[p], s.Weight[p] = int32(rng.IntN(m.Config.Vocab)), int32(rng.IntN(9)), 1
			}
			b.AddSegment(s)
		}
		list = append(list, b)
	}
	return list
}

// With its buffers grown, a shared pass allocates nothing either.
func TestSharedPassesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	m := filled(t, broad(), kernels.Best(), kernels.Float32)
	team := parallel.NewTeam(2)
	defer team.Close()
	mates := []*Workspace{m.NewWorkspace(), m.NewWorkspace()}
	mates[0].Share(team, mates)
	for i, b := range sharedBatches(m) {
		for range 20 { // whoever takes a piece grows its own memory
			mates[0].LogProbs(b)
		}
		if n := testing.AllocsPerRun(5, func() { mates[0].LogProbs(b) }); n > 0 {
			t.Errorf("batch %d: %v allocations", i, n)
		}
	}
}
