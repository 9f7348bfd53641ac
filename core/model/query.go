package model

import "fmt"

// QueryInit names how the query embedding starts, of which pretrained models have none.
type QueryInit string

// The ways to start.
const (
	QueryRandom QueryInit = "random" // normal, as from scratch: what the paper does
	QueryZero   QueryInit = "zero"   // the zero vector
	QueryMean   QueryInit = "mean"   // the mean of all token embeddings
	QueryBOS    QueryInit = "bos"    // BOS's embedding
	// QueryCopy is QueryRandom, in whose place a share of the rows, which falls from all to
	// none, has the embedding of the token before its position (Batch.Before): under
	// left-to-right singletons the query stream then starts as nearly the content stream.
	QueryCopy QueryInit = "copy"
)

// Validate reports a way that does not exist.
func (q QueryInit) Validate() error {
	switch q {
	case QueryRandom, QueryZero, QueryMean, QueryBOS, QueryCopy:
		return nil
	}
	return fmt.Errorf("query_init: %q is not known; use %s, %s, %s, %s or %s", string(q), QueryRandom, QueryZero, QueryMean, QueryBOS, QueryCopy)
}

// InitQuery starts the query embedding of a model that can be trained, from its token
// embeddings as passes read them. The random vector is the one that Params.Init draws for
// the same seed.
func (m *Model) InitQuery(how QueryInit, seed uint64, bos int32) error {
	if err := how.Validate(); err != nil {
		return err
	}
	query, vocab := m.Params.Query, m.Config.Vocab
	switch how {
	case QueryRandom, QueryCopy:
		t := m.Params.tensor(QueryEmbed)
		t.draw(seed, t.initStd())
	case QueryZero:
		clear(query)
	case QueryMean:
		sums := make([]float64, len(query))
		for t := range vocab {
			m.w.lookup(query, int32(t))
			for i, v := range query {
				sums[i] += float64(v)
			}
		}
		for i, sum := range sums {
			query[i] = float32(sum / float64(vocab))
		}
	case QueryBOS:
		if bos < 0 || int(bos) >= vocab {
			return fmt.Errorf("query_init: BOS is token %d, outside the vocabulary of %d", bos, vocab)
		}
		m.w.lookup(query, bos)
	}
	return nil
}

// copied returns the token whose embedding query row i starts with; negative: none.
func (b *Batch) copied(i int) int32 {
	if len(b.Before) == 0 {
		return -1
	}
	return b.Before[i]
}

// queryInput stores the input of query row i in x [H].
func (m *Model) queryInput(x []float32, b *Batch, i int) {
	if t := b.copied(i); t >= 0 {
		m.w.lookup(x, t)
	} else {
		copy(x, m.w.query)
	}
}
