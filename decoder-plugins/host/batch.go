package host

import "github.com/any-order/a3/core/strategy"

// selectDocuments returns the observation of some documents of a batch.
func selectDocuments(o *strategy.Observation, docs []int) *strategy.Observation {
	if len(docs) == len(o.Doc) {
		return o
	}
	part := &strategy.Observation{Offset: make([]int32, 1, len(docs)+1)}
	top := 0
	if len(o.Position) > 0 {
		top = len(o.TopToken) / len(o.Position)
	}
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
		part.TopToken = appendRows(part.TopToken, o.TopToken, start*top, end*top)
		part.TopLogProb = appendRows(part.TopLogProb, o.TopLogProb, start*top, end*top)
		part.Kind = appendRows(part.Kind, o.Kind, d, d+1)
		part.Accepted = appendRows(part.Accepted, o.Accepted, d, d+1)
		part.State = appendRows(part.State, o.State, d, d+1)
		part.Known = appendRows(part.Known, o.Known, d, d+1)
	}
	return part
}

// appendRows appends rows of a column, which is nil when there is nothing of the kind.
func appendRows[T any](to, column []T, start, end int) []T {
	if column == nil {
		return nil
	}
	return append(to, column[start:end]...)
}
