package builtin

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/host"
)

func hostOptions(tb testing.TB, inProcess bool) host.Options {
	tb.Helper()
	executable, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return host.Options{
		Self:     host.Command{Path: host.SelfPath(executable), Args: []string{"plugin", "serve"}},
		Builtins: List(), InProcess: inProcess, Vocab: 6144,
	}
}

// batch is a job of 64 documents of which 32 positions are open at a time.
type batch struct {
	s     strategy.Strategy
	close func() error
	docs  []strategy.Document
	step  int32
}

const documents, open, length = 64, 32, 2048

func newBatch(tb testing.TB, spec string, inProcess bool) *batch {
	tb.Helper()
	p, err := host.Open(tb.Context(), spec, hostOptions(tb, inProcess))
	if err != nil {
		tb.Fatal(err)
	}
	b := &batch{s: p.Strategy(), close: p.Close}
	b.begin(tb)
	return b
}

func (b *batch) begin(tb testing.TB) {
	b.docs, b.step = nil, 0
	for id := range uint64(documents) {
		doc := strategy.Document{ID: id, Key: seq.NewKey(1, id), Length: length}
		for p := range int32(length) {
			doc.Open = append(doc.Open, p)
		}
		b.docs = append(b.docs, doc)
	}
	if err := b.s.Begin(tb.Context(), b.docs); err != nil {
		tb.Fatal(err)
	}
}

func (b *batch) end(tb testing.TB) {
	ids := make([]uint64, documents)
	for i := range ids {
		ids[i] = uint64(i)
	}
	if err := b.s.End(tb.Context(), ids); err != nil {
		tb.Fatal(err)
	}
}

// next takes a step with all documents: one position of each is committed.
func (b *batch) next(tb testing.TB) time.Duration {
	if b.step == length-open {
		b.end(tb)
		b.begin(tb)
	}
	o := &strategy.Observation{Offset: []int32{0}}
	for d := range b.docs {
		o.Doc = append(o.Doc, b.docs[d].ID)
		o.Step = append(o.Step, b.step)
		o.Remain = append(o.Remain, length-b.step)
		for i := range int32(open) {
			o.Position = append(o.Position, b.step+i)
			o.Prob = append(o.Prob, 1/float32(1+i)) // so that the first is committed
		}
		o.Offset = append(o.Offset, int32(len(o.Position)))
	}
	b.step++
	start := time.Now()
	dec, err := b.s.Next(tb.Context(), o)
	wait := time.Since(start)
	if err != nil || len(dec.Commit) != documents {
		tb.Fatalf("%v, %v", dec, err)
	}
	return wait
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkStep is what a step costs that a process of its own decides: 64 documents, 32
// open positions each, beside the same strategy in this process, interleaved.
//
//	go test -run - -bench Step ./decoder-plugins/builtin
func BenchmarkStep(b *testing.B) {
	there, here := newBatch(b, "confidence", false), newBatch(b, "confidence", true)
	defer there.close()
	defer here.close()
	for range 100 {
		there.next(b)
		here.next(b)
	}
	var process, local []time.Duration
	for b.Loop() {
		process = append(process, there.next(b))
		local = append(local, here.next(b))
	}
	b.ReportMetric(float64(median(process).Nanoseconds())/1e3, "µs/step(process)")
	b.ReportMetric(float64(median(local).Nanoseconds())/1e3, "µs/step(local)")
	b.ReportMetric(float64((median(process)-median(local)).Nanoseconds())/1e3, "µs/step(overhead)")
}

// BenchmarkStart is what a plugin takes from exec to ready.
func BenchmarkStart(b *testing.B) {
	var starts []time.Duration
	for b.Loop() {
		start := time.Now()
		p, err := host.Open(b.Context(), "confidence", hostOptions(b, false))
		if err != nil {
			b.Fatal(err)
		}
		starts = append(starts, time.Since(start))
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(median(starts).Microseconds())/1e3, "ms/start")
}

// BenchmarkKilled is what a job waits when its plugin is killed between two steps.
func BenchmarkKilled(b *testing.B) {
	p, err := host.Open(b.Context(), "confidence", hostOptions(b, false))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	job := &batch{s: p.Strategy()}
	job.begin(b)
	var normal, after []time.Duration
	for b.Loop() {
		normal = append(normal, job.next(b))
		if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		after = append(after, job.next(b))
	}
	b.ReportMetric(float64((median(after)-median(normal)).Microseconds())/1e3, "ms/kill")
}
