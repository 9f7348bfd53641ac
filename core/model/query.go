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
)

// Validate reports a way that does not exist.
func (q QueryInit) Validate() error {
	switch q {
	case QueryRandom, QueryZero, QueryMean, QueryBOS:
		return nil
	}
	return fmt.Errorf("query_init: %q is not known; use %s, %s, %s or %s", string(q), QueryRandom, QueryZero, QueryMean, QueryBOS)
}

// InitQuery starts the query embedding. The token embeddings must be there; the random
// vector is the one that Init draws for the same seed.
func (p *Params) InitQuery(how QueryInit, seed uint64, bos int32) error {
	if err := how.Validate(); err != nil {
		return err
	}
	switch how {
	case QueryRandom:
		p.draw(queryTensor, seed, p.Tensors[queryTensor].initStd())
	case QueryZero:
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
