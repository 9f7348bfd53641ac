// Package rewrite is what the rewrite job means: the matches of a pattern in a
// record's text become blanks, to be filled anew. All that follows, canvas and
// output, is the infill job's; each blank of the output has the text it "replaced".
//
//	sel, err := rewrite.ParseSelector(`regex:\b(?:cat|dog)\b`)
//	doc, err := rewrite.Parse(line, sel, opts)
//	if len(doc.Blanks) == 0 {
//		out = doc.Record.Unchanged() // nothing matched
//	}
//
// Records are read as the infill job reads them, but for blanks: markers in the text
// are text, and a "blanks" field, as an earlier job's output has, is replaced.
package rewrite
