package decode

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/any-order/a3/core/model"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// Document is what a session fills.
type Document struct {
	Key    uint64              // names the document's random numbers
	Canvas *seq.Canvas         // not changed
	Allow  map[int32]*TokenSet // narrows the choice at blank positions
	Tag    any                 // the caller's; comes back with the result
}

// Session is a document being filled. It belongs to one goroutine at a time.
type Session struct {
	engine *Engine
	doc    *Document
	key    seq.Key // of the document's random numbers

	tokens []int32 // [N]
	blank  []bool  // [N]
	open   int     // blanks left

	// Known tokens in generation order: rank -> position, and how many ranks the token
	// sees (up to the end of its group). The first encoded ranks are in the cache; the
	// others run with the next proposal, so those of the last group never do.
	sequence []int32
	end      []int32
	cache    *model.Cache // nil if nothing is kept

	logProb []float64 // [N] of committed tokens
	commit  []int32   // [N] index of its group; -1 = given or blank
	groups  [][]int32 // positions of each commit, in order: parts of sequence

	task     task            // of the next pass
	wanted   []int32         // positions of its query rows; ascending, but for those of a draft
	proposal []Proposal      // beside wanted, once computed
	top      []Top           // [len(wanted), engine.top] likeliest tokens of each
	hidden   []float32       // [len(wanted), H] final rows, to score other tokens; only if there may be any
	chosen   []chosen        // of a commit
	bias     []strategy.Bias // of the proposal, by ascending position
	draft    draft
	check    check

	steps, calls, rows int  // decisions, passes, rows of passes
	reopened           int  // positions
	stale, rescored    bool // log-probabilities of tokens that were predicted from reopened ones
	checked            bool // the proposal is of filled positions

	events []Event // with Options.Trace
}

// task says what a pass computes for a session.
type task uint8

const (
	toPropose task = iota // the distributions of blank positions
	toVerify              // those of a draft's positions, each given the ones before
	toCheck               // that of a filled position, given all others
)

// Proposal is what the model says of a blank position. Probabilities are the model's
// own at temperature 1 over the whole vocabulary; with RegroupPublished they are those
// left by temperature and filters.
type Proposal struct {
	Position int32
	Token    int32   // sampled, or the most probable one
	Prob     float32 // of Token
	MaxProb  float32
	Entropy  float32 // nats
	Margin   float32 // largest minus second largest probability
	LogProb  float64 // of Token, always the model's own

	log float64 // of the denominator of the model's own softmax
}

// Top is one of the likeliest tokens of a position.
type Top struct {
	Token   int32   // strategy.NoToken if the vocabulary has no more
	LogProb float32 // the model's own
}

// chosen is a token to commit.
type chosen struct {
	position, token int32
	logProb         float64
}

// NewSession starts a document: its given tokens are known, nothing is computed.
func (e *Engine) NewSession(doc *Document) (*Session, error) {
	c := doc.Canvas
	if err := c.Validate(e.model.Config.Vocab); err != nil {
		return nil, err
	}
	if n := c.Len(); n == 0 || n > e.model.Config.MaxPositions {
		return nil, fmt.Errorf("document has %d positions; the model takes 1 to %d: cut it or use a model with a longer context", n, e.model.Config.MaxPositions)
	}
	for p, set := range doc.Allow {
		if !e.leavesChoice(set) {
			return nil, fmt.Errorf("position %d may take no token: those allowed there are all banned", p)
		}
	}
	n := c.Len()
	s := &Session{
		engine: e, doc: doc, key: seq.NewKey(e.options.Seed, doc.Key, e.options.Sample),
		tokens: slices.Clone(c.Tokens), blank: slices.Clone(c.Blank),
		sequence: make([]int32, 0, n), end: make([]int32, 0, n),
		logProb: make([]float64, n), commit: make([]int32, n),
	}
	for p, blank := range s.blank {
		s.commit[p] = -1
		if blank {
			s.open++
			continue
		}
		s.sequence = append(s.sequence, int32(p))
		s.end = append(s.end, int32(len(s.sequence)))
	}
	if e.options.Given == order.GivenGroup {
		for i := range s.end {
			s.end[i] = int32(len(s.sequence))
		}
	}
	s.groups = make([][]int32, 0, s.open)
	if !e.options.NoCache && e.options.Regroup != RegroupPublished {
		s.cache = e.acquireCache(n)
	}
	return s, nil
}

// Done reports whether nothing is left to fill.
func (s *Session) Done() bool { return s.open == 0 || s.stopped() }

// stopped reports whether the stop token is known and no blank stands before it.
func (s *Session) stopped() bool {
	if s.engine.options.StopAt < 0 {
		return false
	}
	for p, blank := range s.blank {
		if blank {
			return false
		}
		if s.tokens[p] == s.engine.options.StopAt {
			return true
		}
	}
	return false
}

// Want names the blank positions of the next proposal. No position means the first
// window blanks.
func (s *Session) Want(positions []int32, window int) {
	s.task, s.checked = toPropose, false
	s.wanted = s.wanted[:0]
	s.proposal = s.proposal[:0]
	if len(positions) > 0 {
		s.wanted = append(s.wanted, positions...)
		slices.Sort(s.wanted)
		return
	}
	for p := 0; p < len(s.blank) && len(s.wanted) < window; p++ {
		if s.blank[p] {
			s.wanted = append(s.wanted, int32(p))
		}
	}
}

// Bias adds to the logits of tokens when one is chosen in the next proposal, and in a
// draft of it. Minus infinity bans a token.
func (s *Session) Bias(bias []strategy.Bias) {
	s.bias = append(s.bias[:0], bias...)
	slices.SortFunc(s.bias, func(a, b strategy.Bias) int {
		if a.Position != b.Position {
			return int(a.Position) - int(b.Position)
		}
		return int(a.Token) - int(b.Token)
	})
}

// biasAt returns the entries of one position, by ascending token.
func (s *Session) biasAt(p int32) []strategy.Bias {
	first, _ := slices.BinarySearchFunc(s.bias, p, func(b strategy.Bias, p int32) int { return int(b.Position) - int(p) })
	last := first
	for last < len(s.bias) && s.bias[last].Position == p {
		last++
	}
	return s.bias[first:last]
}

// Proposal returns what Engine.Propose computed for the wanted positions, ascending.
// It is valid until the next Want.
func (s *Session) Proposal() []Proposal { return s.proposal }

// encoded returns how many ranks need no content row any more.
func (s *Session) encoded() int {
	if s.cache == nil {
		return 0
	}
	return s.cache.Len()
}

// pending returns the number of rows that the next pass computes.
func (s *Session) pending() int {
	content := len(s.sequence) - s.encoded()
	switch s.task {
	case toVerify:
		content += len(s.wanted) // the draft but for its last token
	case toCheck:
		content--
	}
	return content + len(s.wanted)
}

// addRows appends the session's rows to a batch: content rows of known tokens that are
// not encoded yet, and a query row for every wanted position.
func (s *Session) addRows(b *model.Batch) {
	switch s.task {
	case toVerify:
		s.addDraft(b)
		return
	case toCheck:
		s.addCheck(b)
		return
	}
	known := len(s.sequence)
	first := s.encoded()
	if s.engine.options.Regroup == RegroupPublished {
		for p, blank := range s.blank { // one group, by ascending position
			if !blank {
				b.Token = append(b.Token, s.tokens[p])
				b.ContentPos = append(b.ContentPos, int32(p))
				b.ContentEnd = append(b.ContentEnd, int32(known))
			}
		}
	} else {
		s.addKnown(b, first, known)
	}
	for _, p := range s.wanted {
		b.QueryPos = append(b.QueryPos, p)
		b.QueryEnd = append(b.QueryEnd, int32(known))
	}
	b.Segments = append(b.Segments, model.Segment{Content: known - first, Keys: known - first, Query: len(s.wanted), Cache: s.cache})
}

// addKnown appends the content rows of the ranks from first to last.
func (s *Session) addKnown(b *model.Batch, first, last int) {
	for r := first; r < last; r++ {
		b.Token = append(b.Token, s.tokens[s.sequence[r]])
		b.ContentPos = append(b.ContentPos, s.sequence[r])
		b.ContentEnd = append(b.ContentEnd, s.end[r])
	}
}

// Commit makes proposed positions known, as one group. token may name others than the
// proposed tokens; strategy.KeepToken, or a nil slice, keeps those. After an error
// nothing is committed.
func (s *Session) Commit(positions, token []int32) error {
	if len(positions) == 0 {
		return errors.New("no position to commit")
	}
	s.chosen = s.chosen[:0]
	for i, p := range positions {
		at, ok := slices.BinarySearch(s.wanted, p)
		if !ok || len(s.proposal) == 0 || !s.blank[p] || s.task != toPropose {
			return fmt.Errorf("position %d was not proposed", p)
		}
		c := chosen{p, s.proposal[at].Token, s.proposal[at].LogProb}
		if token != nil && token[i] >= 0 && token[i] != c.token {
			if int(token[i]) >= s.engine.model.Config.Vocab {
				return fmt.Errorf("position %d: token %d is outside the vocabulary of %d", p, token[i], s.engine.model.Config.Vocab)
			}
			c.token = token[i]
			c.logProb = s.engine.logProbOf(s.hidden, at, c.token)
		}
		if err := c.check(); err != nil {
			return err
		}
		s.chosen = append(s.chosen, c)
	}
	// Within a group keys stand by ascending position.
	slices.SortFunc(s.chosen, func(a, b chosen) int { return int(a.position) - int(b.position) })
	for i := range s.chosen[1:] {
		if p := s.chosen[i].position; p == s.chosen[i+1].position {
			return fmt.Errorf("position %d is committed twice", p)
		}
	}
	s.noteGroup(Committed, s.chosen)
	s.fill(s.chosen)
	s.steps++
	s.spend()
	return nil
}

// check reports a token that cannot be committed.
func (c *chosen) check() error {
	if math.IsNaN(c.logProb) {
		return fmt.Errorf("position %d: the model's probability of token %d is not a number", c.position, c.token)
	}
	if c.token < 0 {
		return fmt.Errorf("position %d may take no token: all are banned there", c.position)
	}
	return nil
}

// fill makes tokens known, as one group, by ascending position.
func (s *Session) fill(group []chosen) {
	known := len(s.sequence)
	for _, c := range group {
		p := c.position
		s.tokens[p], s.blank[p] = c.token, false
		s.logProb[p], s.commit[p] = c.logProb, int32(len(s.groups))
		s.sequence = append(s.sequence, p)
	}
	for range group {
		s.end = append(s.end, int32(len(s.sequence)))
	}
	s.groups = append(s.groups, slices.Clip(s.sequence[known:]))
	s.open -= len(group)
}

// spend forgets a proposal that was decided on.
func (s *Session) spend() {
	s.task, s.checked = toPropose, false
	s.wanted = s.wanted[:0]
	s.proposal = s.proposal[:0]
	s.bias = s.bias[:0]
}

// Result is a filled document. Columns have one entry a position.
type Result struct {
	Document *Document
	Tokens   []int32   // [N]
	LogProb  []float64 // [N] of filled positions: the model's own, in nats, under Groups
	Order    []int32   // [N] index of its group; -1 = given, or blank still
	Groups   [][]int32 // positions committed together, in order

	Steps      int  // decisions
	ModelCalls int  // forward passes the document took part in
	Rows       int  // rows computed for it
	Reopened   int  // positions that were filled and made blank again, counted each time
	Rescored   bool // LogProb was computed again in the end, under Groups, since tokens were reopened

	Events []Event // with Options.Trace: what happened, in order

	Err error // why the document was not filled; the columns hold what there was
}

// Result returns what has been filled so far. The slices are the session's.
func (s *Session) Result() *Result {
	return &Result{
		Document: s.doc, Tokens: s.tokens, LogProb: s.logProb, Order: s.commit, Groups: s.groups,
		Steps: s.steps, ModelCalls: s.calls, Rows: s.rows,
		Reopened: s.reopened, Rescored: s.rescored, Events: s.events,
	}
}

// Close gives the session's cache back to the engine.
func (s *Session) Close() {
	if s.cache != nil {
		s.engine.releaseCache(s.cache)
		s.cache = nil
	}
}
