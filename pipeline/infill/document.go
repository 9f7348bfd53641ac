package infill

import (
	"bytes"
	"strconv"

	"github.com/any-order/a3/pipeline/infill/record"
)

// Document is a text with blanks: what a record of the job means.
type Document struct {
	Record *record.Record
	Text   []byte  // without markers; may alias the record
	Blanks []Blank // ascending, not overlapping
}

// Blank is a span of a document that is to be filled.
type Blank struct {
	Start, End int // bytes of Document.Text that the blank replaces
	Tokens     int // its length; 0 = as many as the text that it replaces has

	fields record.Object // of the blank in the record
}

// schema names the fields of an infill record.
func schema() record.Schema {
	return record.Schema{
		Read:  []string{"blanks"},
		Write: []string{"logprob", "stats"},
	}
}

// Parse reads an infill record. A record that cannot be processed gives a
// *record.Error. The document aliases raw.
func Parse(raw []byte, opts Options) (*Document, error) {
	rec, err := record.Parse(raw, schema(), opts.Options)
	if err != nil {
		return nil, err
	}
	doc := &Document{Record: rec, Text: rec.Text}
	if value := rec.Object.Get("blanks"); value != nil {
		doc.Blanks, err = parseBlanks(value, doc.Text, opts)
	} else {
		doc.Text, doc.Blanks, err = cutMarkers(rec.Text, opts)
	}
	if err == nil && len(doc.Blanks) == 0 {
		err = noBlanks(doc.Text)
	}
	if err != nil {
		return nil, rec.Name(err)
	}
	return doc, nil
}

func noBlanks(text []byte) error {
	if len(text) == 0 {
		return &record.Error{Field: "text", Reason: "empty, and without blanks"}
	}
	return &record.Error{Field: "text", Reason: "no blank to fill",
		Remedy: `mark one as {{blank}} or {{blank:4}} (without spaces), or list spans in "blanks"`}
}

// Key returns the key by which random numbers are drawn for the document: the
// record's id, else the text with its blanks as markers, hashed. The same blanks
// give the same key however the record wrote them.
func (d *Document) Key() uint64 {
	var content bytes.Buffer
	end := 0
	for _, b := range d.Blanks {
		content.Write(d.Text[end:b.Start])
		content.WriteString("{{blank:" + strconv.Itoa(b.Tokens) + "}}")
		end = b.End
	}
	content.Write(d.Text[end:])
	return d.Record.Key(content.Bytes())
}
