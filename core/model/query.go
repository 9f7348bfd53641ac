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
	// QueryCopy begins with zero, and adds the embedding of the token before the position
	// (Batch.Copy), wholly at first and less and less: under left-to-right singletons the
	// query stream then starts as nearly the content stream, one position on.
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

// InitQuery starts the query embedding. The token embeddings must be there; the random
// vector is the one that Init draws for the same seed.
func (p *Params) InitQuery(how QueryInit, seed uint64, bos int32) error {
	if err := how.Validate(); err != nil {
		return err
	}
	switch how {
	case QueryRandom:
		t := p.tensor(QueryEmbed)
		t.draw(seed, t.initStd())
	case QueryZero, QueryCopy:
		clear(p.Query)
	case QueryMean:
		sums := make([]float64, len(p.Query))
		for r := range p.Embed.Rows {
			for i, v := range p.Embed.Row(r) {
				sums[i] += float64(v)
			}
		}
		for i, sum := range sums {
			p.Query[i] = float32(sum / float64(p.Embed.Rows))
		}
	case QueryBOS:
		if bos < 0 || int(bos) >= p.Embed.Rows {
			return fmt.Errorf("query_init: BOS is token %d, outside the vocabulary of %d", bos, p.Embed.Rows)
		}
		copy(p.Query, p.Embed.Row(int(bos)))
	}
	return nil
}

// copied returns the token whose embedding query row i starts with, if there is one.
func (b *Batch) copied(i int) (token int32, ok bool) {
	if b.Copy == 0 || b.Before[i] < 0 {
		return 0, false
	}
	return b.Before[i], true
}

// queryInput stores the input of query row i in x [H].
func (m *Model) queryInput(x []float32, b *Batch, i int) {
	t, ok := b.copied(i)
	if !ok {
		copy(x, m.w.query)
		return
	}
	m.w.lookup(x, t)
	m.k.Scale(x, b.Copy)
	m.k.Axpy(x, m.w.query, 1)
}
