package training

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/any-order/a3/batching"
	"github.com/any-order/a3/core/order"
	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/core/train"
)

// heldOutOrders are the groupings under which held-out losses are reported; next is the
// content stream's own loss, that of the plain Llama.
var heldOutOrders = []string{"ltr", "next", "blocks:4", "permuted:4", "spans"}

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

// withoutCopies leaves out of the documents to train on those whose text a held-out one
// has too, under another key: a loss on text that was learned says nothing.
func withoutCopies(training, held *batching.Corpus) (*batching.Corpus, error) {
	seen := make(map[string]bool, held.Len())
	for i := range held.Len() {
		seen[text(held.Document(i).Tokens)] = true
	}
	isCopy := func(doc batching.Document) bool { return seen[text(doc.Tokens)] }
	copies := 0
	for i := range training.Len() {
		if isCopy(training.Document(i)) {
			copies++
		}
	}
	switch {
	case copies == 0:
		return training, nil
	case copies == training.Len():
		return nil, errors.New("training: every document has the text of a held-out one; none is left to train on")
	}
	rest := &batching.Corpus{}
	for i := range training.Len() {
		if doc := training.Document(i); !isCopy(doc) {
			if err := rest.Add(doc); err != nil {
				return nil, err
			}
		}
	}
	return rest, nil
}

// text is tokens as the key of a map.
func text(tokens []int32) string {
	b := make([]byte, 0, 4*len(tokens))
	for _, tok := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(tok))
	}
	return string(b)
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
			if out[name] = nll / weight; math.IsNaN(out[name]) || math.IsInf(out[name], 0) {
				return nil, fmt.Errorf("held-out loss of %s after %d steps is %v: the model has diverged", name, t.Done, out[name])
			}
		}
	}
	return out, nil
}
