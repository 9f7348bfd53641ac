// Package blockwise lets another strategy decide inside a window of the first open
// positions, which slides on as they are filled. It is how masked diffusion models are
// decoded in practice, block after block (LLaDA, arXiv 2502.09992; Fast-dLLM, arXiv
// 2505.22618): the order within a window is free, windows come from left to right.
//
// A strategy that looks at the model sees no more than the window a step, so its cost is
// linear in the blanks, whatever it decides; a smaller window costs less and sees less. A
// strategy that plans up front plans each window for itself, side by side.
package blockwise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/strategy"
	"github.com/any-order/a3/decoder-plugins/sdk"
)

const name = "blockwise"

// separator stands between the parameters of the inner strategy, in place of the comma
// that ends a value.
const separator = "/"

// Plugin returns the strategy, which can have any of the given ones inside.
func Plugin(inner []sdk.Plugin) sdk.Plugin {
	return sdk.Plugin{
		Info: sdk.Info{
			Name: name, Version: "1.0.0",
			Doc: "Lets another strategy decide inside a sliding window of the first open positions.",
			Params: []sdk.Param{
				sdk.Int("size", strategy.DefaultWindow, 1, strategy.MaxWindow, "open positions in the window"),
				sdk.String("inner", "confidence", "the other strategy, with its parameters: NAME:KEY=VALUE"+separator+"KEY=VALUE"),
			},
		},
		New: func(p sdk.Params) (sdk.Instance, error) {
			instance, err := open(inner, p.String("inner"))
			if err != nil {
				return nil, fmt.Errorf("parameter inner=%q: %w", p.String("inner"), err)
			}
			return within(instance, p.Int("size")), nil
		},
	}
}

// open returns the inner strategy of a text such as "groups:size=3/order=permuted".
func open(inner []sdk.Plugin, text string) (sdk.Instance, error) {
	base, values, err := sdk.ParseSpec(strings.ReplaceAll(text, separator, ","))
	if err != nil {
		return nil, err
	}
	plugin, err := sdk.Find(inner, base)
	if err != nil {
		return nil, err
	}
	return plugin.Open(values)
}

// within puts a window around a strategy. One that asks for a smaller window keeps it.
func within(inner sdk.Instance, size int) sdk.Instance {
	spec := inner.Spec()
	spec.Name = name
	if spec.Planned {
		return planner{inner.(strategy.Planner), spec, size}
	}
	if spec.Window == 0 || spec.Window > size {
		spec.Window = size
	}
	return stepper{inner.(strategy.Strategy), spec}
}

// stepper is a strategy with a window of its own: the engine proposes the first open
// positions of that number, so the window slides by itself.
type stepper struct {
	strategy.Strategy
	spec strategy.Spec
}

func (s stepper) Spec() strategy.Spec            { return s.spec }
func (s stepper) Read(vocabulary [][]byte) error { return read(s.Strategy, vocabulary) }

type planner struct {
	strategy.Planner
	spec strategy.Spec
	size int
}

func (p planner) Spec() strategy.Spec            { return p.spec }
func (p planner) Read(vocabulary [][]byte) error { return read(p.Planner, vocabulary) }

// Plan introduces each window to the inner strategy as a document of which nothing else
// is open, with a key of its own, and puts the plans in a row.
func (p planner) Plan(ctx context.Context, docs []strategy.Document) ([]strategy.Plan, error) {
	var windows []strategy.Document
	var owner []int // document of each window
	for i, doc := range docs {
		number := uint64(0)
		for open := range slices.Chunk(doc.Open, p.size) {
			window := doc
			window.Open, window.Key = open, doc.Key.With(uint64(seq.PurposeOrder), number)
			windows, owner = append(windows, window), append(owner, i)
			number++
		}
	}
	inner, err := p.Planner.Plan(ctx, windows)
	var failed *strategy.BatchError
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	plans := make([]strategy.Plan, len(docs))
	for w, plan := range inner {
		plans[owner[w]] = append(plans[owner[w]], plan...)
	}
	for i, doc := range docs {
		if failed != nil && failed.Failed[doc.ID] != nil {
			plans[i] = nil
		}
	}
	return plans, err
}

func read(inner sdk.Instance, vocabulary [][]byte) error {
	if reader, ok := inner.(strategy.Reader); ok {
		return reader.Read(vocabulary)
	}
	return nil
}
