// Package train fits a model to sampled groupings: loss, gradients over logical
// shards, clipping, AdamW and the learning-rate schedule.
//
// A step is a pure function of the weights, the moments, the step number and the
// segments: the number of threads changes nothing, bit for bit. What the segments of a
// step are is decided elsewhere (core/order samples groupings, batching packs them).
package train

import (
	"context"
	"fmt"
	"math"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
)

// Trainer owns a model's weights and the optimizer's state.
type Trainer struct {
	Model   *model.Model
	Options Options
	Threads int // goroutines that compute; at least 1

	// Copy is the share of query rows that start with the token before them in the next step
	// (model.QueryCopy); whoever steps sets it.
	Copy float64

	First, Second *model.Params // AdamW's moments
	Done          int           // optimizer steps taken or skipped
	Health        Health        // of the gradients up to there

	workers []*worker
	grads   *model.Gradient
	pieces  []piece
}

// worker is the memory of one goroutine.
type worker struct {
	ws    *model.Workspace
	batch model.Batch
}

// Stats says what a step did.
type Stats struct {
	Step     int     // number of the step, from 0
	Loss     float64 // weighted mean of the negative log-likelihood, before the update
	Weight   float64 // sum of the loss weights
	GradNorm float64 // L2 norm of the gradient before clipping
	Clipped  bool
	Rate     float64 // learning rate
	Skipped  string  // why the step changed nothing; empty = it was taken
	Rows     int     // content and query rows computed
}

// New returns a trainer at step 0.
func New(m *model.Model, o Options, threads int) (*Trainer, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	t := &Trainer{
		Model: m, Options: o, Threads: max(1, threads),
		First: m.NewParams(), Second: m.NewParams(),
	}
	for range t.Threads {
		w := &worker{ws: m.NewWorkspace()}
		w.ws.Recompute = o.Recompute
		t.workers = append(t.workers, w)
	}
	t.pieces = pieces(m.Params)
	return t, nil
}

// Step does one optimizer step on the segments, at the rate of the options. The loss is
// sum(w nll) / sum(w) over all of them. A step whose loss or gradient is out of the ordinary
// changes no weight and no moment.
func (t *Trainer) Step(ctx context.Context, segments []seq.Segment) (Stats, error) {
	return t.StepAt(ctx, segments, t.Options.Rate(t.Done))
}

// StepAt is Step at a learning rate.
func (t *Trainer) StepAt(ctx context.Context, segments []seq.Segment, rate float64) (Stats, error) {
	o := &t.Options
	stats := Stats{Step: t.Done, Rate: rate}
	for i, s := range segments {
		if err := s.Validate(t.Model.Config.Vocab); err != nil {
			return stats, fmt.Errorf("training step %d, segment %d: %w", t.Done, i, err)
		}
		for _, w := range s.Weight {
			stats.Weight += float64(w)
		}
	}
	if stats.Weight <= 0 {
		return stats, fmt.Errorf("training step %d: no position has a weight in the loss", t.Done)
	}
	nll, rows, err := t.gradient(ctx, segments, 1/stats.Weight)
	if err != nil {
		return stats, err
	}
	stats.Loss, stats.Rows = nll/stats.Weight, rows
	stats.GradNorm = t.norm()
	if reason := t.Health.unusual(stats.Loss, stats.GradNorm, o.Spike); reason != "" {
		if t.Health.InRow >= o.Skips {
			return stats, &DivergedError{t.Done, t.Health.InRow + 1, reason}
		}
		t.Health.InRow++
		t.Health.Skipped++
		t.Done++
		stats.Skipped = reason
		return stats, nil
	}
	t.Health.taken(stats.GradNorm)
	scale := 1.0
	if o.Clip > 0 {
		stats.Clipped = stats.GradNorm > o.Clip
		scale = math.Min(1, o.Clip/(stats.GradNorm+1e-6))
	}
	t.Done++
	t.update(kernels.AdamW{
		LR: stats.Rate, Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, Decay: o.Decay, Step: t.Done, GradScale: scale,
	})
	return stats, nil
}

// gradient computes the gradient of scale * sum(w nll), summed over the shards in their
// order.
func (t *Trainer) gradient(ctx context.Context, segments []seq.Segment, scale float64) (float64, int, error) {
	if t.grads == nil {
		t.grads = t.Model.NewGradient()
	}
	t.grads.Reset()
	parts := shards(segments, t.Options.Shards)
	nll := make([]float64, len(parts))
	rows := make([]int, len(parts))
	err := parallel.Each(ctx, t.workers, len(parts), func(w *worker, i int) {
		w.batch.Reset()
		w.batch.CopyBefore = t.Copy > 0
		w.batch.AddSegments(parts[i])
		t.wean(w.batch.Before, i)
		nll[i], _ = w.ws.LossGrad(&w.batch, t.grads, i, scale)
		content, query := w.batch.Rows()
		rows[i] = content + query
	})
	if err != nil {
		return 0, 0, err
	}
	t.grads.Finish(t.Model.Kernels())
	var sum float64
	total := 0
	for i := range nll {
		sum += nll[i]
		total += rows[i]
	}
	return sum, total, nil
}

// wean leaves the share of a shard's query rows that copies, drawn for each row, step and
// shard.
func (t *Trainer) wean(before []int32, shard int) {
	key := seq.NewKey(uint64(seq.PurposeCopy), uint64(t.Done), uint64(shard))
	for row := range before {
		if key.Uniform(uint64(row)) >= t.Copy {
			before[row] = -1
		}
	}
}

// update applies AdamW to every tensor, and packs the weights for the next pass. The step
// is taken: it is not left half done when a context ends.
func (t *Trainer) update(a kernels.AdamW) {
	k, p, g := t.Model.Kernels(), t.Model.Params, t.grads.Params
	_ = parallel.Each(context.Background(), t.workers, len(t.pieces), func(_ *worker, i int) {
		step, piece := a, t.pieces[i]
		if piece.norm && !t.Options.DecayNorms {
			step.Decay = 0
		}
		from, to := piece.from, piece.to
		k.Update(p.Flat[from:to], t.First.Flat[from:to], t.Second.Flat[from:to], g.Flat[from:to], step)
	})
	_ = parallel.Each(context.Background(), t.workers, t.Model.Parts(), func(w *worker, i int) {
		t.Model.PackPart(i, w.ws)
	})
}

// norm returns the L2 norm of the gradient: pieces in float32, their sum in float64.
func (t *Trainer) norm() float64 {
	squares := make([]float64, len(t.pieces))
	_ = parallel.Each(context.Background(), t.workers, len(t.pieces), func(_ *worker, i int) {
		part := t.grads.Params.Flat[t.pieces[i].from:t.pieces[i].to]
		for at := 0; at < len(part); at += normBlock {
			b := part[at:min(at+normBlock, len(part))]
			squares[i] += float64(t.Model.Kernels().Dot(b, b))
		}
	})
	var sum float64
	for _, s := range squares {
		sum += s
	}
	return math.Sqrt(sum)
}

// Evaluate returns the weighted sum of the negative log-likelihood of the segments and
// the sum of their weights. It changes nothing.
func (t *Trainer) Evaluate(ctx context.Context, segments []seq.Segment) (nll, weight float64, err error) {
	for i, s := range segments {
		if err := s.Validate(t.Model.Config.Vocab); err != nil {
			return 0, 0, fmt.Errorf("evaluate segment %d: %w", i, err)
		}
	}
	sums := make([]float64, len(segments))
	weights := make([]float64, len(segments))
	err = parallel.Each(ctx, t.workers, len(segments), func(w *worker, i int) {
		w.batch.Reset()
		w.batch.AddSegment(segments[i])
		for j, lp := range w.ws.LogProbs(&w.batch) {
			sums[i] -= lp * float64(w.batch.Weight[j])
			weights[i] += float64(w.batch.Weight[j])
		}
	})
	if err != nil {
		return 0, 0, err
	}
	for i := range sums {
		nll += sums[i]
		weight += weights[i]
	}
	return nll, weight, nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
