package strategy

import "slices"

// Decision says what to do with each document of an Observation, in its order, as
// columns. Strategies build it with Append, one Choice a document.
//
// Offsets are [D+1] bounds into the column beside them; nil, which only commits may
// not be, means nothing of the kind for any document.
type Decision struct {
	CommitOffset  []int32
	Commit        []int32
	Token         []int32 // beside Commit; nil = all KeepToken
	ReopenOffset  []int32
	Reopen        []int32
	DraftOffset   []int32
	Draft         []int32
	DraftToken    []int32 // beside Draft; nil = all KeepToken
	CheckOffset   []int32
	Check         []int32
	ProposeOffset []int32
	Propose       []int32
	BiasOffset    []int32
	Bias          []Bias

	State [][]byte // [D], nil entry = unchanged; nil = all unchanged
}

// Choice is the decision about one document. The engine applies it in the order of
// the fields. Something must come of it (RuleProgress): an empty one is right only
// as the answer to Checked rows, with which the strategy is content.
type Choice struct {
	// Commit fills proposed positions, which form one group of the document's
	// factorisation. Token has a token for each, KeepToken = the engine's; nil = all.
	Commit []int32
	Token  []int32

	// Reopen makes filled positions blank again. What was encoded after them is
	// encoded anew without them, and likelihoods are scored again in the end.
	Reopen []int32

	// Draft is an order of proposed positions, to be filled one after the other: the
	// engine computes what it would have drawn at each, given the ones before, keeps
	// the draft's tokens as far as exact acceptance and rejection allow, and draws the
	// next one from the residual. At least one position is filled, in any case with
	// the distribution of filling one at a time. It stands alone, or with Propose and
	// Bias.
	Draft      []int32
	DraftToken []int32

	// Check asks for filled positions, each given everything but itself. The next
	// observation brings them as Checked rows; Propose and Bias wait for the decision
	// after it.
	Check []int32

	// Propose names the positions to look at next. nil means the first Window open
	// positions. With a draft, positions that it fills drop out.
	Propose []int32
	// Bias holds for the next proposal alone, and for a draft of it. Beside a draft,
	// entries of positions that it fills drop out.
	Bias []Bias

	State []byte // to be handed back with the next observation; nil = unchanged, empty = none
}

// Bias is added to the logit of a token when one is chosen for a position. Minus
// infinity bans it. Probabilities that strategies see stay the model's own.
type Bias struct {
	Position, Token int32
	Value           float32
}

// Append adds the decision about the next document.
func (dec *Decision) Append(c Choice) {
	d := max(len(dec.CommitOffset)-1, 0) // documents so far
	if dec.CommitOffset == nil {
		dec.CommitOffset = []int32{0}
	}
	dec.Token = appendTokens(dec.Token, len(dec.Commit), c.Token, len(c.Commit))
	dec.DraftToken = appendTokens(dec.DraftToken, len(dec.Draft), c.DraftToken, len(c.Draft))
	dec.CommitOffset, dec.Commit = appendList(dec.CommitOffset, dec.Commit, c.Commit, d)
	dec.ReopenOffset, dec.Reopen = appendList(dec.ReopenOffset, dec.Reopen, c.Reopen, d)
	dec.DraftOffset, dec.Draft = appendList(dec.DraftOffset, dec.Draft, c.Draft, d)
	dec.CheckOffset, dec.Check = appendList(dec.CheckOffset, dec.Check, c.Check, d)
	dec.ProposeOffset, dec.Propose = appendList(dec.ProposeOffset, dec.Propose, c.Propose, d)
	dec.BiasOffset, dec.Bias = appendList(dec.BiasOffset, dec.Bias, c.Bias, d)
	if dec.State == nil && c.State != nil {
		dec.State = make([][]byte, d, d+1)
	}
	if dec.State != nil {
		dec.State = append(dec.State, c.State)
	}
}

// appendList adds the list of the d-th document. The column stays absent until a
// document has something in it.
func appendList[T any](offset []int32, column, list []T, d int) ([]int32, []T) {
	if offset == nil {
		if len(list) == 0 {
			return nil, column
		}
		offset = make([]int32, d+1)
	}
	column = append(column, list...)
	return append(offset, int32(len(column))), column
}

// appendTokens adds the tokens beside a list of n positions to those beside before.
func appendTokens(column []int32, before int, tokens []int32, n int) []int32 {
	if column == nil && tokens == nil {
		return nil
	}
	if column == nil {
		column = slices.Repeat([]int32{KeepToken}, before)
	}
	if tokens == nil {
		tokens = slices.Repeat([]int32{KeepToken}, n)
	}
	return append(column, tokens...)
}

// Reset empties the decision and keeps its memory.
func (dec *Decision) Reset() {
	*dec = Decision{
		CommitOffset: dec.CommitOffset[:0], Commit: dec.Commit[:0], Reopen: dec.Reopen[:0], Draft: dec.Draft[:0],
		Check: dec.Check[:0], Propose: dec.Propose[:0], Bias: dec.Bias[:0],
	}
	dec.CommitOffset = append(dec.CommitOffset, 0)
}

// At returns the decision about the d-th document: parts of the columns. The shape is
// right (see CheckShape).
func (dec *Decision) At(d int) Choice {
	c := Choice{
		Commit: list(dec.CommitOffset, dec.Commit, d), Reopen: list(dec.ReopenOffset, dec.Reopen, d),
		Draft: list(dec.DraftOffset, dec.Draft, d), Check: list(dec.CheckOffset, dec.Check, d),
		Propose: list(dec.ProposeOffset, dec.Propose, d), Bias: list(dec.BiasOffset, dec.Bias, d),
	}
	if dec.Token != nil {
		c.Token = list(dec.CommitOffset, dec.Token, d)
	}
	if dec.DraftToken != nil {
		c.DraftToken = list(dec.DraftOffset, dec.DraftToken, d)
	}
	if dec.State != nil {
		c.State = dec.State[d]
	}
	return c
}

func list[T any](offset []int32, column []T, d int) []T {
	if offset == nil || offset[d] == offset[d+1] {
		return nil
	}
	return column[offset[d]:offset[d+1]:offset[d+1]]
}

// Clone returns a choice that shares no memory.
func (c Choice) Clone() Choice {
	return Choice{
		Commit: slices.Clone(c.Commit), Token: slices.Clone(c.Token), Reopen: slices.Clone(c.Reopen),
		Draft: slices.Clone(c.Draft), DraftToken: slices.Clone(c.DraftToken), Check: slices.Clone(c.Check),
		Propose: slices.Clone(c.Propose), Bias: slices.Clone(c.Bias), State: slices.Clone(c.State),
	}
}
