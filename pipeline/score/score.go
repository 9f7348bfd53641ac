package score

import (
	"fmt"
	"math"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/record"
)

// Options say how records are read and written.
type Options struct {
	record.Options
	PerToken bool // write token_ids and token_logprobs
}

// DefaultOptions returns the options that hold where the user says nothing.
func DefaultOptions() Options { return Options{Options: record.DefaultOptions()} }

// Parse reads a score record. A record that cannot be processed gives a
// *record.Error. The document aliases raw.
func Parse(raw []byte, opts Options) (*infill.Document, error) {
	rec, err := record.Parse(raw, record.Schema{Write: []string{
		"tokens", "logprob", "logprob_per_token", "perplexity", "bits_per_byte", "token_ids", "token_logprobs",
	}}, opts.Options)
	if err != nil {
		return nil, err
	}
	if len(rec.Text) == 0 {
		return nil, rec.Name(&record.Error{Field: "text", Reason: "empty: there is nothing to score"})
	}
	return &infill.Document{Record: rec, Text: rec.Text}, nil
}

// Segment returns the task's tokens for scoring from left to right: BOS is given,
// each further token is a group of its own. For another order, change Group.
func Segment(task *infill.Task) seq.Segment {
	n := task.Canvas.Len()
	s := seq.Segment{Tokens: task.Canvas.Tokens, Group: make([]int32, n), Weight: make([]float32, n)}
	for p := 1; p < n; p++ {
		s.Group[p], s.Weight[p] = int32(p), 1
	}
	return s
}

// Output returns the output record, one line without a line break. logProb has one
// entry for each of the segment's N positions; that of BOS does not count. It fails
// only if logProb does not belong to the task.
func Output(task *infill.Task, logProb []float64, opts Options) ([]byte, error) {
	n := task.Canvas.Len()
	if len(logProb) != n {
		return nil, fmt.Errorf("score of record %q: %d log-probabilities for %d positions", task.Doc.Record.ID, len(logProb), n)
	}
	total := 0.0
	for _, lp := range logProb[1:] {
		total += lp
	}
	tokens := n - 1
	mean := total / float64(tokens)
	perplexity := math.Exp(-mean)
	if !record.Finite(total) || !record.Finite(perplexity) {
		return nil, fmt.Errorf("score of record %q: the log-probability of its %d tokens is %v", task.Doc.Record.ID, tokens, total)
	}
	line := task.Doc.Record.AppendID([]byte{'{'})
	line = record.AppendInt(line, "tokens", tokens)
	line = record.AppendFloat(line, "logprob", total)
	line = record.AppendFloat(line, "logprob_per_token", mean)
	line = record.AppendFloat(line, "perplexity", perplexity)
	line = record.AppendFloat(line, "bits_per_byte", -total/math.Ln2/float64(len(task.Doc.Text)))
	if opts.PerToken {
		line = record.AppendInts(line, "token_ids", task.Canvas.Tokens[1:])
		line = record.AppendFloats(line, "token_logprobs", logProb[1:])
	}
	return append(task.Doc.Record.AppendRest(line), '}'), nil
}
