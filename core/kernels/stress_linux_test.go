package kernels

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Tiles are the thread's, not the goroutine's, and Go knows nothing of them: products must
// come out right, to the bit, while goroutines move between more threads than there are
// cores, garbage is collected, and signals interrupt the assembly.
func TestProductsUnderStress(t *testing.T) {
	length := 2 * time.Second
	if testing.Short() {
		length = 300 * time.Millisecond
	}
	k := Best()
	cases := stressCases(k)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2 * runtime.NumCPU()))
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	if err := pprof.StartCPUProfile(io.Discard); err == nil { // else the test run itself is being profiled
		defer pprof.StopCPUProfile()
	}

	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	var all sync.WaitGroup
	var products, signals atomic.Int64
	for g := range 32 {
		all.Go(func() {
			var s Scratch
			for i := g; !stopped(); i++ {
				c := cases[i%len(cases)]
				if got := c.run(&s); !slices.Equal(got, c.want) {
					t.Errorf("%s comes out differently", c.name)
					return
				}
				products.Add(1)
				if i%7 == 0 {
					s = Scratch{} // garbage, and working memory at new places
				}
			}
		})
	}
	all.Go(func() { // collections, which stop every goroutine
		for !stopped() {
			runtime.GC()
		}
	})
	interrupts := make(chan os.Signal, 64)
	signal.Notify(interrupts, syscall.SIGUSR1)
	all.Go(func() {
		defer signal.Stop(interrupts)
		for !stopped() {
			if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-interrupts:
				signals.Add(1)
			case <-stop:
			}
		}
	})
	time.AfterFunc(length, func() { close(stop) })
	all.Wait()
	t.Logf("%d products, %d signals", products.Load(), signals.Load())
	if products.Load() < 100 || signals.Load() < 10 {
		t.Errorf("only %d products and %d signals", products.Load(), signals.Load())
	}
}

type stressCase struct {
	name string
	run  func(s *Scratch) []float32
	want []float32
}

// stressCases are products of all types and of few and many rows, with their results in
// quiet.
func stressCases(k *Kernels) (cases []stressCase) {
	rng := rand.New(rand.NewPCG(13, 1))
	for _, typ := range weightTypes {
		for _, size := range [][3]int{{1, 96, 576}, {17, 128, 200}, {47, 64, 96}, {64, 96, 320}, {300, 64, 600}} {
			m, n, inner := size[0], size[1], size[2]
			x, w := normal(rng, m*inner), NewMat(normal(rng, n*inner), n, inner)
			b := NewPanels(typ, inner, n)
			b.PackTransposed(k, w, &Scratch{})
			rows := rowsOf(k, typ, x, m, inner)
			c := stressCase{name: fmt.Sprintf("%s %v", typ, size), run: func(s *Scratch) []float32 {
				out := NewMat(make([]float32, m*n), m, n)
				k.Mul(out, rows, b, false, s)
				return out.Data
			}}
			if typ == BF16 && m == 64 { // the other user of tiles
				c.name += " transposed"
				c.run = func(s *Scratch) []float32 {
					out := NewMat(make([]float32, inner*inner), inner, inner)
					k.MulTransposed(out, rows, rows, false, s)
					return out.Data
				}
			}
			c.want = c.run(&Scratch{})
			cases = append(cases, c)
		}
	}
	return cases
}
