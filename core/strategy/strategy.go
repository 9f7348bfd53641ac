// Package strategy is the contract between the engine and a decode strategy: what
// was observed goes in, what to do next comes out. The strategy never sees the
// model; the engine never waits inside a forward pass. This is reverse
// communication: the strategy decides, the engine evaluates.
//
// A strategy works on batches of documents, as columns (a struct of slices), the
// same in process and over the wire. It must be a pure function of what it is
// given, its parameters and the seed in each document's Key: then the output of a
// job does not depend on batch mates, restarts or on where the strategy runs.
//
// The same contract, as messages between processes, is decoder-plugins/proto/v1;
// decoder-plugins/CONTRACT.md says how it changes.
package strategy

import (
	"context"

	"github.com/any-order/a3/core/seq"
)

// Columns is the set of observation columns that a strategy subscribes to.
type Columns uint32

// The columns. Probabilities are the model's own at temperature 1, before filters,
// bans and bias, so that every strategy compares the same quantity.
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
	Top     int  // likeliest tokens of each row to be shown, at most MaxTop; 0 = none
	Window  int  // open positions proposed a step; 0 = DefaultWindow
	Planned bool // the strategy is a Planner: the engine calls Plan and never Next
	Text    bool // it reads: Document.Tokens, Observation.Known, and the vocabulary (see Reader)
}

// Document introduces a document to a strategy.
type Document struct {
	ID     uint64  // names the document in this session, unique while it is decoded
	Key    seq.Key // random stream of the document: seed and document key, mixed
	Length int32   // number of positions
	Open   []int32 // blank positions, ascending
	Tokens []int32 // [Length] the given tokens, NoToken at blanks; nil without Spec.Text
}

// NoToken stands where no token is: at blanks, and behind the last of a vocabulary
// that is smaller than Spec.Top.
const NoToken int32 = -1

// Plan is the answer of a Planner for one document: the groups of open positions in
// the order in which they are to be filled. Each open position occurs exactly once,
// no group is empty. Positions of one group are predicted together.
type Plan [][]int32

// Kind says what the rows of a document are.
type Kind uint8

const (
	// Proposed rows are open positions; Token is what the engine would put there.
	Proposed Kind = iota
	// Checked rows are filled positions that the last decision asked to check: Token
	// stands there, and the probabilities are given everything known but this token,
	// encoded by the engine so that nothing has seen it.
	Checked
)

// Observation is what the engine saw in one step, for all documents of the batch.
// Row i of the columns belongs to the document d with Offset[d] <= i < Offset[d+1].
type Observation struct {
	Doc      []uint64 // [D] document ids
	Step     []int32  // [D] decisions taken about the document so far, from 0
	Remain   []int32  // [D] open positions left, proposed or not
	Offset   []int32  // [D+1] first row of each document
	Position []int32  // [R] positions of the rows, ascending within a document

	// What most documents do not have: nil means none of the batch has it. KindOf,
	// AcceptedOf and StateOf know that.
	Kind     []Kind   // [D] what the rows are
	Accepted []int32  // [D] leading tokens of the last decision's draft that were kept
	State    [][]byte // [D] what the strategy last returned for the document

	Known [][]int32 // [D] tokens of the document so far, NoToken at blanks; nil without Spec.Text

	// Columns the strategy subscribed to, [R] each; nil otherwise.
	Token   []int32
	Prob    []float32
	MaxProb []float32
	Entropy []float32
	Margin  []float32

	// The Spec.Top likeliest tokens of each row, [R, Top], by descending probability,
	// ties by ascending token; nil if Top is 0.
	TopToken   []int32
	TopLogProb []float32
}

// Rows returns the bounds of the rows of the d-th document.
func (o *Observation) Rows(d int) (start, end int) { return int(o.Offset[d]), int(o.Offset[d+1]) }

// KindOf returns what the rows of the d-th document are.
func (o *Observation) KindOf(d int) Kind {
	if o.Kind == nil {
		return Proposed
	}
	return o.Kind[d]
}

// AcceptedOf returns how many leading tokens of the last decision's draft were kept for
// the d-th document, 0 if that was no draft.
func (o *Observation) AcceptedOf(d int) int {
	if o.Accepted == nil {
		return 0
	}
	return int(o.Accepted[d])
}

// StateOf returns the state of the d-th document, nil if it has none.
func (o *Observation) StateOf(d int) []byte {
	if o.State == nil {
		return nil
	}
	return o.State[d]
}

// KeepToken in Choice.Token or Choice.DraftToken means the token that the engine
// sampled.
const KeepToken int32 = -1

// Strategy decides, step by step.
//
// Rules for implementers: Spec is called first and returns the same value always.
// Begin introduces documents before their first Next; End releases them, finished
// or not. Next is called for a batch of begun documents, at any interleaving, never
// concurrently. After a restart of the strategy the documents in flight are begun
// again, as they were introduced first, and go on with the observation that was not
// answered: so a decision may depend on the introduction, the observation, which
// brings the state, and the parameters, and on nothing remembered. All methods
// return promptly when ctx ends.
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

// Reader is a Strategy or Planner that says Text: it is told what tokens mean, once,
// before any document. vocabulary[id] is the bytes of a token, which need not be
// valid UTF-8 alone; special tokens are empty. It may be kept and is not modified.
type Reader interface {
	Read(vocabulary [][]byte) error
}
