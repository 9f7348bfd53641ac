package pipeline

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/any-order/a3/connectors"
)

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
