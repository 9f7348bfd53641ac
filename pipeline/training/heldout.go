package training

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/train"
)

// heldOutOrders are the groupings under which held-out losses are reported.
var heldOutOrders = []string{"ltr", "blocks:4", "permuted:4", "spans"}

// heldOutSeed keys the groupings of held-out documents: the same in every run, so that
// losses can be compared.
const heldOutSeed = 7

// heldOut is a set of documents with one grouping for each order.
type heldOut struct {
	names    []string
	segments [][]seq.Segment // beside names
}

func newHeldOut(c *batching.Corpus, recipe batching.Recipe) (*heldOut, error) {
	h := &heldOut{}
	chunker := recipe.Chunker()
	for _, name := range heldOutOrders {
		sampler, err := order.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("held-out order: %w", err)
		}
		var segments []seq.Segment
		for _, doc := range byKey(c) {
			for chunk := range chunker.Count(len(doc.Tokens)) {
				tokens, _ := chunker.Append(nil, doc.Tokens, chunk)
				segments = append(segments, sampler.Sample(order.Key(heldOutSeed, 0, doc.Key, chunk), tokens, recipe.Given))
			}
		}
		h.names = append(h.names, name)
		h.segments = append(h.segments, segments)
	}
	return h, nil
}

// byKey returns the documents in an order that does not depend on how they were read:
// sums of their losses are then equal to the last bit.
func byKey(c *batching.Corpus) []batching.Document {
	docs := make([]batching.Document, c.Len())
	for i := range docs {
		docs[i] = c.Document(i)
	}
	slices.SortFunc(docs, func(a, b batching.Document) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), slices.Compare(a.Tokens, b.Tokens))
	})
	return docs
}

// losses returns the mean negative log-likelihood a predicted token, in nats, by order.
func (h *heldOut) losses(ctx context.Context, t *train.Trainer) (map[string]float64, error) {
	out := make(map[string]float64, len(h.names))
	for i, name := range h.names {
		nll, weight, err := t.Evaluate(ctx, h.segments[i])
		if err != nil {
			return nil, err
		}
		if weight > 0 {
			out[name] = nll / weight
		}
	}
	return out, nil
}
