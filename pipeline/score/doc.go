// Package score is what the score job means: how probable the model finds a text.
//
//	doc, err := score.Parse(line, opts)             // record -> document without blanks
//	task, err := codec.Encode(encoder, doc)         // codec is an *infill.Codec
//	segment := score.Segment(task)                  // what the engine scores
//	line, err := score.Output(task, logProb, opts)  // log-probabilities -> record
//
// # Input
//
// {"id", "text"}, read as every record (see package record). Markers in the text are
// text; other fields pass through.
//
// # Output
//
//	{"id", "tokens", "logprob", "logprob_per_token", "perplexity", "bits_per_byte",
//	 "token_ids", "token_logprobs", ...other fields}
//
// The tokens are those of the text and EOS, if the tokenizer has one: a document
// ends where its record ends. BOS is given and not counted. logprob is the natural
// logarithm of the model's own probability; perplexity is exp(-logprob_per_token);
// bits_per_byte is -logprob in bits over the bytes of the text, and so can be
// compared between tokenizers. The text itself is left out. token_ids and
// token_logprobs stand only where they are asked for.
package score
