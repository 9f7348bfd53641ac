package decode

import (
	"context"

	"github.com/any-order/a3/core/internal/parallel"
	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/strategy"
)

// worker is the memory of one computing goroutine.
type worker struct {
	ws      *model.Workspace
	batch   model.Batch
	head    head
	sampler sampler
	whole   []float32 // [wholeRows, V]

	// To judge drafts.
	target []float32    // [V]
	rows   kernels.Rows // at most judgedRows
}

// Propose computes the wanted positions of all sessions, which must not be Done: one
// pass of the model over the rows that are new. A session's numbers do not depend on the
// others, nor on threads.
func (e *Engine) Propose(ctx context.Context, sessions []*Session, columns strategy.Columns) error {
	if e.team == nil {
		defer e.assemble()()
	}
	return e.propose(ctx, sessions, columns, true)
}

// propose is Propose with the team at work; keep says whether the strategy may choose
// tokens of its own, which are scored later.
func (e *Engine) propose(ctx context.Context, sessions []*Session, columns strategy.Columns, keep bool) error {
	if err := ctx.Err(); err != nil || len(sessions) == 0 {
		return err
	}
	s := &e.step
	*s = step{engine: e, columns: columns, keep: keep, rows: s.rows[:0], parts: s.parts, balancer: s.balancer}
	total := 0
	for _, session := range sessions {
		n := session.pending()
		s.rows = append(s.rows, n)
		total += n
	}
	if s.deal(sessions, total) {
		e.workers[0].ws.Share(nil, nil)
		e.team.Do(len(s.parts), s)
		return nil
	}
	w := e.workers[0]
	w.ws.Share(e.team, e.mates)
	w.head.workers = e.workers[:e.team.Size()]
	w.propose(e, sessions, s)
	return nil
}

// step is a step whose documents are dealt to the threads whole.
type step struct {
	engine   *Engine
	columns  strategy.Columns
	keep     bool
	rows     []int        // of each session
	parts    [][]*Session // for a thread each
	balancer parallel.Balancer
}

// deal splits the sessions, in their order, into parts of like numbers of rows, and
// reports whether every thread has enough to do: with fewer rows a pass takes as long as
// its weights take to be read, and the threads share one, so that each is read once. A document that joins brings all its
// given rows at once, many times what others add.
func (s *step) deal(sessions []*Session, total int) bool {
	n := s.engine.team.Size()
	if n > 1 && (len(sessions) < n || total < s.engine.model.ShareRows()*n) {
		return false
	}
	for len(s.parts) < n {
		s.parts = append(s.parts, nil)
	}
	s.parts = s.parts[:n]
	for i := range s.parts {
		s.parts[i] = s.parts[i][:0]
	}
	most := 0
	load := 0
	for i, part := range s.balancer.Deal(s.rows, n) {
		s.parts[part] = append(s.parts[part], sessions[i])
	}
	for _, part := range s.parts {
		load = 0
		for _, session := range part {
			load += session.pending()
		}
		most = max(most, load)
	}
	return 2*most*n <= 3*total // nobody has more than half as much again as all have on average
}

// Piece computes a part of the sessions.
func (s *step) Piece(member, i int) {
	if len(s.parts[i]) == 0 {
		return
	}
	w := s.engine.workers[member]
	w.head.workers = s.engine.workers[member : member+1]
	w.propose(s.engine, s.parts[i], s)
}

// propose computes one pass.
func (w *worker) propose(e *Engine, sessions []*Session, step *step) {
	w.batch.Reset()
	for _, s := range sessions {
		s.rows += s.pending()
		s.calls++
		s.proposal, s.top = s.proposal[:0], s.top[:0]
		s.addRows(&w.batch)
	}
	final := w.ws.Forward(&w.batch)
	w.head.engine, w.head.columns = e, step.columns
	w.head.propose(final, sessions)
	at := 0
	for _, s := range sessions {
		n := len(s.wanted)
		switch {
		case s.task == toVerify:
			w.judge(s, final, at)
		case s.task == toCheck:
			w.looked(s, final, at)
		case step.keep:
			s.keep(final, at)
		}
		at += n
	}
}

// keep keeps the final rows of the proposal.
func (s *Session) keep(final kernels.Rows, at int) {
	hidden := s.engine.model.Config.Hidden
	s.hidden = growTo(s.hidden, len(s.wanted)*hidden)
	for i := range s.wanted {
		final.Float(s.hidden[i*hidden:(i+1)*hidden], at+i)
	}
}

// logProbOf returns the model's log-probability of a token at the i-th row of hidden.
func (e *Engine) logProbOf(hidden []float32, i int, token int32) float64 {
	n := e.model.Config.Hidden
	e.row.Resize(e.model.Type, 1, n)
	e.model.Kernels().Convert(e.row, kernels.NewMat(hidden[i*n:(i+1)*n], 1, n))
	return e.workers[0].ws.LogProb(e.row, 0, token)
}

func growTo(buf []float32, n int) []float32 {
	if cap(buf) < n {
		buf = kernels.Aligned(n)
	}
	return buf[:n]
}
