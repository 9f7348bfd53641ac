// Package revise fills wide and thinks again: it commits all tokens of which the model is
// fairly sure, looks at each of them given everything but itself, and makes blank again
// what does not hold. It is the wide-in, narrow-out decoding of WINO (arXiv 2507.18578),
// with the query stream as the leave-one-out head: no shadow tokens are needed, and
// nothing that a look sees has seen the token.
//
// A step reopens fewer tokens than it committed, so a document always gets on; and looks
// end when the budget of the contract would.
package revise

import (
	"encoding/binary"
	"slices"

	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameters.
func Info() sdk.Info {
	return sdk.Info{
		Name: "revise", Version: "1.0.0",
		Doc: "Commits what the model is fairly sure of, looks at it again given all else, and reopens what does not hold.",
		Params: []sdk.Param{
			sdk.Float("threshold", 0.6, 0, 1, "commit all with at least this probability, and at least the surest"),
			sdk.Float("back", 0.3, 0, 1, "reopen what has less than this probability given all else"),
			sdk.Int("most", 8, 1, 64, "positions committed a step; each costs a pass to look at again"),
		},
	}
}

// New returns the strategy.
func New(p sdk.Params) (sdk.Instance, error) {
	r := reviser{threshold: float32(p.Float("threshold")), back: float32(p.Float("back")), most: p.Int("most")}
	spec := strategy.Spec{Name: "revise", Columns: strategy.ColumnProb}
	if r.most > strategy.DefaultWindow {
		spec.Window = r.most
	}
	return sdk.Stepwise(spec, r.decide), nil
}

type reviser struct {
	threshold, back float32
	most            int
}

// memory is the state of a document: units of its budget that are spent, and the number of
// positions that the last step committed.
type memory struct{ spent, committed uint32 }

func recall(state []byte) (m memory) {
	if len(state) == 8 {
		m.spent, m.committed = binary.LittleEndian.Uint32(state), binary.LittleEndian.Uint32(state[4:])
	}
	return m
}

func (m memory) state() []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, m.spent), m.committed)
}

func (r reviser) decide(v sdk.View) strategy.Choice {
	m := recall(v.State)
	if v.Kind == strategy.Checked {
		return r.reopen(v, m)
	}
	sure := sdk.Descending(nil, v.Prob)
	n := 1
	for n < len(sure) && n < r.most && v.Prob[sure[n]] >= r.threshold {
		n++
	}
	c := v.Commit(sure[:n])
	// A look costs a unit a position, and reopening or being content at most as many.
	if cost := m.spent + uint32(2*n); n > 1 && int(cost) <= strategy.Budget(len(v.Document.Open)) {
		m.spent, m.committed = m.spent+uint32(n), uint32(n)
		c.Check, c.State = c.Commit, m.state()
	}
	return c
}

// reopen takes back the checked tokens that hold least, fewer than were committed.
func (r reviser) reopen(v sdk.View, m memory) strategy.Choice {
	var c strategy.Choice
	least := sdk.Descending(nil, v.Prob)
	slices.Reverse(least)
	for _, row := range least[:min(len(least), int(m.committed)-1)] {
		if v.Prob[row] < r.back {
			c.Reopen = append(c.Reopen, v.Position[row])
		}
	}
	slices.Sort(c.Reopen)
	m.spent += uint32(len(c.Reopen)) + 1
	c.State = m.state()
	return c
}
