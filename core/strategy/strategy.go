// Package strategy is the contract between the engine and a decode strategy: what
// was observed goes in, what to do next comes out. The strategy never sees the
// model; the engine never waits inside a forward pass. This is reverse
// communication: the strategy decides, the engine evaluates.
//
// A strategy works on batches of documents, as columns (a struct of slices), the
// same in process and over the wire. It must be a pure function of what it is
// given, its parameters and the seed in each document's Key: then the output of a
// job does not depend on batch mates, restarts or on where the strategy runs.
package strategy

import (
	"context"

	"github.com/any-order/a3/core/seq"
)

// Columns is the set of observation columns that a strategy subscribes to.
type Columns uint32

// The columns. Probabilities are the model's own at temperature 1, before filters
// and bans, so that every strategy compares the same quantity.
const (
	ColumnToken   Columns = 1 << iota // Token: the engine's sampled token
	ColumnProb                        // Prob: the probability of that token
	ColumnMaxProb                     // MaxProb: the largest probability
	ColumnEntropy                     // Entropy: in nats
	ColumnMargin                      // Margin: largest minus second largest probability

	ColumnAll = ColumnMargin<<1 - 1
)

// DefaultWindow is how many open positions, in ascending order, the engine
// proposes a step when neither the strategy nor its decision says otherwise. It
// keeps the cost of a document linear in its blanks.
const DefaultWindow = 32

// Spec says what a strategy wants of the engine. It is read once, before any
// document.
type Spec struct {
	Name    string
	Columns Columns
	Window  int  // open positions proposed a step; 0 = DefaultWindow
	Planned bool // the strategy is a Planner: the engine calls Plan and never Next
}

// Document introduces a document to a strategy.
type Document struct {
	ID     uint64  // names the document in this session, unique while it is decoded
	Key    seq.Key // random stream of the document: seed and document key, mixed
	Length int32   // number of positions
	Open   []int32 // blank positions, ascending
}

// Plan is the answer of a Planner for one document: the groups of open positions in
// the order in which they are to be filled. Each open position occurs exactly once,
// no group is empty. Positions of one group are predicted together.
type Plan [][]int32

// Observation is what the engine saw in one step, for all documents of the batch.
// Row i of the columns belongs to the document d with Offset[d] <= i < Offset[d+1].
type Observation struct {
	Doc      []uint64 // [D] document ids
	Step     []int32  // [D] steps taken by the document so far, from 0
	Remain   []int32  // [D] open positions left, proposed or not
	Offset   []int32  // [D+1] first row of each document
	Position []int32  // [R] proposed positions, ascending within a document

	// Columns the strategy subscribed to, [R] each; nil otherwise.
	Token   []int32
	Prob    []float32
	MaxProb []float32
	Entropy []float32
	Margin  []float32
}

// Rows returns the bounds of the rows of the d-th document.
func (o *Observation) Rows(d int) (start, end int) { return int(o.Offset[d]), int(o.Offset[d+1]) }

// Decision says what to do with each document of an Observation, in its order.
// The positions committed together form one group of the document's factorisation.
// At least one position must be committed for every document.
type Decision struct {
	CommitOffset []int32 // [D+1] bounds into Commit
	Commit       []int32 // proposed positions to commit, each once, in any order
	Token        []int32 // token for each committed position, KeepToken = the engine's; nil = all the engine's

	// Positions to propose next: open, not committed now, each once, in any order.
	// ProposeOffset nil, or an empty range, means the default: the first Window open
	// positions.
	ProposeOffset []int32 // [D+1] bounds into Propose
	Propose       []int32
}

// KeepToken in Decision.Token commits the token that the engine sampled.
const KeepToken int32 = -1

// Strategy decides, step by step.
//
// Rules for implementers: Spec is called first and returns the same value always.
// Begin introduces documents before their first Next; End releases them, finished
// or not. Next is called for a batch of begun documents, at any interleaving, never
// concurrently. After a restart of the strategy the documents in flight are begun
// again, as they were introduced first, and go on with the observation that was not
// answered: so a decision may depend on the introduction, the observation and the
// parameters, and on nothing remembered. All methods return promptly when ctx ends.
//
// Arguments belong to the caller: they are not modified, and not kept after the
// method returns. Results belong to the strategy until its next call.
//
// Errors: a *BatchError says that some documents failed; the result beside it is
// valid for the others. Any other error fails the whole call.
type Strategy interface {
	Spec() Spec
	Begin(ctx context.Context, docs []Document) error
	Next(ctx context.Context, obs *Observation) (*Decision, error)
	End(ctx context.Context, ids []uint64) error
}

// Planner is a Strategy that needs no observation: it orders all open positions
// up front and is never called again for the document. The rules on arguments and
// errors are those of Strategy; the plan of a failed document is nil.
type Planner interface {
	Spec() Spec
	Plan(ctx context.Context, docs []Document) ([]Plan, error)
}
