package decode

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// One document or many, on any number of threads: the same bytes, whether the threads
// share a pass by columns, by rows, or are dealt documents.
func TestThreadsDoNotMatter(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	one, many := broadDocuments(1, 120), broadDocuments(8, 15)
	for _, m := range broadModels(t) {
		for _, name := range []string{"greedy, banned", "drawn", "top-p"} {
			o := ways()[name]
			for what, docs := range map[string][]*Document{"one document": one, "many documents": many} {
				for i, d := range []Decider{&planned{5}, &surest{k: 5, window: 40}} {
					if i > 0 && name != "drawn" {
						continue
					}
					var want []*Result
					for _, threads := range []int{1, 2, 3, 7} {
						o.Threads = threads
						got, err := decodeAll(t.Context(), newEngine(t, m, o), d, docs)
						if err != nil {
							t.Fatal(err)
						}
						if want == nil {
							want = got
						}
						sameResults(t, fmt.Sprintf("%s, %s, %s, %d threads", m.Type, name, what, threads), got, want)
					}
				}
			}
		}
	}
}

// Steps are shared or dealt as their rows ask for.
func TestDeal(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	o := DefaultOptions()
	o.Threads = 2
	e := newEngine(t, tinyModel(t), o)
	defer e.assemble()()
	for _, c := range []struct {
		rows []int
		deal bool
	}{
		{[]int{100}, false},               // a thread would have nothing to do
		{[]int{1, 1, 1}, false},           // few rows
		{[]int{100, 100}, false},          // few rows a thread
		{[]int{150, 150}, true},           //
		{[]int{50, 50, 50, 190}, true},    // 190 and 150
		{[]int{300, 10, 10, 10}, false},   // one joins with all its given rows
		{[]int{300, 290, 10, 10}, true},   //
		{[]int{100, 100, 100, 1}, true},   // 200 and 101
		{[]int{100, 100, 100, 400}, true}, //
	} {
		var sessions []*Session
		e.step.rows, e.step.engine = nil, e
		total := 0
		for _, n := range c.rows {
			sessions = append(sessions, &Session{sequence: make([]int32, n)})
			e.step.rows = append(e.step.rows, n)
			total += n
		}
		if got := e.step.deal(sessions, total); got != c.deal {
			t.Errorf("rows %v: dealt %v, want %v", c.rows, got, c.deal)
		}
	}
}

// In its steady state a step of a planner allocates nothing, however tokens are chosen,
// shared by threads or dealt to them.
func TestStepsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, m := range broadModels(t) {
		for _, name := range []string{"greedy, banned", "drawn", "top-p"} {
			for _, documents := range []int{1, 12} {
				o := ways()[name]
				o.Threads = 2
				e := newEngine(t, m, o)
				docs := make([]*Document, documents)
				for i := range docs {
					docs[i] = &Document{Key: uint64(i), Canvas: seq.NewCanvas(1)}
					docs[i].Canvas.AppendBlank(100)
				}
				d := &planned{2}
				r := &run{engine: e, spec: d.Spec(), planner: d, nextID: 1}
				r.spec.Window, r.spec.Columns = 32, strategy.ColumnAll
				func() {
					defer e.assemble()()
					defer r.close(t.Context())
					if err := r.begin(t.Context(), docs); err != nil {
						t.Fatal(err)
					}
					step := func() {
						if err := r.step(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					for range 30 { // buffers grow, whoever takes a piece
						step()
					}
					n := 1.0
					for i := 0; i < 4 && n > 0; i++ { // one that comes to a kind of piece late may grow its buffers yet
						n = testing.AllocsPerRun(3, step)
					}
					if n > 0 {
						t.Errorf("%s, %s, %d documents: a step allocates %v times", m.Type, name, documents, n)
					}
				}()
			}
		}
	}
}
