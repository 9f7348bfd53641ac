package decode

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
)

// wild does everything that the contract allows, chosen by the document's key, the step
// and its state. It fails a document that is shown something that cannot be.
type wild struct {
	window int
	docs   map[uint64]strategy.Document
}

const wildTop = 3

func (w *wild) Spec() strategy.Spec {
	return strategy.Spec{Name: "wild", Columns: strategy.ColumnAll, Top: wildTop, Window: w.window, Text: true}
}

func (w *wild) Begin(_ context.Context, docs []strategy.Document) error {
	if w.docs == nil {
		w.docs = make(map[uint64]strategy.Document)
	}
	for _, d := range docs {
		d.Open = slices.Clone(d.Open)
		d.Tokens = slices.Clone(d.Tokens)
		w.docs[d.ID] = d
	}
	return nil
}

func (w *wild) End(_ context.Context, ids []uint64) error {
	for _, id := range ids {
		delete(w.docs, id)
	}
	return nil
}

func (w *wild) Next(_ context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	if err := obs.Check(w.Spec()); err != nil {
		return nil, err
	}
	dec, failed := &strategy.Decision{}, make(map[uint64]error)
	for d, id := range obs.Doc {
		doc := w.docs[id]
		if err := sane(obs, d, doc); err != nil {
			failed[id] = err
			dec.Append(strategy.Choice{})
			continue
		}
		dec.Append(w.choose(obs, d, doc))
	}
	if len(failed) > 0 {
		return dec, &strategy.BatchError{Failed: failed}
	}
	return dec, nil
}

// sane reports an observation that contradicts itself.
func sane(obs *strategy.Observation, d int, doc strategy.Document) error {
	if want := stateAfter(obs.Step[d]); string(obs.StateOf(d)) != want {
		return fmt.Errorf("state %q in step %d, want %q", obs.StateOf(d), obs.Step[d], want)
	}
	blanks := 0
	for p, t := range obs.Known[d] {
		if t == strategy.NoToken {
			blanks++
		}
		if doc.Tokens[p] != strategy.NoToken && t != doc.Tokens[p] {
			return fmt.Errorf("the given token at %d changed from %d to %d", p, doc.Tokens[p], t)
		}
	}
	if blanks != int(obs.Remain[d]) {
		return fmt.Errorf("%d blanks, and %d remain", blanks, obs.Remain[d])
	}
	start, end := obs.Rows(d)
	for i := start; i < end; i++ {
		stands := obs.Known[d][obs.Position[i]]
		if (stands == strategy.NoToken) != (obs.KindOf(d) == strategy.Proposed) {
			return fmt.Errorf("position %d holds %d", obs.Position[i], stands)
		}
		if obs.KindOf(d) == strategy.Checked && obs.Token[i] != stands {
			return fmt.Errorf("position %d is checked for %d and holds %d", obs.Position[i], obs.Token[i], stands)
		}
		best := obs.TopLogProb[wildTop*i]
		if d := math.Exp(float64(best)) - float64(obs.MaxProb[i]); math.Abs(d) > 1e-6 {
			return fmt.Errorf("position %d: the likeliest token has %v, the largest probability is %v", obs.Position[i], best, obs.MaxProb[i])
		}
	}
	return nil
}

// stateAfter is the state that wild returned last before a step.
func stateAfter(step int32) string {
	if step < 3 {
		return ""
	}
	return "even " + strconv.Itoa(int(step-1)/2*2)
}

func (w *wild) choose(obs *strategy.Observation, d int, doc strategy.Document) strategy.Choice {
	step := obs.Step[d]
	key := doc.Key.With(uint64(seq.PurposeOrder), uint64(step), uint64(obs.KindOf(d)))
	var c strategy.Choice
	if step%2 == 0 && step > 0 {
		c.State = []byte("even " + strconv.Itoa(int(step)))
	}
	start, end := obs.Rows(d)
	rows := slices.Clone(obs.Position[start:end])
	seq.Shuffle(key, rows)
	some := rows[:1+key.Intn(1, len(rows))]
	var filled, open []int32
	for _, p := range doc.Open {
		if obs.Known[d][p] != strategy.NoToken {
			filled = append(filled, p)
		} else if !slices.Contains(some, p) {
			open = append(open, p)
		}
	}
	seq.Shuffle(key.With(2), filled)
	few := filled[:min(len(filled), 1+key.Intn(3, 2))]
	early := int(step) < len(doc.Open) // later it only fills: then it ends
	if obs.KindOf(d) == strategy.Checked {
		if early && key.Intn(4, 2) == 0 {
			c.Reopen = some[:1]
		}
		return c
	}
	kind := key.Intn(5, 10)
	if kind < 3 {
		c.Draft = some
		if kind == 0 {
			c.DraftToken = slices.Clone(some)
			for i := range c.DraftToken { // every second token is its own, one that a tiny vocabulary has and nobody bans
				c.DraftToken[i] = []int32{strategy.KeepToken, 1}[i%2]
			}
		}
	} else {
		c.Commit = some
	}
	switch {
	case kind < 7 && kind >= 3 && early && kind%2 == 0:
		c.Reopen = few
	case kind < 7 && kind >= 3 && early:
		c.Check = append(slices.Clone(few), some[0])
	case kind == 8 && len(open) > 0:
		c.Propose = open[:1+key.Intn(6, len(open))]
	case kind == 9:
		for i, p := range open {
			c.Bias = append(c.Bias, strategy.Bias{Position: p, Token: int32(i % 3), Value: []float32{1.5, float32(math.Inf(-1)), -2}[i%3]})
		}
	}
	return c
}
