package explain

import (
	"strconv"

	"github.com/any-order/a3/pipeline/infill/record"
)

// appendJSON appends a document as one line.
func appendJSON(dst []byte, d *Document) []byte {
	dst = d.Record.AppendID(append(dst, '{'))
	dst = record.AppendText(dst, "origin", "origin_b64", []byte(d.Origin))
	dst = record.AppendInt(dst, "tokens", d.tokens())
	dst = record.AppendInt(dst, "steps", d.Steps)
	dst = record.AppendInt(dst, "model_calls", d.ModelCalls)
	dst = append(record.AppendKey(dst, "events"), '[')
	for i := range d.Events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEvent(dst, &d.Events[i])
	}
	return append(dst, "]}\n"...)
}

func appendEvent(dst []byte, e *Event) []byte {
	dst = record.AppendInt(append(dst, '{'), "step", e.Step)
	dst = append(record.AppendKey(dst, "kind"), strconv.Quote(string(e.Kind))...)
	if e.Group >= 0 {
		dst = record.AppendInt(dst, "group", e.Group)
	}
	dst = record.AppendInt(dst, "blank", e.Blank)
	dst = record.AppendInt(dst, "token", e.Token)
	dst = record.AppendInt(dst, "token_id", int(e.ID))
	dst = record.AppendText(dst, "text", "bytes_b64", e.Text)
	if e.Scored() {
		dst = record.AppendFloat(dst, "probability", e.Confidence())
		dst = record.AppendFloat(dst, "logprob", e.LogProb)
	}
	if e.Kind == Refuse {
		dst = record.AppendInt(dst, "dropped", e.Dropped)
	}
	return append(dst, '}')
}
