package decode

import (
	"context"
	"slices"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/strategy"
)

// headRows is how many rows of logits exist at a time in one goroutine, whichever
// sessions they belong to.
const headRows = 48

// worker is the memory of one computing goroutine.
type worker struct {
	ws      *model.Workspace
	batch   model.Batch
	logits  []float32
	scratch kernels.Scratch
	sampler sampler
}

// Propose computes the wanted positions of all sessions, which must not be Done: one
// pass of the model over the rows that are new. The sessions are dealt to the threads
// whole; a session's numbers do not depend on the others.
func (e *Engine) Propose(ctx context.Context, sessions []*Session, columns strategy.Columns) error {
	parts := deal(sessions, len(e.workers))
	return parallel.Each(ctx, e.workers, len(parts), func(w *worker, i int) {
		if len(parts[i]) > 0 {
			w.propose(e, parts[i], columns)
		}
	})
}

// deal splits the sessions, in their order, into n parts of like numbers of rows. A
// document that joins brings all its given rows at once, many times what others add.
func deal(sessions []*Session, n int) [][]*Session {
	rows := make([]int, len(sessions))
	for i, s := range sessions {
		rows[i] = s.pending()
	}
	parts := make([][]*Session, n)
	for i, part := range parallel.Balance(rows, n) {
		parts[part] = append(parts[part], sessions[i])
	}
	return parts
}

func (w *worker) propose(e *Engine, sessions []*Session, columns strategy.Columns) {
	w.batch.Reset()
	for _, s := range sessions {
		s.rows += s.pending()
		s.calls++
		s.proposal, s.hidden = s.proposal[:0], s.hidden[:0]
		s.addRows(&w.batch)
	}
	final := w.ws.Forward(&w.batch)

	c := &e.model.Config
	rest := sessions
	for at := 0; at < final.N; at += headRows {
		rows := final.Slice(at, min(at+headRows, final.N))
		w.logits = growTo(w.logits, rows.N*c.Vocab)
		logits := kernels.NewMat(w.logits, rows.N, c.Vocab)
		e.model.Logits(logits, rows, &w.scratch)
		for r := range rows.N {
			for len(rest[0].proposal) == len(rest[0].wanted) {
				rest = rest[1:]
			}
			s := rest[0]
			p := Proposal{Position: s.wanted[len(s.proposal)]}
			w.sampler.propose(&p, logits.Row(r), &e.options, s.doc.Allow[p.Position], s.key, s.steps, columns)
			s.proposal = append(s.proposal, p)
			s.hidden = slices.Grow(s.hidden, c.Hidden)[:len(s.hidden)+c.Hidden]
			rows.Float(s.hidden[len(s.hidden)-c.Hidden:], r)
		}
	}
}

// logProbOf returns the model's log-probability of a token at the i-th row of hidden.
func (e *Engine) logProbOf(hidden []float32, i int, token int32) float64 {
	c := &e.model.Config
	logits := kernels.NewMat(make([]float32, c.Vocab), 1, c.Vocab)
	k := e.model.Kernels()
	final := kernels.NewRows(e.model.Type.RowType(), 1, c.Hidden)
	k.Convert(final, kernels.NewMat(hidden[i*c.Hidden:(i+1)*c.Hidden], 1, c.Hidden))
	e.model.Logits(logits, final, new(kernels.Scratch))
	var tmp []float32
	return logProb(k, logits.Row(0), token, &tmp)
}

func growTo(buf []float32, n int) []float32 {
	if cap(buf) < n {
		buf = kernels.Aligned(n)
	}
	return buf[:n]
}
