package tokenize

import "fmt"

// Pipeline names a way to cut text into words before BPE.
type Pipeline uint8

// The pipelines. All are byte-level: the words' bytes are the first symbols.
const (
	GPT2    Pipeline = iota + 1 // ByteLevel with its regular expression
	Llama3                      // Split with Llama-3's regular expression, then ByteLevel
	SmolLM2                     // Digits, one by one, then ByteLevel with its regular expression
)

// ParsePipeline returns the pipeline of a name: gpt2, llama3 or smollm2.
func ParsePipeline(name string) (Pipeline, error) {
	for p := GPT2; p.valid(); p++ {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("unknown pipeline %q; known: gpt2, llama3, smollm2", name)
}

// String returns the name that ParsePipeline takes.
func (p Pipeline) String() string {
	switch p {
	case GPT2:
		return "gpt2"
	case Llama3:
		return "llama3"
	case SmolLM2:
		return "smollm2"
	}
	return fmt.Sprintf("Pipeline(%d)", uint8(p))
}

func (p Pipeline) valid() bool { return GPT2 <= p && p <= SmolLM2 }

// preTokenizer returns the pipeline as the pre_tokenizer of a tokenizer.json. A file
// is recognised by comparison with it.
func (p Pipeline) preTokenizer() string {
	switch p {
	case GPT2:
		return `{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}`
	case Llama3:
		return `{"type":"Sequence","pretokenizers":[` +
			`{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},` +
			`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`
	case SmolLM2:
		return `{"type":"Sequence","pretokenizers":[` +
			`{"type":"Digits","individual_digits":true},` +
			`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}`
	}
	panic("tokenize: no pre-tokenizer for " + p.String())
}

// splitter returns the pipeline's splitter and the classes it goes by.
func (p Pipeline) splitter() (splitter, *classTable) {
	switch p {
	case GPT2:
		return splitGPT2, regexClasses()
	case Llama3:
		return splitLlama3, regexClasses()
	case SmolLM2:
		return splitSmolLM2, digitsClasses()
	}
	panic("tokenize: no splitter for " + p.String())
}
