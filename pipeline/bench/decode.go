package bench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/decoder-plugins/ar"
	"github.com/any-order/a3/decoder-plugins/confidence"
	"github.com/any-order/a3/decoder-plugins/random"
	"github.com/any-order/a3/decoder-plugins/sdk"
	"github.com/any-order/a3/pipeline/models"
)

// strategy is a decode strategy, run in this process, under its name in results.
type strategy string

const (
	ltr      strategy = "ltr"      // one token a step from left to right
	groups4  strategy = "groups4"  // groups of four in random order
	dynamic4 strategy = "dynamic4" // the four tokens a step of which the model is surest
)

func (s strategy) open() (decode.Decider, error) {
	four := map[string]string{"size": "4"}
	switch s {
	case groups4:
		return sdk.Plugin{Info: random.Info(), New: random.New}.Open(four)
	case dynamic4:
		return sdk.Plugin{Info: confidence.Info(), New: confidence.New}.Open(four)
	}
	return sdk.Plugin{Info: ar.Info(), New: ar.New}.Open(nil)
}

// infilling is filling documents whose given positions are spread evenly.
type infilling struct {
	strategy                    strategy
	documents, positions, given int
}

// infill measures the model that was asked for.
func (l *lab) infill(c computeType, jobs []infilling) task {
	name := "infill/" + string(c.Type)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		before := heap()
		loaded, err := models.Load(ctx, l.model, l.kernels, c.Type)
		if err != nil {
			return err
		}
		m := loaded.Model
		var f *filler
		for _, job := range jobs {
			if f, err = l.newFiller(m, job.strategy, loaded.Given, job.canvases(&m.Config)); err != nil {
				return err
			}
			rate, err := f.rate(ctx, l.clock)
			if err != nil {
				return err
			}
			emit(Result{fmt.Sprintf("infill/%s/%s/%d", job.strategy, c.Type, job.documents), l.all(), rate, "tokens/s"})
		}
		held(emit, name, l.all(), heldBy{
			heap: heap() - before, weights: m.Bytes(), kv: m.NewCache(m.Config.MaxPositions).Bytes(),
		})
		runtime.KeepAlive(f)
		return nil
	}}
}

// generate measures the reference network.
func (l *lab) generate(c computeType, job infilling) task {
	name := fmt.Sprintf("generate/%s/%d", job.strategy, job.documents)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		m, err := l.newDecoder(ctx, c, reference())
		if err != nil {
			return err
		}
		f, err := l.newFiller(m, job.strategy, order.GivenGroup, job.canvases(&m.Config))
		if err != nil {
			return err
		}
		rate, err := f.rate(ctx, l.clock)
		if err != nil {
			return err
		}
		emit(Result{name, l.all(), rate, "tokens/s"})
		return nil
	}}
}

// leftToRight is generating text behind given tokens.
type leftToRight struct {
	shape            model.Config
	given, generated int
	documents        []int
}

// leftToRight measures several numbers of documents, and from one document what share of
// the read bandwidth decoding uses.
func (l *lab) leftToRight(c computeType, job leftToRight) task {
	name := "decode/ltr/" + string(c.Type)
	return task{name: name, run: func(ctx context.Context, emit func(Result)) error {
		m, err := l.newDecoder(ctx, c, job.shape)
		if err != nil {
			return err
		}
		for _, n := range job.documents {
			f, err := l.newFiller(m, ltr, order.GivenCausal, job.canvases(n))
			if err != nil {
				return err
			}
			rate, err := f.rate(ctx, l.clock)
			if err != nil {
				return err
			}
			emit(Result{fmt.Sprintf("%s/%d", name, n), l.all(), rate, "tokens/s"})
			if n > 1 {
				continue
			}
			bytes := c.bytes * job.shape.Params()
			bandwidth, err := l.bandwidth(ctx, bytes, l.all())
			if err != nil {
				return err
			}
			emit(Result{"decode/bandwidth/" + string(c.Type), l.all(), float64(bytes) * rate / bandwidth, "of read bandwidth"})
		}
		return nil
	}}
}

// canvases returns the documents to fill. A model of short context gets shorter ones.
func (j infilling) canvases(c *model.Config) []*seq.Canvas {
	list := make([]*seq.Canvas, j.documents)
	for d := range list {
		tokens := randomTokens(seq.NewKey(uint64(d)), min(j.positions, c.MaxPositions), c.Vocab)
		list[d] = &seq.Canvas{}
		for i, t := range tokens {
			if i*j.given/j.positions != (i+1)*j.given/j.positions {
				list[d].AppendKnown(t)
			} else {
				list[d].AppendBlank(1)
			}
		}
	}
	return list
}

func (j leftToRight) canvases(n int) []*seq.Canvas {
	list := make([]*seq.Canvas, n)
	for d := range list {
		list[d] = seq.NewCanvas(randomTokens(seq.NewKey(uint64(d)), j.given, j.shape.Vocab)...)
		list[d].AppendBlank(j.generated)
	}
	return list
}

// filler fills the same documents again and again.
type filler struct {
	engine    *decode.Engine
	strategy  decode.Decider
	documents []*decode.Document
	blanks    int // of all documents
}

func (l *lab) newFiller(m *model.Model, s strategy, given order.Given, canvases []*seq.Canvas) (*filler, error) {
	o := decode.DefaultOptions()
	o.MaxDocuments, o.Threads, o.Given = len(canvases), l.all(), given
	engine, err := decode.New(m, o)
	if err != nil {
		return nil, err
	}
	decider, err := s.open()
	if err != nil {
		return nil, err
	}
	f := &filler{engine: engine, strategy: decider}
	for i, c := range canvases {
		f.documents = append(f.documents, &decode.Document{Key: uint64(i), Canvas: c})
		f.blanks += len(c.Blanks())
	}
	return f, nil
}

// rate returns filled tokens a second.
func (f *filler) rate(ctx context.Context, c clock) (float64, error) {
	s, err := c.perCall(ctx, func(n int) error {
		for range n {
			if err := f.fill(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(f.blanks) / s, err
}

func (f *filler) fill(ctx context.Context) error {
	in := make(chan *decode.Document, len(f.documents))
	for _, d := range f.documents {
		in <- d
	}
	close(in)
	return f.engine.Run(ctx, in, f.strategy, func(r *decode.Result) error { return r.Err })
}
