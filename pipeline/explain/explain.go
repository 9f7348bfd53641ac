// Package explain tells how a document was decoded: which token became known in which
// step, with what confidence and in which group, and what was refused, reopened or looked
// at again. It tells so as text, as JSON lines, or as one HTML page that replays the
// decoding and needs nothing but itself.
//
// Equal decodings give equal bytes. Whatever stands in a document, it stays text.
package explain

import (
	"fmt"
	"math"
	"strings"

	"github.com/any-order/a3/pipeline/infill/record"
)

// Form is how an explanation is written.
type Form string

// The forms.
const (
	Text Form = "text"
	JSON Form = "json"
	HTML Form = "html"
)

// ParseForm reads the name of a form.
func ParseForm(name string) (Form, error) {
	switch f := Form(name); f {
	case Text, JSON, HTML:
		return f, nil
	}
	return "", fmt.Errorf("form %q: use %s, %s or %s", name, Text, JSON, HTML)
}

// Kind says what happened to a token.
type Kind string

// The kinds.
const (
	Commit Kind = "commit" // it became known
	Accept Kind = "accept" // it was drafted, was found right, and became known
	Refuse Kind = "refuse" // it was drafted and did not stay; what comes instead is committed next
	Reopen Kind = "reopen" // it stood there; now the place is blank again
	Check  Kind = "check"  // it stands there and was judged given all else
)

// Document is a decoded document.
type Document struct {
	Record     *record.Record
	Origin     string // where the record came from
	Parts      []Part // of the text, in order
	Events     []Event
	Steps      int // decisions
	ModelCalls int
}

// Part is a piece of a document: given text, or a blank.
type Part struct {
	Given []byte
	Final [][]byte // of a blank: the text of each of its tokens in the end; nil = given text
}

// Event is one thing that happened to a token. Blanks, and tokens in a blank, have
// numbers from 0, as in the output record.
type Event struct {
	Kind    Kind
	Step    int
	Group   int // index of the group that became known, as counted then; -1 = none did
	Blank   int
	Token   int // in its blank
	ID      int32
	Text    []byte  // of the token, as in the output's text
	LogProb float64 // the model's own: at a commit as it was then, at a check given all else
	Dropped int     // of Refuse: tokens behind it in the draft, which nobody looked at
}

// Scored reports whether the event has a log-probability.
func (e *Event) Scored() bool { return e.Kind == Commit || e.Kind == Accept || e.Kind == Check }

// Confidence is the probability of the token.
func (e *Event) Confidence() float64 { return math.Exp(e.LogProb) }

// percent is the confidence as people read it, empty if there is none.
func (e *Event) percent() string {
	if !e.Scored() {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*e.Confidence())
}

// note says in words what the other columns leave out.
func (e *Event) note() string {
	if e.Kind == Refuse && e.Dropped > 0 {
		return fmt.Sprintf("and %d behind it in the draft dropped", e.Dropped)
	}
	return ""
}

// group is the event's group, empty if there is none.
func (e *Event) group() string {
	if e.Group < 0 {
		return ""
	}
	return fmt.Sprint(e.Group)
}

// name is how a document is called: its id, else where it came from.
func (d *Document) name() string {
	if d.Record.ID != "" {
		return d.Record.ID
	}
	return d.Origin
}

// tokens is the number of places that were filled.
func (d *Document) tokens() (n int) {
	for _, p := range d.Parts {
		n += len(p.Final)
	}
	return n
}

// cost says in words what the document took.
func (d *Document) cost() string {
	return strings.Join([]string{count(d.tokens(), "token"), count(d.Steps, "step"), count(d.ModelCalls, "model call")}, ", ")
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Writer writes explanations in one form. It is safe for concurrent use.
type Writer struct {
	form Form
	page *page // of HTML
}

// NewWriter returns a writer.
func NewWriter(form Form) *Writer {
	w := &Writer{form: form}
	if form == HTML {
		w.page = newPage()
	}
	return w
}

// Head is what comes before the first document.
func (w *Writer) Head() []byte {
	if w.form == HTML {
		return w.page.head()
	}
	return nil
}

// Tail is what comes behind the last document.
func (w *Writer) Tail() []byte {
	if w.form == HTML {
		return w.page.tail()
	}
	return nil
}

// Document returns the explanation of a document, with a line break at its end.
func (w *Writer) Document(d *Document) []byte {
	switch w.form {
	case JSON:
		return appendJSON(nil, d)
	case HTML:
		return w.page.document(d)
	}
	return appendText(nil, d)
}
