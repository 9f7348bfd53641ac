package jobs

import (
	"github.com/any-order/a3/core/decode"
	"github.com/any-order/a3/pipeline"
	"github.com/any-order/a3/pipeline/explain"
	"github.com/any-order/a3/pipeline/infill"
)

// explanation says in terms of the record what the engine did.
func (f *Fill) explanation(item *pipeline.Item, r *decode.Result) *explain.Document {
	task := item.Task.(*infill.Task)
	d := &explain.Document{
		Record: task.Doc.Record, Origin: item.Delivery.Origin.String(), Steps: r.Steps, ModelCalls: r.ModelCalls,
		Events: make([]explain.Event, len(r.Events)),
	}
	first, count := task.Blanks()
	end := 0
	for i, b := range task.Doc.Blanks {
		d.Parts = append(d.Parts, explain.Part{Given: task.Doc.Text[end:b.Start]})
		blank := explain.Part{Final: make([][]byte, count[i])}
		for j := range blank.Final {
			blank.Final[j] = f.Codec.Spell(task, first[i]+j, r.Tokens[first[i]+j])
		}
		d.Parts = append(d.Parts, blank)
		end = b.End
	}
	d.Parts = append(d.Parts, explain.Part{Given: task.Doc.Text[end:]})
	for i := range r.Events {
		e := &r.Events[i]
		blank, token := task.Place(int(e.Position))
		d.Events[i] = explain.Event{
			Kind: kindOf(e.Kind), Step: int(e.Step), Group: int(e.Group), Blank: blank, Token: token,
			ID: e.Token, Text: f.Codec.Spell(task, int(e.Position), e.Token), LogProb: e.LogProb, Dropped: int(e.Dropped),
		}
	}
	return d
}

func kindOf(k decode.EventKind) explain.Kind {
	switch k {
	case decode.Accepted:
		return explain.Accept
	case decode.Refused:
		return explain.Refuse
	case decode.Reopened:
		return explain.Reopen
	case decode.Checked:
		return explain.Check
	}
	return explain.Commit
}
