package decode

import (
	"fmt"
	"testing"
	"time"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// shapes are the networks that are measured: that of the shipped model, and SmolLM's of
// 135 million parameters.
var shapes = []struct {
	name   string
	config model.Config
}{
	{"stories", model.Config{
		Vocab: 6144, Hidden: 256, FFN: 768, Layers: 8, Heads: 8, KVHeads: 4, HeadDim: 32,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 512, Tied: true, PadToken: -1,
	}},
	{"135M", model.Config{
		Vocab: 49152, Hidden: 576, FFN: 1536, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
		NormEps: 1e-5, RopeTheta: 1e4, MaxPositions: 2048, Tied: true, PadToken: -1,
	}},
}

// benchDocuments are n documents of 128 positions, of which each fourth is blank.
func benchDocuments(n, vocab int) []*Document {
	docs := make([]*Document, n)
	for i := range docs {
		key, c := seq.NewKey(uint64(i)), &seq.Canvas{}
		for p := range 128 {
			if p%4 == 3 {
				c.AppendBlank(1)
			} else {
				c.AppendKnown(int32(key.Intn(uint64(p), vocab)))
			}
		}
		docs[i] = &Document{Key: uint64(i), Canvas: c}
	}
	return docs
}

// BenchmarkDecode fills 32 blanks of documents: one token a step from left to right, and
// groups of four in random order. It reports filled tokens a second, and processor time a
// token.
func BenchmarkDecode(b *testing.B) {
	const blanks = 32
	for _, shape := range shapes {
		for _, typ := range types {
			b.Run(fmt.Sprintf("%s/%s", shape.name, typ), func(b *testing.B) {
				p := model.NewParams(&shape.config)
				p.Init(1, shape.config.Layers)
				m := loaded(b, p, shape.config, kernels.Best(), typ)
				for _, n := range []int{1, 64} { // at a time
					docs := benchDocuments(max(n, 8), m.Config.Vocab)
					for _, d := range []struct {
						name    string
						decider Decider
					}{{"ar", &planned{}}, {"groups", &planned{4}}} {
						for _, threads := range []int{1, 2} {
							b.Run(fmt.Sprintf("documents=%d/%s/threads=%d", n, d.name, threads), func(b *testing.B) {
								o := DefaultOptions()
								o.Threads, o.MaxDocuments = threads, n
								e := newEngine(b, m, o)
								if _, err := decodeAll(b.Context(), e, d.decider, docs); err != nil {
									b.Fatal(err)
								}
								before := cpuTime(b)
								for b.Loop() {
									if _, err := decodeAll(b.Context(), e, d.decider, docs); err != nil {
										b.Fatal(err)
									}
								}
								tokens := float64(len(docs) * blanks * b.N)
								b.ReportMetric(tokens/b.Elapsed().Seconds(), "tokens/s")
								b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/tokens, "cpu-µs/token")
							})
						}
					}
				}
			})
		}
	}
}

// BenchmarkPrefix is what a token costs, filled from left to right in one document, that has
// so many positions before it: the time of 64 blanks less that of one, which takes as long to
// encode what is known. It grows with the prefix as attention does, by a line.
func BenchmarkPrefix(b *testing.B) {
	const blanks = 64
	config := shapes[1].config
	config.MaxPositions = 1 << 13
	p := model.NewParams(&config)
	p.Init(1, config.Layers)
	m := loaded(b, p, config, kernels.Best(), kernels.Best().DefaultType())
	for _, threads := range []int{1, 2} {
		o := DefaultOptions()
		o.Threads, o.MaxDocuments = threads, 1
		e := newEngine(b, m, o)
		for _, prefix := range []int{0, 512, 1024, 2048, 4096} {
			b.Run(fmt.Sprintf("threads=%d/prefix=%d", threads, prefix), func(b *testing.B) {
				known := make([]int32, prefix)
				for i := range known {
					known[i] = int32(i % config.Vocab)
				}
				fill := func(blanks int) time.Duration {
					c := seq.NewCanvas(known...)
					c.AppendBlank(blanks)
					start := time.Now()
					if _, err := decodeAll(b.Context(), e, &planned{}, []*Document{{Canvas: c}}); err != nil {
						b.Fatal(err)
					}
					return time.Since(start)
				}
				var total time.Duration
				for b.Loop() {
					total += fill(blanks) - fill(1)
				}
				b.ReportMetric(float64(total.Microseconds())/float64(b.N*(blanks-1)), "µs/token")
			})
		}
	}
}

// BenchmarkDrafts fills 32 blanks of documents in drafts of five, drawn at temperature 1. It
// reports processor time a token.
func BenchmarkDrafts(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			p := model.NewParams(&shape.config)
			p.Init(1, shape.config.Layers)
			m := loaded(b, p, shape.config, kernels.Best(), kernels.Best().DefaultType())
			o := DefaultOptions()
			o.Greedy = false
			e, docs := newEngine(b, m, o), benchDocuments(8, m.Config.Vocab)
			before := cpuTime(b)
			for b.Loop() {
				if _, err := decodeAll(b.Context(), e, &speculative{k: 5}, docs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(8*32*b.N), "cpu-µs/token")
		})
	}
}

// BenchmarkHead is what is done with the final rows of the 135M network: the product and
// each way to choose tokens, with all columns of the observation or none.
func BenchmarkHead(b *testing.B) {
	c := shapes[1].config
	c.Layers = 1
	p := model.NewParams(&c)
	p.Init(1, 30)
	for i := range p.Embed.Data { // distributions as peaked as those of text
		p.Embed.Data[i] *= 5
	}
	m := loaded(b, p, c, kernels.Best(), kernels.Best().DefaultType())
	for name, change := range map[string]func(o *Options){
		"greedy": func(o *Options) { o.Greedy = true },
		"drawn":  func(o *Options) {},
		"hot":    func(o *Options) { o.Temperature = 1.1 },
		"top-k":  func(o *Options) { o.TopK = 50 },
		"top-p":  func(o *Options) { o.TopP = 0.95 },
	} {
		for _, rows := range []int{1, 256} {
			for _, columns := range []strategy.Columns{0, strategy.ColumnAll} {
				b.Run(fmt.Sprintf("%s/rows=%d/columns=%d", name, rows, columns), func(b *testing.B) {
					o := DefaultOptions()
					o.Greedy = false
					change(&o)
					e := newEngine(b, m, o)
					defer e.assemble()()
					s, err := e.NewSession(&Document{Canvas: seq.NewCanvas(make([]int32, 300)...)})
					if err != nil {
						b.Fatal(err)
					}
					for i := range rows {
						s.blank[i] = true
					}
					s.Want(nil, rows)
					h := &e.workers[0].head
					h.engine, h.columns, h.workers = e, columns, e.workers[:1]
					final := kernels.NewRows(m.Type.RowType(), rows, c.Hidden)
					noise := make([]float32, rows*c.Hidden)
					for i := range noise {
						noise[i] = float32(seq.NewKey(1).Normal(uint64(i)))
					}
					m.Kernels().Convert(final, kernels.NewMat(noise, rows, c.Hidden))
					before := cpuTime(b)
					for b.Loop() {
						s.proposal = s.proposal[:0]
						h.propose(final, []*Session{s})
					}
					b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*rows)/1000, "cpu-µs/row")
				})
			}
		}
	}
}
