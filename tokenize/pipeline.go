package tokenize

import "fmt"

// Pipeline names a way to cut text into words before BPE.
type Pipeline uint8

// The pipelines. All but the last are byte-level: the words' bytes are the first symbols.
const (
	GPT2          Pipeline = iota + 1 // ByteLevel with its regular expression
	Llama3                            // Split with Llama-3's regular expression, then ByteLevel
	SmolLM2                           // Digits, one by one, then ByteLevel with its regular expression
	Qwen2                             // as Llama3, but every number alone
	SentencePiece                     // none: words may hold spaces; the first symbols are characters. Train cannot make it
)

// ParsePipeline returns the pipeline that Train can use of a name: gpt2, llama3, smollm2
// or qwen2.
func ParsePipeline(name string) (Pipeline, error) {
	for p := GPT2; p.trainable(); p++ {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, fmt.Errorf("unknown pipeline %q; known: gpt2, llama3, smollm2, qwen2", name)
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
	case Qwen2:
		return "qwen2"
	case SentencePiece:
		return "sentencepiece"
	}
	return fmt.Sprintf("Pipeline(%d)", uint8(p))
}

// trainable reports whether the pipeline is byte-level.
func (p Pipeline) trainable() bool { return GPT2 <= p && p < SentencePiece }

// splitter returns the splitter of a byte-level pipeline.
func (p Pipeline) splitter() splitter {
	switch p {
	case GPT2:
		return regexClasses().splitGPT2
	case Llama3:
		return regexClasses().splitLlama3
	case SmolLM2:
		return digitsClasses().splitSmolLM2
	case Qwen2:
		return regexClasses().splitQwen2
	}
	panic("tokenize: no splitter for " + p.String())
}
