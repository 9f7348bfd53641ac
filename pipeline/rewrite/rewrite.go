package rewrite

import (
	"fmt"

	"github.com/any-order/a3/pipeline/infill"
	"github.com/any-order/a3/pipeline/infill/record"
)

// Options say how records are read and how long the blanks are.
type Options struct {
	record.Options
	Tokens    int // length of each blank; 0 = as many as the text that it replaces has
	MaxTokens int // the most that Tokens may be
	MaxBlanks int // most matches in a document
}

// DefaultOptions returns the options that hold where the user says nothing.
func DefaultOptions() Options {
	o := infill.DefaultOptions()
	return Options{Options: o.Options, MaxTokens: o.MaxTokens, MaxBlanks: o.MaxBlanks}
}

// Validate reports options that contradict each other.
func (o Options) Validate() error {
	if err := o.Options.Validate(); err != nil {
		return err
	}
	if o.MaxBlanks < 1 {
		return fmt.Errorf("max blanks is %d; it must be at least 1", o.MaxBlanks)
	}
	if o.Tokens < 0 || o.Tokens > o.MaxTokens {
		return fmt.Errorf("tokens is %d; it must be 1 to %d, or 0 for the length of the replaced text", o.Tokens, o.MaxTokens)
	}
	return nil
}

// Parse reads a rewrite record and makes blanks of what sel finds. A document
// without blanks has nothing to rewrite: its output is Record.Unchanged. A record
// that cannot be processed gives a *record.Error. The document aliases raw.
func Parse(raw []byte, sel *Selector, opts Options) (*infill.Document, error) {
	rec, err := record.Parse(raw, record.Schema{Write: []string{"blanks", "logprob", "stats"}}, opts.Options)
	if err != nil {
		return nil, err
	}
	doc := &infill.Document{Record: rec, Text: rec.Text}
	parts := sel.find(rec.Text, opts.MaxBlanks+1)
	if len(parts) > opts.MaxBlanks {
		return nil, rec.Name(&record.Error{Field: "text", Reason: fmt.Sprintf("the pattern matches more than %d times", opts.MaxBlanks),
			Remedy: "split the document, or raise the limit"})
	}
	for _, p := range parts {
		doc.Blanks = append(doc.Blanks, infill.Blank{Start: p[0], End: p[1], Tokens: opts.Tokens})
	}
	return doc, nil
}
