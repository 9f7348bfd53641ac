package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/core/strategy"
)

// count is how many of some things are the same.
type count struct{ same, of int }

func (c count) String() string {
	if c.of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %% of %d", percent(c.same, c.of), c.of)
}

func (c *count) add(same bool) {
	c.of++
	if same {
		c.same++
	}
}

// agree adds the tables of the agreement, one a share.
func (l *lab) agree(ctx context.Context, b *strings.Builder, a *agreement) error {
	for _, t := range l.tasks {
		fmt.Fprintf(b, "\n%d %% blanked:\n\n| strategy | groups within the bound | beyond it | sequential | tokens | documents |\n| --- | --- | --- | --- | --- | --- |\n", t.share)
		for _, p := range a.Pairs {
			ours, err := l.measure(ctx, p.Strategy, t, 0)
			if err != nil {
				return err
			}
			theirs, err := l.measure(ctx, p.As, t, 0)
			if err != nil {
				return err
			}
			within, beyond, err := l.refill(ctx, t, ours.results)
			if err != nil {
				return fmt.Errorf("strategy %s: %w", p.Strategy, err)
			}
			tokens, documents := equal(ours.results, theirs.results)
			fmt.Fprintf(b, "| `%s` | %s | %s | `%s` | %s | %s |\n", p.Strategy, within, beyond, p.As, tokens, documents)
		}
	}
	return nil
}

// equal counts the filled tokens, and the documents, that are the same in two outcomes.
func equal(a, b []*decode.Result) (tokens, documents count) {
	for i, r := range a {
		documents.add(slices.Equal(r.Tokens, b[i].Tokens))
		for p, group := range r.Order {
			if group >= 0 {
				tokens.add(r.Tokens[p] == b[i].Tokens[p])
			}
		}
	}
	return tokens, documents
}

// move is a step of filling a document again: positions are filled, with the likeliest
// tokens or, if keep says so, with those of the result; then reopen becomes blank.
type move struct {
	group     int
	positions []int32
	keep      bool
	reopen    []int32
}

// moves fills the groups of a result again. One of several positions is first filled one
// at a time, from left to right and from right to left.
func moves(groups [][]int32) []move {
	var list []move
	for g, group := range groups {
		if len(group) > 1 {
			for range 2 {
				for _, p := range group {
					list = append(list, move{group: g, positions: []int32{p}})
				}
				list[len(list)-1].reopen = groups[g]
				group = slices.Clone(group)
				slices.Reverse(group)
			}
		}
		list = append(list, move{group: g, positions: groups[g], keep: true})
	}
	return list
}

// refill counts the groups of several positions that are filled alike one at a time, in
// both directions, given what was known before the group: of those within the bound of
// theorem 1 (every probability above 1 - 1/(n+1) in a group of n), and of the others.
func (l *lab) refill(ctx context.Context, t *task, results []*decode.Result) (within, beyond count, err error) {
	engine, err := l.engine(0)
	if err != nil {
		return within, beyond, err
	}
	var docs []*replay
	for i, r := range results {
		s, err := engine.NewSession(&decode.Document{Key: uint64(i), Canvas: t.canvases[i]})
		if err != nil {
			return within, beyond, err
		}
		defer s.Close()
		docs = append(docs, &replay{session: s, result: r, moves: moves(r.Groups), differs: make([]bool, len(r.Groups))})
	}
	for {
		var active []*decode.Session
		for _, d := range docs {
			if len(d.moves) > 0 {
				d.session.Want(d.moves[0].positions, 0)
				active = append(active, d.session)
			}
		}
		if len(active) == 0 {
			break
		}
		if err := engine.Propose(ctx, active, strategy.ColumnToken); err != nil {
			return within, beyond, err
		}
		for _, d := range docs {
			if len(d.moves) == 0 {
				continue
			}
			if err := d.move(); err != nil {
				return within, beyond, err
			}
		}
	}
	for _, d := range docs {
		for g, group := range d.result.Groups {
			switch {
			case len(group) < 2:
			case d.bounded(group):
				within.add(!d.differs[g])
			default:
				beyond.add(!d.differs[g])
			}
		}
	}
	return within, beyond, nil
}

// replay is a document that is filled again.
type replay struct {
	session *decode.Session
	result  *decode.Result
	moves   []move
	differs []bool // by group: one at a time, something else comes out
}

// move does what was proposed for the next move.
func (d *replay) move() error {
	m := d.moves[0]
	d.moves = d.moves[1:]
	var tokens []int32
	for _, p := range d.session.Proposal() {
		token := d.result.Tokens[p.Position]
		if m.keep {
			tokens = append(tokens, token)
		} else if p.Token != token {
			d.differs[m.group] = true
		}
	}
	if err := d.session.Commit(m.positions, tokens); err != nil {
		return err
	}
	return d.session.Reopen(m.reopen)
}

// bounded says whether a group is within the bound.
func (d *replay) bounded(group []int32) bool {
	least := math.Inf(1)
	for _, p := range group {
		least = min(least, d.result.LogProb[p])
	}
	return float64(len(group)+1)*(1-math.Exp(least)) < 1
}
