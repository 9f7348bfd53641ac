package checkpoint

// DType names the type of a tensor's elements as safetensors spells it.
type DType string

// The element types that can be converted. Tensors of other known types (BOOL, U16,
// F8_E4M3 and so on) can be listed and taken as bytes.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"  // IEEE 754 half precision
	BF16 DType = "BF16" // the upper half of a float32
	I64  DType = "I64"
	I32  DType = "I32"
	I8   DType = "I8"
	U8   DType = "U8"
)

// Size returns the bytes of one element, or 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64, "U64":
		return 8
	case F32, I32, "U32":
		return 4
	case F16, BF16, "I16", "U16":
		return 2
	case I8, U8, "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0":
		return 1
	}
	return 0
}

// Info describes a tensor. Data is row-major: the last index runs fastest.
type Info struct {
	DType DType
	Shape []int // empty for a scalar
}

// Len returns the number of elements.
func (i Info) Len() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}
