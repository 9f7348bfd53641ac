package explain

import (
	"fmt"
	"strconv"

	"github.com/any-order/a3/pipeline/infill/record"
)

// appendText appends a document as a table. All that comes from it is quoted, so that
// nothing in it can move a terminal's cursor.
func appendText(dst []byte, d *Document) []byte {
	var text []byte
	for _, p := range d.Parts {
		text = append(text, p.Given...)
		if p.Final != nil {
			text = append(text, '[')
			for _, token := range p.Final {
				text = append(text, token...)
			}
			text = append(text, ']')
		}
	}
	dst = fmt.Appendf(dst, "%s: %s\n  %s\n", strconv.Quote(d.name()), d.cost(), strconv.Quote(record.Display(text)))
	dst = append(dst, "  step group blank token confidence\n"...)
	step := -1
	for i := range d.Events {
		e := &d.Events[i]
		shown := ""
		if e.Step != step { // once for all that it did
			step, shown = e.Step, strconv.Itoa(e.Step)
		}
		dst = fmt.Appendf(dst, "  %4s %5s %5d %5d %10s  %s %s", shown, e.group(), e.Blank, e.Token, e.percent(), e.Kind, strconv.Quote(record.Display(e.Text)))
		if note := e.note(); note != "" {
			dst = append(append(dst, ' '), note...)
		}
		dst = append(dst, '\n')
	}
	return dst
}
