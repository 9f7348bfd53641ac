// Package infill is what the infill job means, as pure functions: a record's bytes
// become a document with blanks, the document becomes a canvas for the engine, and
// the engine's result becomes the bytes of the output record.
//
//	doc, err := infill.Parse(line, opts)       // record  -> Document
//	task, err := codec.Encode(encoder, doc)    // Document -> Task (canvas, key, constraints)
//	...                                        // the engine fills task.Canvas
//	line, err := codec.Output(task, &result)   // Result  -> record
//
// # Input
//
// A record is JSON (see package record) with a text and its blanks. Blanks are
// either markers in the text,
//
//	{"id": "t1", "text": "Once {{blank:4}} there was a {{blank}}."}
//
// or byte spans of the text, end exclusive, which are cut out and filled anew:
//
//	{"id": "t1", "text": "Once there was a cat.", "blanks": [{"start": 17, "end": 20, "tokens": 1}]}
//
// Markers are recognised only where there is no "blanks" field. A blank's length is
// a number of tokens, 1 to Options.MaxTokens; where it is missing, it is
// Options.BlankTokens. Spans are in ascending order, do not overlap, do not split a
// UTF-8 character; start == end inserts, and several blanks may touch.
// A marker is exactly {{blank}} or {{blank:N}}; two more braces in front make it
// literal: {{{{blank}} is the text "{{blank}}", {{{{{{blank}} is "{{{{blank}}", and
// so on. All other text, braces included, stands for itself.
// Fields of a blank that we do not know pass through, as those of the record do.
// A record without any blank is an error: nothing could be done to it.
//
// # Canvas
//
// The positions are BOS; the text between blanks, each piece tokenized by itself;
// each blank's positions; EOS, if the tokenizer has one. A space just before a
// blank is folded into it: the piece is tokenized without the space, and the
// blank's first token must start with one (LeadingSpace), as it would in training
// text. The space stays in the given text, so it is dropped from the blank's.
// SentencePiece vocabularies expect a space before a document (Tokenizer.Prefix). The
// first piece is tokenized with it; if a blank comes first, it is folded into that. It
// is no part of the output.
//
// # Output
//
//	{"id", "text", "blanks": [{"start", "end", "text", "tokens", "token_ids",
//	 "logprob", "order"}], "logprob", "stats": {"steps", "model_calls", "rows",
//	 "tokens"}, ...other fields}
//
// start and end are byte offsets in the output text; tokens is a count; logprob is
// the natural logarithm of the model's own probability, summed over the blank, and
// over all blanks (of the final groups, if a strategy reopened positions: stats then
// says how many, as "reopened"); order holds the
// step in which each token was committed. A blank
// that replaced text has it as "replaced". Where a text is not valid UTF-8, its
// bytes stand beside it as "bytes_b64" ("replaced_b64"); offsets count those bytes.
// An output record is a valid input record: its blanks would be filled anew. (It is
// refused if a blank was filled with part of a character that a neighbour completes,
// for then its offsets split that character.)
//
// Guarantee: outside the blanks, the output text is the given text byte for byte.
// It is copied, never decoded from tokens.
package infill
