package infill

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/any-order/a3/core/seq"
	"github.com/any-order/a3/pipeline/infill/record"
)

// Tokenizer is what the jobs need to know of a vocabulary. It is safe for
// concurrent use. *tokenize.Tokenizer implements it.
type Tokenizer interface {
	AppendText(dst []byte, ids []int32) []byte // exactly the bytes of the tokens
	Start() (id int32, ok bool)                // before every document: BOS, else EOS
	EOS() (id int32, ok bool)
	IsSpecial(id int32) bool               // true also outside the vocabulary
	Prefix(text []byte) string             // what stands, unseen, before a document that begins with text: a space or nothing
	TokensStartingWith(first byte) []int32 // text tokens, ascending
}

// Encoder appends the tokens of text to dst. It belongs to one goroutine.
// *tokenize.Encoder implements it; it should not recognise special tokens in text.
type Encoder interface {
	Append(dst []int32, text []byte) []int32
}

// Codec turns documents into canvases and results into records. It is immutable
// and safe for concurrent use.
type Codec struct {
	tok     Tokenizer
	bos     int32
	eos     int32
	hasEOS  bool
	context int
}

// NewCodec returns a codec for a vocabulary and a model whose context is the given
// number of positions, 0 = no limit.
func NewCodec(tok Tokenizer, context int) (*Codec, error) {
	c := &Codec{tok: tok, context: context}
	c.eos, c.hasEOS = tok.EOS()
	var ok bool
	if c.bos, ok = tok.Start(); !ok {
		return nil, errors.New("the tokenizer has neither a BOS nor an EOS token, and a document must begin with one")
	}
	if len(tok.TokensStartingWith(' ')) == 0 {
		return nil, errors.New("the tokenizer has no token that starts with a space, so a blank behind a space cannot be filled")
	}
	return c, nil
}

// Task is a document as the engine takes it.
type Task struct {
	Doc         *Document
	Canvas      *seq.Canvas
	Key         uint64       // the document's key for random numbers
	Constraints []Constraint // ascending by position

	spans []span // [Doc.Blanks]
}

// ContextError is a document that has more positions than the model can see. It is
// the record's own fault: it wraps a *record.Error.
type ContextError struct {
	ID        string // the record's, "" if it has none
	Given     int    // positions of given text, BOS and EOS included
	Blank     int    // positions to fill
	Context   int    // positions of the model
	TextBytes int
}

func (e *ContextError) Error() string { return e.Unwrap().Error() }

// Unwrap returns the *record.Error.
func (e *ContextError) Unwrap() error {
	return &record.Error{ID: e.ID, Field: "text",
		Reason: fmt.Sprintf("%d positions (%d given, from %d bytes, and %d blank), but the model's context is %d",
			e.Given+e.Blank, e.Given, e.TextBytes, e.Blank, e.Context),
		Remedy: "split the document, shorten its blanks, or use a model with a longer context"}
}

// Encode lays the document out on a canvas. A document that is too long for the
// model is a *ContextError.
func (c *Codec) Encode(enc Encoder, doc *Document) (*Task, error) {
	task := &Task{Doc: doc, Canvas: seq.NewCanvas(c.bos), Key: doc.Key()}
	var ids []int32 // scratch
	end, blank := 0, 0
	for i, b := range doc.Blanks {
		piece := doc.Text[end:b.Start]
		if i == 0 {
			piece = c.begin(piece)
		}
		piece, folded := bytes.CutSuffix(piece, []byte{' '})
		ids = enc.Append(ids[:0], piece)
		task.Canvas.AppendKnown(ids...)

		s := span{first: task.Canvas.Len(), count: b.Tokens, folded: folded}
		if s.count == 0 {
			ids = enc.Append(ids[:0], s.whole(doc.Text, b))
			s.count = max(len(ids), 1) // 0 where no byte of it has a token in the vocabulary
		}
		if folded {
			task.Constraints = append(task.Constraints, Constraint{Position: int32(s.first), Kind: LeadingSpace})
		}
		task.Canvas.AppendBlank(s.count)
		task.spans = append(task.spans, s)
		end = b.End
		blank += s.count
	}
	piece := doc.Text[end:]
	if len(doc.Blanks) == 0 && len(piece) > 0 {
		piece = c.begin(piece)
	}
	ids = enc.Append(ids[:0], piece)
	task.Canvas.AppendKnown(ids...)
	if c.hasEOS {
		task.Canvas.AppendKnown(c.eos)
	}
	if n := task.Canvas.Len(); c.context > 0 && n > c.context {
		return nil, &ContextError{ID: doc.Record.ID, Given: n - blank, Blank: blank, Context: c.context, TextBytes: len(doc.Text)}
	}
	return task, nil
}

// begin returns the first given piece of a document with the tokenizer's prefix, which
// is never part of the output. Before a blank that begins the document it is folded into
// the blank as a space of the text would be.
func (c *Codec) begin(piece []byte) []byte {
	if prefix := c.tok.Prefix(piece); prefix != "" {
		return append([]byte(prefix), piece...)
	}
	return piece
}

// span is where a blank stands on the canvas.
type span struct {
	first  int  // position
	count  int  // positions
	folded bool // the space before the blank, or before the document, is part of its first token
}

// whole returns the text that b replaces as the span's tokens would spell it: with
// the space in front, if that is folded into them.
func (s span) whole(text []byte, b Blank) []byte {
	if s.folded {
		return append([]byte{' '}, text[b.Start:b.End]...)
	}
	return text[b.Start:b.End]
}
