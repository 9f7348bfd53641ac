package strategy

import (
	"fmt"
	"math"
	"slices"
)

// Ledger is what the rules must know of one document from decision to decision: which
// of its blanks are filled, and what is left of its budget. Everyone who holds a
// strategy to the contract keeps one.
type Ledger struct {
	id     uint64
	open   []int32 // the blanks at the introduction, ascending
	filled []bool  // beside open
	left   int     // open positions
	budget int
	draft  []int32 // of the last decision; how much was kept is not known yet
}

// Budget returns the units that a document with so many blanks has: four a blank and
// sixteen more. Each position reopened or checked costs one, and so does each decision that
// fills nothing. So a document takes at most its blanks, the reopened positions and the
// budget in decisions, whatever the strategy does.
func Budget(blanks int) int { return 4*blanks + 16 }

// NewLedger returns the ledger of a document of which nothing is filled.
func NewLedger(id uint64, open []int32) *Ledger {
	return &Ledger{
		id: id, open: slices.Clone(open), filled: make([]bool, len(open)),
		left: len(open), budget: Budget(len(open)),
	}
}

// Open reports whether a position is open.
func (l *Ledger) Open(p int32) bool {
	i, ok := slices.BinarySearch(l.open, p)
	return ok && !l.filled[i]
}

// Filled reports whether a position was filled by the strategy.
func (l *Ledger) Filled(p int32) bool {
	i, ok := slices.BinarySearch(l.open, p)
	return ok && l.filled[i]
}

// Observe takes what the d-th document of an observation tells about the draft before:
// it comes first.
func (l *Ledger) Observe(o *Observation, d int) {
	if len(l.draft) == 0 {
		return
	}
	l.fill(l.draft[:max(min(o.AcceptedOf(d)+1, len(l.draft)), 0)]) // the first that is refused is drawn anew
	l.draft = l.draft[:0]
}

// Apply notes a choice that keeps the rules.
func (l *Ledger) Apply(c Choice) {
	l.fill(c.Commit)
	for _, p := range c.Reopen {
		if i, ok := slices.BinarySearch(l.open, p); ok && l.filled[i] {
			l.filled[i] = false
			l.left++
		}
	}
	l.draft = append(l.draft[:0], c.Draft...)
	l.budget -= cost(c)
}

func (l *Ledger) fill(positions []int32) {
	for _, p := range positions {
		if i, ok := slices.BinarySearch(l.open, p); ok && !l.filled[i] {
			l.filled[i] = true
			l.left--
		}
	}
}

func cost(c Choice) int {
	n := len(c.Reopen) + len(c.Check)
	if len(c.Commit) == 0 && len(c.Draft) == 0 {
		n++
	}
	return n
}

// Check holds the choice about the d-th document of an observation, which Observe has
// seen, to the rules. vocab is the number of token ids, 0 if unknown. The error is a
// *Violation.
func (l *Ledger) Check(name string, o *Observation, d int, c Choice, vocab int32) error {
	k := check{
		Ledger: l, name: name, step: o.Step[d], choice: c, vocab: vocab,
		committed: ascending(c.Commit), reopened: ascending(c.Reopen),
	}
	start, end := o.Rows(d)
	if o.KindOf(d) == Proposed {
		k.rows = o.Position[start:end]
	}
	err := k.progress(o.KindOf(d))
	if err == nil && len(c.Commit) > 0 {
		err = k.commits()
	}
	if err == nil && len(c.Draft) > 0 {
		err = k.drafts()
	}
	if err == nil && len(c.Reopen) > 0 {
		err = k.once(RuleReopen, k.reopened, "reopened", k.Filled, "was not filled before")
	}
	if err == nil && len(c.Check) > 0 {
		err = k.checks()
	}
	if err == nil && len(c.Propose) > 0 {
		err = k.once(RuleOpen, ascending(c.Propose), "proposed", k.opens, "is not open")
	}
	if err == nil && len(c.Bias) > 0 {
		err = k.biases()
	}
	if err == nil && len(c.State) > MaxState {
		err = k.broken(RuleState, "%d bytes in step %d", len(c.State), k.step)
	}
	return err
}

// ascending returns the list in ascending order: itself, if it is.
func ascending(list []int32) []int32 {
	if slices.IsSorted(list) {
		return list
	}
	return slices.Sorted(slices.Values(list))
}

// check is one call of Ledger.Check.
type check struct {
	*Ledger
	name   string
	step   int32
	rows   []int32 // proposed positions
	choice Choice
	vocab  int32

	committed, reopened []int32 // those of the choice, ascending
}

func has(sorted []int32, p int32) bool {
	_, ok := slices.BinarySearch(sorted, p)
	return ok
}

func (k *check) broken(rule Rule, format string, args ...any) error {
	return &Violation{Strategy: k.name, Document: k.id, Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

func (k *check) progress(kind Kind) error {
	c := &k.choice
	nothing := len(c.Commit)+len(c.Reopen)+len(c.Draft)+len(c.Check)+len(c.Propose)+len(c.Bias) == 0
	if nothing && kind != Checked {
		return k.broken(RuleProgress, "nothing is done in step %d", k.step)
	}
	if n := cost(*c); n > k.budget {
		return k.broken(RuleBudget, "step %d costs %d, and %d are left of %d", k.step, n, k.budget, Budget(len(k.open)))
	}
	return nil
}

// once reports the first position of an ascending list that want refuses, or that occurs
// twice.
func (k *check) once(rule Rule, list []int32, verb string, want func(p int32) bool, otherwise string) error {
	for i, p := range list {
		if i > 0 && p == list[i-1] {
			return k.broken(rule, "position %d is %s twice in step %d", p, verb, k.step)
		}
		if !want(p) {
			return k.broken(rule, "position %d %s in step %d", p, otherwise, k.step)
		}
	}
	return nil
}

func (k *check) proposed(p int32) bool { return has(k.rows, p) }

func (k *check) tokens(positions, token []int32) error {
	for i, t := range token {
		if t != KeepToken && (t < 0 || k.vocab > 0 && t >= k.vocab) {
			return k.broken(RuleToken, "token %d at position %d, the vocabulary has %d", t, positions[i], k.vocab)
		}
	}
	return nil
}

func (k *check) commits() error {
	if err := k.once(RuleProposed, k.committed, "committed", k.proposed, "was not proposed"); err != nil {
		return err
	}
	return k.tokens(k.choice.Commit, k.choice.Token)
}

func (k *check) drafts() error {
	c := &k.choice
	if len(c.Commit)+len(c.Reopen)+len(c.Check) > 0 {
		return k.broken(RuleDraft, "positions are committed, reopened or checked beside a draft in step %d", k.step)
	}
	if err := k.once(RuleDraft, ascending(c.Draft), "drafted", k.proposed, "was not proposed"); err != nil {
		return err
	}
	return k.tokens(c.Draft, c.DraftToken)
}

func (k *check) checks() error {
	c := &k.choice
	if len(c.Check) > 0 && len(c.Propose)+len(c.Bias) > 0 {
		return k.broken(RuleCheck, "positions are proposed or biased beside a check in step %d: the next rows are the checked ones", k.step)
	}
	return k.once(RuleCheck, ascending(c.Check), "checked", func(p int32) bool {
		return (k.Filled(p) || has(k.committed, p)) && !has(k.reopened, p)
	}, "is not filled")
}

// opens says whether a position is open once the decision is applied.
func (k *check) opens(p int32) bool {
	return k.Open(p) && !has(k.committed, p) || has(k.reopened, p)
}

func (k *check) biases() error {
	if n := len(k.choice.Bias); n > MaxBias {
		return k.broken(RuleBias, "%d entries in step %d, more than %d", n, k.step, MaxBias)
	}
	for _, b := range k.choice.Bias {
		switch {
		case !k.opens(b.Position):
			return k.broken(RuleBias, "position %d is not open in step %d", b.Position, k.step)
		case b.Token < 0 || k.vocab > 0 && b.Token >= k.vocab:
			return k.broken(RuleBias, "token %d at position %d, the vocabulary has %d", b.Token, b.Position, k.vocab)
		case math.IsNaN(float64(b.Value)) || math.IsInf(float64(b.Value), 1):
			return k.broken(RuleBias, "a bias of %v at position %d", b.Value, b.Position)
		}
	}
	return nil
}
