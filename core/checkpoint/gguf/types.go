package gguf

import "fmt"

// Type is a type of tensors as the file numbers it.
type Type uint32

// The types that are read. A Q type holds blocks of quantised elements that share a
// scale; those ending in K hold super-blocks of 256, whose blocks' scales are quantised.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q2K  Type = 10
	Q3K  Type = 11
	Q4K  Type = 12
	Q5K  Type = 13
	Q6K  Type = 14
	BF16 Type = 30
)

// typeNames are all types, so that one which is not read is refused by its name.
var typeNames = map[Type]string{
	F32: "F32", F16: "F16", BF16: "BF16",
	Q4_0: "Q4_0", Q4_1: "Q4_1", Q5_0: "Q5_0", Q5_1: "Q5_1", Q8_0: "Q8_0", 9: "Q8_1",
	Q2K: "Q2_K", Q3K: "Q3_K", Q4K: "Q4_K", Q5K: "Q5_K", Q6K: "Q6_K", 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
	34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}

func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// layout says how the elements of a type lie in a file.
type layout struct {
	elements int // of a block
	bytes    int // of a block
	// block stores the elements of one block in out.
	block func(out *[maxBlock]float32, raw []byte)
}

// maxBlock is the number of elements of the largest block.
const maxBlock = 256

// layout returns the zero value for a type that is not read.
func (t Type) layout() layout {
	switch t {
	case F32:
		return layout{1, 4, f32Block}
	case F16:
		return layout{1, 2, f16Block}
	case BF16:
		return layout{1, 2, bf16Block}
	case Q4_0:
		return layout{32, 2 + 16, q4_0Block}
	case Q4_1:
		return layout{32, 4 + 16, q4_1Block}
	case Q5_0:
		return layout{32, 2 + 4 + 16, q5_0Block}
	case Q5_1:
		return layout{32, 4 + 4 + 16, q5_1Block}
	case Q8_0:
		return layout{32, 2 + 32, q8_0Block}
	case Q2K:
		return layout{256, 16 + 64 + 4, q2KBlock}
	case Q3K:
		return layout{256, 32 + 64 + 12 + 2, q3KBlock}
	case Q4K:
		return layout{256, 4 + 12 + 128, q4KBlock}
	case Q5K:
		return layout{256, 4 + 12 + 32 + 128, q5KBlock}
	case Q6K:
		return layout{256, 128 + 64 + 16 + 2, q6KBlock}
	}
	return layout{}
}

// decode stores elements in dst, those of whole blocks in raw without the first few of
// them, until either ends, and returns how many.
func (l layout) decode(dst []float32, raw []byte, without int) int {
	var block [maxBlock]float32
	n := 0
	for ; len(raw) > 0 && n < len(dst); raw = raw[l.bytes:] {
		l.block(&block, raw[:l.bytes])
		n += copy(dst[n:], block[without:l.elements])
		without = 0
	}
	return n
}
