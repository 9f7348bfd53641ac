package decode

import (
	"math"
	"slices"

	"github.com/any-order/a3/core/kernels"
	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// head turns the final rows of a pass into proposals. Logits exist for a chunk of the
// vocabulary at a time (see model.Workspace.Chunk): of each row and chunk it keeps the sums
// that a softmax is made of, and of each row the tokens that may be chosen. Sums are added
// up in the order of the chunks, whoever computed them.
type head struct {
	engine  *Engine
	workers []*worker // of the team's members, or one
	columns strategy.Columns

	// A block of rows.
	final kernels.Rows
	asks  []ask      // [rows]
	sums  []chunkSum // [rows][chunks]
	found []found    // [workers][rows]
	draws []draw
}

// ask is a blank position of a session and the row that predicts it.
type ask struct {
	session *Session
	i       int // index into what is wanted of the session
	allow   *TokenSet
	bias    []strategy.Bias // at the position, by ascending token
	own     model.Softmax   // of the model's own distribution
	logit   float32         // of the chosen token
	whole   bool            // the choice needs the logits of the whole vocabulary
}

func (a *ask) proposal() *Proposal { return &a.session.proposal[a.i] }

// uniform is the random number by which the token is drawn.
func (a *ask) uniform() float64 {
	s := a.session
	return s.key.With(uint64(s.wanted[a.i]), uint64(s.steps), uint64(seq.PurposeToken)).Uniform(0)
}

// chunkSum are sums over a chunk of the vocabulary.
type chunkSum struct {
	most, sum float32 // largest logit, and sum of exp(logit - most)
	moment    float32 // sum of exp(logit - most) * (logit - most), for the entropy

	// As most and sum, of the logits by which a token is drawn: without those that may
	// not stand there, and divided by the temperature.
	choiceMost, choice float32
}

// found is what a worker has found in the chunks that it computed.
type found struct {
	token         int32       // most probable of those that may be chosen; -1 = none
	best          float32     // its logit
	first, second float32     // the two largest of all logits
	top           []candidate // the likeliest of all
	candidates    candidates
}

// draw is a row whose token is drawn from a chunk.
type draw struct {
	row, chunk int
	u          float64 // uniform within the chunk
}

// propose computes the proposals of the sessions, whose query rows are those of final,
// in order.
func (h *head) propose(final kernels.Rows, sessions []*Session) {
	at := 0
	h.asks = h.asks[:0]
	for _, s := range sessions {
		for i, p := range s.wanted {
			h.asks = append(h.asks, ask{session: s, i: i, allow: s.doc.Allow[p], bias: s.biasAt(p), own: model.NewSoftmax()})
			s.proposal = append(s.proposal, Proposal{Position: p})
			if len(h.asks) == model.HeadRows {
				at += h.block(final, at)
			}
		}
	}
	h.block(final, at)
}

// block computes the proposals of h.asks, whose rows begin at row at, and returns their
// number.
func (h *head) block(final kernels.Rows, at int) int {
	n, e := len(h.asks), h.engine
	if n == 0 {
		return 0
	}
	h.final = final.Slice(at, at+n)
	chunks := e.model.Config.Chunks()
	h.sums = slices.Grow(h.sums[:0], n*chunks)[:n*chunks]
	h.found = slices.Grow(h.found[:0], n*len(h.workers))[:n*len(h.workers)]
	for i := range h.found {
		f := &h.found[i]
		f.token, f.best, f.first, f.second = -1, negInf, negInf, negInf
		f.top = f.top[:0]
		f.candidates.reset()
	}
	if len(h.workers) > 1 {
		e.team.Do(chunks, h)
	} else {
		for c := range chunks {
			h.Piece(0, c)
		}
	}
	h.finish()
	h.asks = h.asks[:0]
	return n
}

// Piece gathers what is kept of a chunk of the vocabulary, for all rows.
func (h *head) Piece(member, chunk int) {
	w, n, chunks := h.workers[member], len(h.asks), h.engine.model.Config.Chunks()
	logits, first := w.ws.Chunk(h.final, chunk)
	for r := range h.asks {
		part := part{logits.Row(r), chunk, first, h.asks[r].allow, h.asks[r].bias}
		w.sampler.gather(&h.sums[r*chunks+chunk], &h.found[member*n+r], part, h.columns)
	}
}

// finish makes proposals of what was gathered.
func (h *head) finish() {
	e, s := h.engine, &h.workers[0].sampler
	chunks := e.model.Config.Chunks()
	h.draws = h.draws[:0]
	for r := range h.asks {
		a, sums, f := &h.asks[r], h.sums[r*chunks:(r+1)*chunks], h.merged(r)
		for i := range sums {
			a.own.Add(sums[i].most, sums[i].sum)
		}
		p := a.proposal()
		switch e.choice {
		case chooseBest:
			p.Token, a.logit = f.token, f.best
		case chooseChunk:
			chunk, u := chunkAt(sums, a.uniform())
			h.draws = append(h.draws, draw{r, chunk, u})
		case chooseCandidate:
			var ok bool
			p.Token, a.logit, ok = s.fromCandidates(&f.candidates, sums, a.uniform())
			a.whole = !ok
		case chooseWhole:
			a.whole = true
		}
		if e.options.Regroup != RegroupPublished {
			a.describe(f, sums, h.columns)
		}
		a.session.addTop(f, a.own.Log())
	}
	h.draw()
	h.computeWhole()
	for r := range h.asks {
		a := &h.asks[r]
		h.unbias(a, r)
		p, logit := a.proposal(), float64(a.logit)
		p.log = a.own.Log()
		p.LogProb = logit - p.log
		if e.options.Regroup != RegroupPublished {
			p.Prob = float32(math.Exp(logit-a.own.Max) / a.own.Sum)
		}
	}
}

// merged returns what all workers found for a row.
func (h *head) merged(r int) *found {
	f := &h.found[r]
	for m := 1; m < len(h.workers); m++ {
		g := &h.found[m*len(h.asks)+r]
		if g.best > f.best || g.best == f.best && g.token >= 0 && g.token < f.token {
			f.token, f.best = g.token, g.best
		}
		f.first, f.second = max(f.first, g.first), max(f.second, g.second, min(f.first, g.first))
		f.top = append(f.top, g.top...)
		f.candidates.join(&g.candidates)
	}
	return f
}

// unbias brings the logit of a token that was chosen under a bias to the model's own. It
// takes back a token that nothing but the lack of another put there.
func (h *head) unbias(a *ask, r int) {
	if len(a.bias) == 0 {
		return
	}
	p, e := a.proposal(), h.engine
	if p.Token < 0 || isBannedBy(a.bias, p.Token) || !e.allowed(a.session.doc, p.Position, p.Token) {
		p.Token, a.logit = -1, negInf
		return
	}
	chunk, first := e.model.Config.ChunkOf(int(p.Token))
	logits, _ := h.workers[0].ws.Chunk(h.final.Slice(r, r+1), chunk)
	a.logit = logits.Row(0)[int(p.Token)-first]
}

// describe fills the columns of a proposal that its token does not change.
func (a *ask) describe(f *found, sums []chunkSum, columns strategy.Columns) {
	p := a.proposal()
	p.MaxProb = float32(1 / a.own.Sum)
	if columns&strategy.ColumnMargin != 0 {
		p.Margin = float32((1 - math.Exp(float64(f.second)-a.own.Max)) / a.own.Sum)
	}
	if columns&strategy.ColumnEntropy != 0 {
		var t float64 // sum of e log e, e = exp(logit - Max)
		for i := range sums {
			d := float64(sums[i].most) - a.own.Max
			t += math.Exp(d) * (float64(sums[i].moment) + d*float64(sums[i].sum))
		}
		p.Entropy = float32(math.Log(a.own.Sum) - t/a.own.Sum)
	}
}

// draw computes the chunks again from which tokens are drawn, one row after the other
// that draws from the same: they read the same weights.
func (h *head) draw() {
	slices.SortFunc(h.draws, func(a, b draw) int {
		if a.chunk != b.chunk {
			return a.chunk - b.chunk
		}
		return a.row - b.row
	})
	w := h.workers[0]
	for _, d := range h.draws {
		a := &h.asks[d.row]
		logits, first := w.ws.Chunk(h.final.Slice(d.row, d.row+1), d.chunk)
		i := w.sampler.fromChunk(part{logits.Row(0), d.chunk, first, a.allow, a.bias}, d.u)
		a.proposal().Token, a.logit = int32(first+i), logits.Row(0)[i]
	}
}

// wholeRows is how many rows of logits exist at a time over the whole vocabulary: a
// product of so few rows takes the time of one.
const wholeRows = 16

// computeWhole chooses the tokens that need the logits of the whole vocabulary.
func (h *head) computeWhole() {
	w, vocab := h.workers[0], h.engine.model.Config.Vocab
	for from := 0; from < len(h.asks); from += wholeRows {
		asks := h.asks[from:min(from+wholeRows, len(h.asks))]
		if !slices.ContainsFunc(asks, func(a ask) bool { return a.whole }) {
			continue
		}
		w.whole = slices.Grow(w.whole[:0], len(asks)*vocab)[:len(asks)*vocab]
		for c := range h.engine.model.Config.Chunks() {
			logits, first := w.ws.Chunk(h.final.Slice(from, from+len(asks)), c)
			for r := range asks {
				copy(w.whole[r*vocab+first:], logits.Row(r))
			}
		}
		for r := range asks {
			if a := &asks[r]; a.whole {
				w.sampler.fromWhole(a, w.whole[r*vocab:(r+1)*vocab], h.columns)
			}
		}
	}
}
