package tokenize

// form is what the components of a tokenizer.json come to: how text is cut and spaces
// are treated, with the JSON that says so. A file is recognised by comparison with it.
type form struct {
	pipeline     Pipeline
	spacing      spacing
	normalizer   string
	preTokenizer string
	decoder      string
}

const (
	byteLevel        = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`
	byteLevelPlain   = `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}`
	byteLevelDecoder = `{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`

	patternHead = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}`
	patternTail = `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

	markSpaces    = `{"type":"Replace","pattern":{"String":" "},"content":"▁"}`
	unmark        = `{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"}`
	unmarkDecoder = `{"type":"Sequence","decoders":[` + unmark + `]}`
	stripDecoder  = `{"type":"Sequence","decoders":[` + unmark + `,{"type":"Strip","content":" ","start":1,"stop":0}]}`
)

// forms returns all that are known, first those that Train can use.
func forms() []form {
	split := func(pattern string) string {
		return `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"` + pattern + `"},"behavior":"Isolated","invert":false},` + byteLevelPlain + `]}`
	}
	metaspace := func(scheme string) string {
		return `{"type":"Metaspace","replacement":"▁","prepend_scheme":"` + scheme + `","split":false}`
	}
	const null = "null"
	return []form{
		{GPT2, literal, null, byteLevel, byteLevelDecoder},
		{Llama3, literal, null, split(patternHead + "{1,3}" + patternTail), byteLevelDecoder},
		{SmolLM2, literal, null, `{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},` + byteLevel + `]}`, byteLevelDecoder},
		{Qwen2, literal, null, split(patternHead + patternTail), byteLevelDecoder},
		{SentencePiece, prepended, `{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},` + markSpaces + `]}`, null, stripDecoder},
		{SentencePiece, replaced, markSpaces, null, unmarkDecoder},
		{SentencePiece, metaspaceFirst, null, metaspace("first"), stripDecoder},
		{SentencePiece, metaspaceAlways, null, metaspace("always"), stripDecoder},
		{SentencePiece, metaspaceNever, null, metaspace("never"), unmarkDecoder},
	}
}

// formOf returns the form of a pipeline with a spacing.
func formOf(p Pipeline, s spacing) form {
	for _, f := range forms() {
		if f.pipeline == p && f.spacing == s {
			return f
		}
	}
	panic("tokenize: no form for " + p.String())
}
