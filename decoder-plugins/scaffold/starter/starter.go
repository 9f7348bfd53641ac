// Package starter is a decode strategy: it commits all tokens of which the model is sure
// enough, and at least the surest one.
package starter

import (
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameters. Users set them with
// --strategy starter:sure=0.8; wrong values are refused before New is called.
func Info() sdk.Info {
	return sdk.Info{
		Name: "starter", Version: "0.1.0",
		Doc:    "Commits what the model is sure of, and at least one token a step.",
		Params: []sdk.Param{sdk.Float("sure", 0.9, 0, 1, "commit all tokens with at least this probability")},
	}
}

// New returns the strategy: what it wants to see, and how it decides.
func New(p sdk.Params) (sdk.Instance, error) {
	sure := float32(p.Float("sure"))
	spec := strategy.Spec{Name: "starter", Columns: strategy.ColumnProb}
	return sdk.Stepwise(spec, func(v sdk.View) strategy.Choice { return decide(v, sure) }), nil
}

// decide looks at one document: v.Position are the blanks that the engine proposes to
// fill, v.Prob how sure the model is of its token for each.
func decide(v sdk.View, sure float32) strategy.Choice {
	best := 0
	for row := range v.Position {
		if v.Prob[row] > v.Prob[best] { // ties go to the lowest position
			best = row
		}
	}
	var c strategy.Choice
	for row, position := range v.Position {
		if row == best || v.Prob[row] >= sure {
			c.Commit = append(c.Commit, position)
		}
	}
	return c
}
