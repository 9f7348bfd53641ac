package bench

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/pipeline/models/modelstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tiny is a network that takes no time.
func tiny() model.Config {
	return model.Config{
		Vocab: 50, Hidden: 16, FFN: 24, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 8,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 32, Tied: true, PadToken: -1,
	}
}

// small has one of everything that the suites have, and odd sizes.
func small() *suite {
	return &suite{
		name:       "small",
		reads:      []int{64 << 10},
		products:   []product{{130, 33, 40}, {1, 67, 16}},
		attentions: []int{37},
		trainings: []training{
			{network: "tiny", shape: tiny(), sequence: 16, batch: 3, alone: true, held: true},
			{network: "tiny", shape: tiny(), sequence: 9, batch: 1, named: true},
		},
		infills:   []infilling{{strategy: ltr, documents: 1, positions: 20, given: 15}, {strategy: groups4, documents: 3, positions: 20, given: 15}},
		generates: []infilling{{strategy: groups4, documents: 2, positions: 16, given: 4}, {strategy: dynamic4, documents: 1, positions: 16, given: 0}},
		decode:    &leftToRight{shape: tiny(), given: 3, generated: 4, documents: []int{1, 2}},
	}
}

func planOf(t *testing.T, s *suite, o Options) *Plan {
	t.Helper()
	k, err := kernels.Open(o.Level)
	if err != nil {
		t.Fatal(err)
	}
	compute, err := chooseCompute(o.Compute, k)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(s, o, compute, k)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every measurement gives a positive number, on every level, alone and on several threads.
func TestMeasurements(t *testing.T) {
	dir := t.TempDir() + "/model"
	if err := modelstest.Write(dir, 1); err != nil {
		t.Fatal(err)
	}
	for _, level := range kernels.Levels() {
		t.Run(string(level), func(t *testing.T) {
			o := Options{Threads: 2, Level: level, Model: dir, Compute: namesOf(computeTypes()), Duration: minDuration}
			var told []string
			p := planOf(t, small(), o)
			r, err := p.Run(t.Context(), func(p Progress) {
				if p.Done != len(told) || p.Total <= p.Done {
					t.Errorf("progress %d of %d after %d tasks", p.Done, p.Total, len(told))
				}
				told = append(told, p.Task)
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(told) != len(p.tasks) {
				t.Errorf("told of %d tasks, there are %d", len(told), len(p.tasks))
			}
			seen := map[Result]bool{}
			for _, result := range r.Results {
				if !(result.Value > 0) || math.IsInf(result.Value, 0) || result.Unit == "" {
					t.Errorf("result %+v", result)
				}
				key := Result{Name: result.Name, Threads: result.Threads}
				if seen[key] {
					t.Errorf("%s on %d threads comes twice", result.Name, result.Threads)
				}
				seen[key] = true
			}
			compute := p.machine.Compute
			for _, want := range []string{
				"memory/read/64KB", "gemm/COMPUTE/130x33x40", "gemm/COMPUTE/1x67x16",
				"generate/groups4/2", "generate/dynamic4/1", "decode/ltr/COMPUTE/1", "decode/ltr/COMPUTE/2", "decode/bandwidth/COMPUTE",
				"infill/ltr/COMPUTE/1", "infill/groups4/COMPUTE/3", "infill/COMPUTE/heap", "infill/COMPUTE/kv", "infill/COMPUTE/weights",
			} {
				for _, c := range compute {
					if name := strings.ReplaceAll(want, "COMPUTE", c); !seen[Result{Name: name, Threads: 2}] {
						t.Errorf("there is no %s on 2 threads", name)
					}
				}
			}
			for _, want := range []Result{
				{Name: "train/tiny/float32", Threads: 1}, {Name: "train/tiny/float32", Threads: 2}, {Name: "train/tiny/float32/9", Threads: 2},
				{Name: "train/tiny/float32/heap", Threads: 2}, {Name: "train/tiny/float32/activations", Threads: 2},
				{Name: "attention/forward/float32/37", Threads: 1}, {Name: "attention/backward/float32/37", Threads: 2},
				{Name: "memory/read/64KB", Threads: 1},
			} {
				if !seen[want] {
					t.Errorf("there is no %s on %d threads", want.Name, want.Threads)
				}
			}
		})
	}
}

// What other programs compare has the names that they know, in both suites.
func TestTaskNames(t *testing.T) {
	names := func(o Options) string {
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, task := range p.tasks {
			list = append(list, task.name)
		}
		return strings.Join(list, "\n") + "\n"
	}
	o := DefaultOptions(2)
	o.Compute = []string{"float32"}
	compareGolden(t, "default.txt", names(o))
	o.Suite = PeersSuite
	compareGolden(t, "peers.txt", names(o))
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		change func(o *Options)
		want   string
	}{
		{func(o *Options) { o.Suite = "all" }, `suite "all" is not known; use default or peers`},
		{func(o *Options) { o.Only = []string{"gemm", "gem"} }, `no section and no measurement "gem"; its sections are machine, memory, gemm, attention, train, decode, a measurement is memory/read/1MB`},
		{func(o *Options) { o.Only = []string{"gemm/float32/512"} }, `no measurement "gemm/float32/512"`},
		{func(o *Options) { o.Suite, o.Only = PeersSuite, []string{"attention"} }, "suite peers measures nothing of attention"},
		{func(o *Options) { o.Threads = 0 }, "threads is 0; it must be 1 to 4096"},
		{func(o *Options) { o.Threads = 1 << 20 }, "it must be 1 to 4096"},
		{func(o *Options) { o.Duration = 0 }, "duration is 0s; it must be 1ms to 1h0m0s"},
		{func(o *Options) { o.Level = "sse" }, `CPU level "sse" is not offered`},
		{func(o *Options) { o.Compute = []string{"float8"} }, `compute type "float8" is not known; use float32`},
		{func(o *Options) { o.Model = "nowhere" }, "nowhere"},
	} {
		o := DefaultOptions(1)
		c.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestOnly(t *testing.T) {
	for _, section := range Sections() {
		o := DefaultOptions(1)
		o.Only = []string{section}
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if p.shown != (section == sectionMachine) || (len(p.tasks) == 0) != p.shown {
			t.Errorf("%s alone: machine shown %v, %d tasks", section, p.shown, len(p.tasks))
		}
		if slices.ContainsFunc(p.tasks, func(t task) bool { return t.section != section }) {
			t.Errorf("%s alone has tasks of others", section)
		}
	}
	o := DefaultOptions(1)
	o.Suite, o.Compute, o.Only = PeersSuite, []string{"float32"}, []string{"train/smollm2/", "generate/groups4", "gemm/float32/1x1536x576"}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, task := range p.tasks {
		names = append(names, task.name)
	}
	if want := []string{
		"gemm/float32/1x1536x576", "train/smollm2/float32", "train/smollm2/float32/256", "train/smollm2/float32/2048", "generate/groups4/64",
	}; !slices.Equal(names, want) {
		t.Errorf("tasks %q, want %q", names, want)
	}
}

// A model that is not there is an error of its measurement; what was measured before stays.
func TestMissingModel(t *testing.T) {
	s := small()
	s.products, s.attentions, s.trainings = nil, nil, nil
	r, err := planOf(t, s, Options{Threads: 1, Duration: minDuration, Model: t.TempDir() + "/none"}).Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "measure infill/") || !strings.Contains(err.Error(), "none") {
		t.Errorf("error %v", err)
	}
	if len(r.Results) != 1 {
		t.Errorf("%d results, want that of memory", len(r.Results))
	}
}

// Whatever is being measured when the context ends, the report comes at once.
func TestCancel(t *testing.T) {
	for i, task := range planOf(t, small(), Options{Threads: 2, Duration: time.Hour}).tasks {
		t.Run(task.name, func(t *testing.T) {
			p := planOf(t, small(), Options{Threads: 2, Duration: time.Hour})
			p.tasks = p.tasks[i : i+1]
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := p.Run(ctx, nil)
			var stopped *StoppedError
			if !errors.As(err, &stopped) || stopped.Total != 1 || stopped.Done != 0 {
				t.Errorf("error %v", err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// However a product is cut, its parts make the whole: the bits are the same.
func TestParts(t *testing.T) {
	l := &lab{kernels: kernels.Best(), noise: newNoise()}
	for _, c := range computeTypes() {
		for _, p := range []product{{130, 33, 40}, {1, 67, 16}, {5, 31, 8}} {
			o := l.newOperands(c.Type, p)
			for _, part := range o.parts(1) {
				part()
			}
			for _, threads := range []int{2, 3, 4} {
				other := l.newOperands(c.Type, p)
				each := other.parts(threads)
				for _, part := range each {
					part()
				}
				many := p.m >= manyRows*threads
				if many == (p.m >= manyRows) && !slices.Equal(other.float.Data, o.float.Data) {
					t.Errorf("%s %v in %d parts differs", c.Type, p, len(each))
				}
				for i := range p.m {
					for j := range p.n {
						if many && other.rows.At(i, j) != o.rows.At(i, j) {
							t.Fatalf("%s %v in %d parts differs at row %d, column %d", c.Type, p, len(each), i, j)
						}
					}
				}
			}
		}
	}
}

// What a network holds is measured.
func TestHeld(t *testing.T) {
	l := &lab{kernels: kernels.Best(), noise: newNoise()}
	before := heap()
	c := stories()
	m, err := l.newTrainable(t.Context(), computeTypes()[0], c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := heap()-before, m.Bytes(); got < want || got > want*5/4 {
		t.Errorf("a network of %d bytes holds %d", want, got)
	}
	runtime.KeepAlive(m)
	// 8 layers, two streams, two of each: hidden 256 as float32, 256 and 768 as rows.
	for typ, want := range map[kernels.Type]int{
		kernels.Float32: 8 * 2 * 2 * (4*256 + 4*(256+768)),
		kernels.BF16:    8 * 2 * 2 * (4*256 + 2*(256+768)),
	} {
		if got := activations(&c, typ); got != want {
			t.Errorf("activations in %s are %d bytes, want %d", typ, got, want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 9}, 3.5}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median %v, want %v", got, c.want)
		}
	}
}
