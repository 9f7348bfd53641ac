package infill

import (
	"bytes"
	"fmt"

	"github.com/any-order/a3/pipeline/infill/record"
)

// Result is what the engine made of a Task. The columns have one entry for each of
// the canvas's N positions.
type Result struct {
	Tokens  []int32   // [N] as on the canvas, blanks filled
	LogProb []float64 // [N] of the token at a blank position: the model's own, in nats
	Order   []int32   // [N] step in which the token was committed, from 0; -1 = given

	Steps      int // decisions taken
	ModelCalls int // forward passes
	Rows       int // rows computed in them
	Reopened   int // positions that were filled and made blank again
}

// check reports a result that does not belong to the task. That is a fault of the
// engine, not of the record.
func (r *Result) check(c *Codec, task *Task) error {
	n := task.Canvas.Len()
	if len(r.Tokens) != n || len(r.LogProb) != n || len(r.Order) != n {
		return fmt.Errorf("%d tokens, %d log-probabilities and %d orders for %d positions", len(r.Tokens), len(r.LogProb), len(r.Order), n)
	}
	for p, blank := range task.Canvas.Blank {
		switch {
		case !blank && r.Tokens[p] != task.Canvas.Tokens[p]:
			return fmt.Errorf("given token %d at position %d became %d", task.Canvas.Tokens[p], p, r.Tokens[p])
		case blank && c.tok.IsSpecial(r.Tokens[p]):
			return fmt.Errorf("token %d at position %d is special", r.Tokens[p], p)
		case blank && !record.Finite(r.LogProb[p]):
			return fmt.Errorf("log-probability at position %d is %v", p, r.LogProb[p])
		case blank && r.Order[p] < 0:
			return fmt.Errorf("blank position %d was never committed", p)
		}
	}
	return nil
}

// filled is a blank with its text.
type filled struct {
	start, end int    // in the output text
	text       []byte // without the folded space
	logProb    float64
}

// Output returns the output record, one line without a line break. It fails only if
// the result does not belong to the task.
func (c *Codec) Output(task *Task, res *Result) ([]byte, error) {
	text, blanks, err := c.fill(task, res)
	if err != nil {
		return nil, fmt.Errorf("result for record %q: %w", task.Doc.Record.ID, err)
	}
	line := task.Doc.Record.AppendID([]byte{'{'})
	line = record.AppendText(line, "text", "bytes_b64", text)
	line = append(record.AppendKey(line, "blanks"), '[')
	tokens, logProb := 0, 0.0
	for i, f := range blanks {
		if i > 0 {
			line = append(line, ',')
		}
		line = appendBlank(line, task.Doc, i, f, task.spans[i], res)
		tokens += task.spans[i].count
		logProb += f.logProb
	}
	line = append(line, ']')
	line = record.AppendFloat(line, "logprob", logProb)
	line = append(record.AppendKey(line, "stats"), '{')
	line = record.AppendInt(line, "steps", res.Steps)
	line = record.AppendInt(line, "model_calls", res.ModelCalls)
	line = record.AppendInt(line, "rows", res.Rows)
	if res.Reopened > 0 { // logprob is then scored again, under the groups that remained
		line = record.AppendInt(line, "reopened", res.Reopened)
	}
	line = record.AppendInt(line, "tokens", tokens)
	line = append(line, '}')
	return append(task.Doc.Record.AppendRest(line), '}'), nil
}

// fill puts the blanks' texts between the given ones.
func (c *Codec) fill(task *Task, res *Result) (text []byte, blanks []filled, err error) {
	if err := res.check(c, task); err != nil {
		return nil, nil, err
	}
	end := 0 // of the text that has been copied
	for i, b := range task.Doc.Blanks {
		text = append(text, task.Doc.Text[end:b.Start]...)
		f := filled{start: len(text)}
		s := task.spans[i]
		f.text = c.tok.AppendText(nil, res.Tokens[s.first:s.first+s.count])
		if s.folded {
			var ok bool
			if f.text, ok = bytes.CutPrefix(f.text, []byte{' '}); !ok {
				return nil, nil, fmt.Errorf("token %d at position %d does not start with a space", res.Tokens[s.first], s.first)
			}
		}
		for _, lp := range res.LogProb[s.first : s.first+s.count] {
			f.logProb += lp
		}
		text = append(text, f.text...)
		f.end = len(text)
		blanks = append(blanks, f)
		end = b.End
	}
	return append(text, task.Doc.Text[end:]...), blanks, nil
}

// appendBlank appends the i-th entry of the output's "blanks".
func appendBlank(line []byte, doc *Document, i int, f filled, s span, res *Result) []byte {
	b := doc.Blanks[i]
	line = append(line, '{')
	line = record.AppendInt(line, "start", f.start)
	line = record.AppendInt(line, "end", f.end)
	line = record.AppendText(line, "text", "bytes_b64", f.text)
	if b.End > b.Start {
		line = record.AppendText(line, "replaced", "replaced_b64", doc.Text[b.Start:b.End])
	}
	line = record.AppendInt(line, "tokens", s.count)
	line = record.AppendInts(line, "token_ids", res.Tokens[s.first:s.first+s.count])
	line = record.AppendFloat(line, "logprob", f.logProb)
	line = record.AppendInts(line, "order", res.Order[s.first:s.first+s.count])
	line = record.AppendFields(line, blankSchema().Rest(b.fields))
	return append(line, '}')
}
