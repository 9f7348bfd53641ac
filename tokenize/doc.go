// Package tokenize turns text into token ids and back, without loss for all bytes that
// have a token; in a vocabulary that Train made, that is any bytes.
//
// It is byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) as Hugging Face's
// tokenizers library does it, id for id. A Tokenizer is loaded from a tokenizer.json,
// or trained; it is immutable and shared. An Encoder belongs to one goroutine.
//
//	tok, err := tokenize.Load("tokenizer.json")
//	enc := tok.NewEncoder()
//	ids := enc.Append(nil, text)         // no BOS, no EOS; nothing in text is a control token
//	same := tok.AppendText(nil, ids)     // exactly the bytes of text
//
// What a file asks for is either done exactly or refused by name. DESIGN.md says how
// the package is laid out and what is easy to get wrong.
package tokenize
