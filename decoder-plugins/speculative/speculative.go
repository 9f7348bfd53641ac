// Package speculative fills blanks from left to right, several at a time, with exactly the
// distribution of filling them one at a time: any-subset speculative decoding (arXiv
// 2504.20456, after Leviathan et al., arXiv 2211.17192).
//
// One pass drafts the next blanks independently of each other, a second one verifies them
// in order: the engine keeps the tokens that the sequential distribution would have
// drawn, by acceptance and rejection, and draws the first that fails anew. The draft is
// the model's own, so its first token always stays, and a document never takes more passes
// than tokens.
package speculative

import (
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

// Info describes the strategy and its parameter.
func Info() sdk.Info {
	return sdk.Info{
		Name: "speculative", Version: "1.0.0",
		Doc:    "Fills blanks from left to right in drafts that are verified exactly: the result of one at a time, in fewer passes.",
		Params: []sdk.Param{sdk.Int("draft", 5, 2, 64, "blanks drafted in a pass; two save nothing")},
	}
}

// New returns the strategy. It wants to see nothing but positions.
func New(p sdk.Params) (sdk.Instance, error) {
	return sdk.Stepwise(strategy.Spec{Name: "speculative", Window: p.Int("draft")}, decide), nil
}

// decide drafts what is proposed: the first open positions, ascending.
func decide(v sdk.View) strategy.Choice { return strategy.Choice{Draft: v.Position} }
