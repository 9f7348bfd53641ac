package sdk

import (
	"context"
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// View is one document at one step: what the strategy knows of it, and nothing of its
// batch mates. Columns that the specification does not ask for are nil. The slices are
// the caller's: read them, do not keep them.
type View struct {
	Document strategy.Document // as it was introduced
	Kind     strategy.Kind     // what the rows are: proposed, or checked
	Step     int               // decisions so far
	Remain   int               // open positions left
	Accepted int               // leading tokens of the last decision's draft that were kept
	State    []byte            // what the last Choice.State said
	Known    []int32           // [Length] tokens so far, strategy.NoToken at blanks; with Spec.Text

	Position []int32 // [R] ascending
	Token    []int32
	Prob     []float32
	MaxProb  []float32
	Entropy  []float32
	Margin   []float32

	TopToken   []int32   // [R, Spec.Top]
	TopLogProb []float32 // [R, Spec.Top]

	Vocabulary [][]byte // what tokens mean, by id; with Spec.Text
}

// Stepwise makes a strategy of a function that decides about one document at a time. The
// function is pure: the same view, the same choice.
func Stepwise(spec strategy.Spec, decide func(View) strategy.Choice) Instance {
	return &stepwise{spec: spec, decide: decide, docs: make(map[uint64]strategy.Document)}
}

type stepwise struct {
	spec       strategy.Spec
	decide     func(View) strategy.Choice
	docs       map[uint64]strategy.Document
	vocabulary [][]byte
	decision   strategy.Decision
}

func (s *stepwise) Spec() strategy.Spec { return s.spec }

func (s *stepwise) Read(vocabulary [][]byte) error {
	s.vocabulary = vocabulary
	return nil
}

func (s *stepwise) Begin(ctx context.Context, docs []strategy.Document) error {
	for _, doc := range docs {
		doc.Open, doc.Tokens = slices.Clone(doc.Open), slices.Clone(doc.Tokens)
		s.docs[doc.ID] = doc
	}
	return ctx.Err()
}

func (s *stepwise) End(ctx context.Context, ids []uint64) error {
	for _, id := range ids {
		delete(s.docs, id)
	}
	return ctx.Err()
}

func (s *stepwise) Next(ctx context.Context, obs *strategy.Observation) (*strategy.Decision, error) {
	s.decision.Reset()
	for d := range obs.Doc {
		s.decision.Append(s.decide(s.view(obs, d)))
	}
	return &s.decision, ctx.Err()
}

// view cuts one document out of an observation.
func (s *stepwise) view(obs *strategy.Observation, d int) View {
	start, end := obs.Rows(d)
	v := View{
		Document: s.docs[obs.Doc[d]], Kind: obs.KindOf(d), Step: int(obs.Step[d]), Remain: int(obs.Remain[d]),
		Accepted: obs.AcceptedOf(d), State: obs.StateOf(d), Position: obs.Position[start:end:end],
		Token: rows(obs.Token, start, end), Prob: rows(obs.Prob, start, end), MaxProb: rows(obs.MaxProb, start, end),
		Entropy: rows(obs.Entropy, start, end), Margin: rows(obs.Margin, start, end),
		TopToken:   rows(obs.TopToken, start*s.spec.Top, end*s.spec.Top),
		TopLogProb: rows(obs.TopLogProb, start*s.spec.Top, end*s.spec.Top),
		Vocabulary: s.vocabulary,
	}
	if obs.Known != nil {
		v.Known = obs.Known[d]
	}
	return v
}

func rows[T any](column []T, start, end int) []T {
	if column == nil {
		return nil
	}
	return column[start:end:end]
}
