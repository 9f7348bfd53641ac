package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/decoder-plugins/builtin"
	"github.com/any-order/a3/decoder-plugins/host"
	"github.com/any-order/a3/pipeline/models"
)

// lab measures strategies on the tasks of a page.
type lab struct {
	page     *page
	model    *models.Loaded
	tasks    []*task // one a share
	outcomes map[trial]*outcome
	threads  int
	progress io.Writer // a line a measurement
}

// trial names what was measured: nothing is decoded twice.
type trial struct {
	strategy    string
	share       int
	temperature float64
}

// outcome is what a strategy made of a task.
type outcome struct {
	results []*decode.Result // by document
	calls   int              // forward passes, summed over documents
	rows    int              // rows of those passes
	seconds float64
	quality
}

// quality is how good filled documents are.
type quality struct {
	filled     float64   // log-probability of the tokens at blanks, in AR order, summed
	whole      []float64 // of all tokens, a document
	tokens     int       // that are those held out
	spans      int       // all of whose tokens are
	tokenCount int       // of all documents, blank or not
}

// engine returns an engine that draws at a temperature, or takes the likeliest at 0.
func (l *lab) engine(temperature float64) (*decode.Engine, error) {
	o := decode.DefaultOptions()
	o.Given, o.Threads, o.Seed = l.model.Given, l.threads, l.page.Seed
	for id := range int32(l.model.Model.Config.Vocab) {
		if l.model.Tokenizer.IsSpecial(id) {
			o.Banned = append(o.Banned, id)
		}
	}
	if temperature > 0 {
		o.Greedy, o.Temperature = false, temperature
	}
	return decode.New(l.model.Model, o)
}

// measure decodes a task with a strategy, in this process, and judges the result.
func (l *lab) measure(ctx context.Context, name string, t *task, temperature float64) (*outcome, error) {
	key := trial{name, t.share, temperature}
	if known := l.outcomes[key]; known != nil {
		return known, nil
	}
	plugin, err := host.Open(ctx, name, host.Options{Builtins: builtin.List(), InProcess: true, Vocab: int32(l.model.Model.Config.Vocab)})
	if err != nil {
		return nil, err
	}
	defer plugin.Close()
	var decider decode.Decider = plugin.Strategy()
	if plugin.Spec().Planned {
		decider = plugin.Planner()
	}
	engine, err := l.engine(temperature)
	if err != nil {
		return nil, err
	}
	docs := make(chan *decode.Document, len(t.canvases))
	for i, canvas := range t.canvases {
		docs <- &decode.Document{Key: uint64(i), Canvas: canvas, Tag: i}
	}
	close(docs)
	out := &outcome{results: make([]*decode.Result, len(t.canvases))}
	start := time.Now()
	err = engine.Run(ctx, docs, decider, func(r *decode.Result) error {
		out.results[r.Document.Tag.(int)] = r
		out.calls += r.ModelCalls
		out.rows += r.Rows
		return r.Err
	})
	if err != nil {
		return nil, fmt.Errorf("strategy %s: %w", name, err)
	}
	out.seconds = time.Since(start).Seconds()
	filled := make([][]int32, len(out.results))
	for i, r := range out.results {
		filled[i] = r.Tokens
	}
	if out.quality, err = judge(ctx, engine, t, filled); err != nil {
		return nil, err
	}
	l.outcomes[key] = out
	fmt.Fprintf(l.progress, "%d %% blanked, temperature %g, %s: %.1f s\n", t.share, temperature, name, out.seconds)
	return out, nil
}

// judge scores filled documents in AR order, and counts what is as it was held out.
func judge(ctx context.Context, engine *decode.Engine, t *task, filled [][]int32) (q quality, err error) {
	segments := make([]seq.Segment, len(filled))
	for i, tokens := range filled {
		s := seq.Segment{Tokens: tokens, Group: make([]int32, len(tokens)), Weight: make([]float32, len(tokens))}
		for p := range tokens {
			s.Group[p] = int32(p)
			s.Weight[p] = float32(min(p, 1)) // all but the one that starts the document
		}
		segments[i] = s
	}
	scores, err := engine.Score(ctx, segments)
	if err != nil {
		return q, err
	}
	for i, tokens := range filled {
		var sum float64
		for p, logProb := range scores[i] {
			sum += logProb
			if t.canvases[i].Blank[p] {
				q.filled += logProb
				if tokens[p] == t.truth[i][p] {
					q.tokens++
				}
			}
		}
		q.whole = append(q.whole, sum)
		q.tokenCount += len(tokens) - 1
		for _, s := range spansOf(t.canvases[i]) {
			if slices.Equal(tokens[s.first:s.end], t.truth[i][s.first:s.end]) {
				q.spans++
			}
		}
	}
	return q, nil
}

// mean is the mean log-probability of all tokens.
func (q *quality) mean() float64 {
	var sum float64
	for _, x := range q.whole {
		sum += x
	}
	return sum / float64(q.tokenCount)
}

// against is the difference of the means to those of a baseline, with its standard error,
// by pairs of documents.
func (q *quality) against(base *quality) (difference, deviation float64) {
	gain := make([]float64, len(q.whole))
	for i := range gain {
		gain[i] = q.whole[i] - base.whole[i]
	}
	n := float64(len(gain))
	mean, sd := stat.MeanStdDev(gain, nil)
	return mean * n / float64(q.tokenCount), sd * math.Sqrt(n) / float64(q.tokenCount)
}

// row is a line of a table: out is nil for documents that nobody filled, base for what all
// others are held against.
func (q *quality) row(b *strings.Builder, t *task, name string, out *outcome, base *quality) {
	calls, rows, speed := "-", "-", "-"
	if n := float64(t.blanks); out != nil {
		calls, rows = fmt.Sprintf("%.3f", float64(out.calls)/n), fmt.Sprintf("%.1f", float64(out.rows)/n)
		speed = fmt.Sprintf("%.0f", n/out.seconds)
	}
	difference := "-"
	if base != nil {
		d, sd := q.against(base)
		difference = fmt.Sprintf("%+.3f ± %.3f", d, sd)
		if math.IsNaN(sd) { // of one document
			difference = fmt.Sprintf("%+.3f", d)
		}
	}
	fmt.Fprintf(b, "| %s | %s | %s | %.3f | %.3f | %s | %.1f %% | %.1f %% | %s |\n", name, calls, rows,
		q.filled/float64(t.blanks), q.mean(), difference, percent(q.tokens, t.blanks), percent(q.spans, t.spans), speed)
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(of) }
