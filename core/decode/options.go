// Package decode fills the blanks of documents: it runs the model on the rows that a
// decode strategy asks for, samples tokens, and keeps what has been computed.
//
// A Session is one document. Propose computes the distributions of some blank
// positions given all that is known; Commit makes tokens known. Positions committed
// together form one group of the document's factorisation, so the keys and values of
// committed tokens never change and are cached, and the probabilities seen on the way
// multiply to the exact likelihood of the result under those groups.
//
// An Engine decodes many documents at once. What it computes for one does not depend
// on the others, on the number of threads, or on whether keys are cached.
package decode

import (
	"fmt"

	"github.com/any-order/a3/core/order"
)

// Regroup says under which groups known tokens are encoded.
type Regroup string

const (
	// RegroupCommit keeps the groups in which tokens were committed. It is the
	// factorisation that the likelihood reports, and it can be cached.
	RegroupCommit Regroup = "commit"
	// RegroupPublished puts all that is known into one bidirectional group before
	// every step, as the published dynamic resampling does, and scores positions after
	// the filters. It is another distribution, and nothing can be cached.
	RegroupPublished Regroup = "published"
)

// Options are the settings of an engine.
type Options struct {
	Seed   uint64 // of all random numbers
	Sample uint64 // number of the sample, to draw several per document

	Greedy      bool    // take the most probable token; else draw
	Temperature float64 // divides the logits before drawing
	TopK        int     // draw among the k most probable; 0 = all
	TopP        float64 // draw among the most probable that hold this mass; 1 = all

	Given   order.Given // how the given tokens see each other; a property of the model
	NoCache bool        // compute keys and values anew each step, under the same groups
	Regroup Regroup     // empty means RegroupCommit

	Banned []int32 // tokens that no blank may take, such as BOS and EOS
	StopAt int32   // a document ends when this token is known and nothing before it is blank; -1 = never

	Trace bool // tell what happened step by step: Result.Events

	MaxDocuments int // decoded at the same time
	MaxRows      int // rows of one step over all documents; one document may exceed it
	Threads      int // goroutines that compute
}

// DefaultOptions returns greedy decoding with the cache, for all documents alike.
func DefaultOptions() Options {
	return Options{
		Greedy: true, Temperature: 1, TopP: 1, Regroup: RegroupCommit, StopAt: -1,
		MaxDocuments: 64, MaxRows: 4096, Threads: 1,
	}
}

// Validate reports the first setting that cannot work.
func (o *Options) Validate(vocab int) error {
	switch {
	case !(o.Temperature > 0 && o.Temperature <= 100):
		return fmt.Errorf("decoding: temperature is %v, want above 0 and at most 100 (greedy decoding is a setting of its own)", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("decoding: top_k is %d, want 0 (off) or a number of tokens", o.TopK)
	case !(o.TopP > 0 && o.TopP <= 1):
		return fmt.Errorf("decoding: top_p is %v, want above 0 and at most 1", o.TopP)
	case o.Regroup != "" && o.Regroup != RegroupCommit && o.Regroup != RegroupPublished:
		return fmt.Errorf("decoding: regroup is %q, want %s or %s", o.Regroup, RegroupCommit, RegroupPublished)
	case o.MaxDocuments < 1 || o.MaxRows < 1 || o.Threads < 1:
		return fmt.Errorf("decoding: %d documents, %d rows, %d threads; each must be at least 1", o.MaxDocuments, o.MaxRows, o.Threads)
	}
	for _, id := range o.Banned {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("decoding: banned token %d is outside the vocabulary of %d", id, vocab)
		}
	}
	return nil
}
