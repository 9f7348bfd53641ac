package batching

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/any-order/a3/core/order"
)

// Recipe is all that determines the training batches beside the documents. It is
// written into every batch's schema and belongs into a run's manifest.
type Recipe struct {
	Seed       uint64           `json:"seed,string"`
	Vocab      int              `json:"vocab"`   // size of the vocabulary
	BOS        int32            `json:"bos"`     // starts every chunk
	EOS        int32            `json:"eos"`     // ends every document; NoToken = none
	Context    int              `json:"context"` // most positions of a chunk, BOS included
	Budget     int              `json:"budget"`  // most positions of a batch
	Given      order.Given      `json:"given"`
	Curriculum order.Curriculum `json:"curriculum"`
}

// NoToken is Recipe.EOS where the vocabulary has no end-of-text token.
const NoToken int32 = -1

// The bounds of a recipe keep the sizes of a batch within 32-bit Arrow offsets.
const (
	minContext = 4 // below, a document's last chunk could be an EOS without any text
	maxBudget  = 1 << 26
)

// Validate reports the first field that is out of range.
func (r Recipe) Validate() error {
	switch {
	case r.Vocab < 1:
		return fmt.Errorf("recipe: vocab is %d; it must be positive", r.Vocab)
	case r.BOS < 0 || int(r.BOS) >= r.Vocab:
		return fmt.Errorf("recipe: bos is %d; it must be an id of the vocabulary of %d", r.BOS, r.Vocab)
	case r.EOS != NoToken && (r.EOS < 0 || int(r.EOS) >= r.Vocab):
		return fmt.Errorf("recipe: eos is %d; it must be an id of the vocabulary of %d, or %d for none", r.EOS, r.Vocab, NoToken)
	case r.Context < minContext:
		return fmt.Errorf("recipe: context is %d; it must be at least %d", r.Context, minContext)
	case r.Budget < r.Context || r.Budget > maxBudget:
		return fmt.Errorf("recipe: budget is %d; it must hold one context of %d and be at most %d", r.Budget, r.Context, maxBudget)
	case r.Given != order.GivenCausal && r.Given != order.GivenGroup:
		return fmt.Errorf("recipe: given is %d; it must be causal or group", r.Given)
	}
	if err := r.Curriculum.Validate(); err != nil {
		return fmt.Errorf("recipe: %w", err)
	}
	return nil
}

// Chunker returns the chunker of the recipe.
func (r Recipe) Chunker() Chunker {
	return Chunker{BOS: r.BOS, EOS: r.EOS, Context: r.Context}
}

// decodeStrict decodes one JSON value without unknown fields or anything behind.
func decodeStrict(blob []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(blob))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more behind the JSON value")
	}
	return nil
}
