package host

import (
	"slices"

	"github.com/any-order/a3/core/strategy"
)

// selectDocuments returns the observation of some documents of a batch.
func selectDocuments(o *strategy.Observation, docs []int) *strategy.Observation {
	if len(docs) == len(o.Doc) {
		return o
	}
	part := &strategy.Observation{Offset: make([]int32, 1, len(docs)+1)}
	for _, d := range docs {
		start, end := o.Rows(d)
		part.Doc = append(part.Doc, o.Doc[d])
		part.Step = append(part.Step, o.Step[d])
		part.Remain = append(part.Remain, o.Remain[d])
		part.Position = append(part.Position, o.Position[start:end]...)
		part.Offset = append(part.Offset, int32(len(part.Position)))
		part.Token = appendRows(part.Token, o.Token, start, end)
		part.Prob = appendRows(part.Prob, o.Prob, start, end)
		part.MaxProb = appendRows(part.MaxProb, o.MaxProb, start, end)
		part.Entropy = appendRows(part.Entropy, o.Entropy, start, end)
		part.Margin = appendRows(part.Margin, o.Margin, start, end)
	}
	return part
}

// appendRows appends rows of a column, which is nil when not subscribed to.
func appendRows[T any](to, column []T, start, end int) []T {
	if column == nil {
		return nil
	}
	return append(to, column[start:end]...)
}

// decisionPart is a decision about one document. It owns its memory.
type decisionPart struct {
	commit, token, propose []int32 // token nil = all the engine's
}

func cutDecision(dec *strategy.Decision, d int) decisionPart {
	start, end := dec.CommitOffset[d], dec.CommitOffset[d+1]
	part := decisionPart{commit: slices.Clone(dec.Commit[start:end])}
	if dec.Token != nil {
		part.token = slices.Clone(dec.Token[start:end])
	}
	if dec.ProposeOffset != nil {
		part.propose = slices.Clone(dec.Propose[dec.ProposeOffset[d]:dec.ProposeOffset[d+1]])
	}
	return part
}

// decisionParts are decisions about the documents of a batch, in its order; the zero
// part belongs to a failed document.
type decisionParts []decisionPart

// join returns the decision about the whole batch.
func (parts decisionParts) join() *strategy.Decision {
	dec := &strategy.Decision{CommitOffset: make([]int32, 1, len(parts)+1)}
	tokens := slices.ContainsFunc(parts, func(p decisionPart) bool { return p.token != nil })
	proposes := slices.ContainsFunc(parts, func(p decisionPart) bool { return len(p.propose) > 0 })
	if proposes {
		dec.ProposeOffset = make([]int32, 1, len(parts)+1)
	}
	for _, p := range parts {
		dec.Commit = append(dec.Commit, p.commit...)
		dec.CommitOffset = append(dec.CommitOffset, int32(len(dec.Commit)))
		if tokens && p.token == nil {
			p.token = slices.Repeat([]int32{strategy.KeepToken}, len(p.commit))
		}
		dec.Token = append(dec.Token, p.token...)
		if proposes {
			dec.Propose = append(dec.Propose, p.propose...)
			dec.ProposeOffset = append(dec.ProposeOffset, int32(len(dec.Propose)))
		}
	}
	return dec
}
