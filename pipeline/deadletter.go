package pipeline

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/any-order/a3/connectors"
)

// The headers of a dead letter. Its value, key and other headers are the input's.
const (
	errorHeaders = "a3.error."
	HeaderError  = errorHeaders + "reason"
	HeaderOrigin = errorHeaders + "origin" // as a person reads it
	HeaderStage  = errorHeaders + "stage"  // read, prepare, compute, write or attempts
	// HeaderOmitted stands when the value was too large for the dead letters with all the
	// headers: how many bytes it had. It is still in the input, at the origin.
	HeaderOmitted = errorHeaders + "omitted_bytes"
	// HeaderRows stands in the dead letter of a record of several rows of which some failed:
	// which, from 1 on, such as 2,5-7. The results of the others are in the output.
	HeaderRows = errorHeaders + "rows"
)

// stageAttempts is where a record fails of which workers died.
const stageAttempts Stage = "attempts"

// fail makes a failure of the item.
func (i *Item) fail(at Stage, err error) {
	i.stage, i.Err = at, err
}

// deadLetter returns the record of failures: of an item, or of some rows of a parcel.
func deadLetter(group []*Item) connectors.Record {
	first := group[0]
	rec, reason := first.Delivery.Record, first.Err.Error()
	if first.parcel != nil {
		rec, reason = first.parcel.delivery.Record, reasonsOf(group)
	}
	rec.Headers = slices.Clone(withoutErrors(rec.Headers))
	add := func(name, value string) {
		rec.Headers = append(rec.Headers, connectors.Header{Name: name, Value: []byte(value)})
	}
	add(HeaderOrigin, rec.Origin.String())
	add(HeaderStage, string(first.stage))
	add(HeaderError, reason)
	if first.parcel != nil {
		add(HeaderRows, rowsOf(group))
	}
	if first.abridged {
		add(HeaderOmitted, strconv.Itoa(len(rec.Value)))
		rec.Value = []byte{} // not a tombstone
	}
	return rec
}

// Unreadable returns the dead letter of a delivery that its source could not read whole.
func Unreadable(d *connectors.Delivery) connectors.Record {
	item := &Item{Delivery: *d}
	item.fail(StageRead, d.Err)
	return deadLetter([]*Item{item})
}

// withoutErrors leaves out what an earlier job said of a record that was a dead letter.
func withoutErrors(headers []connectors.Header) []connectors.Header {
	ofErrors := func(h connectors.Header) bool { return strings.HasPrefix(h.Name, errorHeaders) }
	if !slices.ContainsFunc(headers, ofErrors) {
		return headers
	}
	return slices.DeleteFunc(slices.Clone(headers), ofErrors) // the input's are the source's
}

// Complaints is the sink of dead letters where the user named none: a line for each on
// a writer, standard error as a rule.
type Complaints struct{ W io.Writer }

// Write prints origin and reason of each record.
func (c Complaints) Write(_ context.Context, records []connectors.Record) error {
	for i := range records {
		origin, reason := letter(&records[i])
		if _, err := fmt.Fprintf(c.W, "%s: %s\n", origin, reason); err != nil {
			return err
		}
	}
	return nil
}

// Close does nothing.
func (c Complaints) Close(context.Context) error { return nil }

// Enveloped is a sink of dead letters for files, which have no headers: each letter
// becomes one line of JSON.
//
//	{"origin": "stories.jsonl:3", "error": "...", "record": "<the line as text>"}
//
// A record that is not valid UTF-8 stands as "record_b64" instead.
type Enveloped struct{ connectors.Sink }

// Write wraps the records and writes them.
func (e Enveloped) Write(ctx context.Context, records []connectors.Record) error {
	wrapped := make([]connectors.Record, len(records))
	for i := range records {
		origin, reason := letter(&records[i])
		line := struct {
			Origin string  `json:"origin"`
			Error  string  `json:"error"`
			Record *string `json:"record,omitempty"`
			Base64 string  `json:"record_b64,omitempty"`
		}{Origin: origin, Error: reason}
		if value := records[i].Value; utf8.Valid(value) {
			text := string(value)
			line.Record = &text
		} else {
			line.Base64 = base64.StdEncoding.EncodeToString(value)
		}
		text, err := json.Marshal(line)
		if err != nil {
			return err
		}
		wrapped[i] = records[i]
		wrapped[i].Value = text
	}
	return e.Sink.Write(ctx, wrapped)
}

// letter returns what deadLetter wrote to the headers.
func letter(rec *connectors.Record) (origin, reason string) {
	for _, h := range rec.Headers {
		switch h.Name {
		case HeaderOrigin:
			origin = string(h.Value)
		case HeaderError:
			reason = string(h.Value)
		}
	}
	return origin, reason
}
