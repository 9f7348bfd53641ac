package checkpoint

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint/internal/half"
)

// readable has one tensor of every dtype; its bytes are written by hand.
func readable(t *testing.T) *File {
	t.Helper()
	f, err := Parse(rawFile(
		`{"f64":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},`+
			`"i64":{"dtype":"I64","shape":[2],"data_offsets":[16,32]},`+
			`"f32":{"dtype":"F32","shape":[2,1],"data_offsets":[32,40]},`+
			`"i32":{"dtype":"I32","shape":[2],"data_offsets":[40,48]},`+
			`"f16":{"dtype":"F16","shape":[2],"data_offsets":[48,52]},`+
			`"bf16":{"dtype":"BF16","shape":[2],"data_offsets":[52,56]},`+
			`"u8":{"dtype":"U8","shape":[2],"data_offsets":[56,58]},`+
			`"i8":{"dtype":"I8","shape":[2],"data_offsets":[58,60]},`+
			`"bool":{"dtype":"BOOL","shape":[2],"data_offsets":[60,62]}}`,
		[]byte("\x00\x00\x00\x00\x00\x00\xf8\x3f"+"\x01\x00\x00\x00\x00\x00\x00\xc0"+ // 1.5, -2-2^-51
			"\xff\xff\xff\xff\xff\xff\xff\xff"+"\x00\x00\x00\x00\x00\x00\x00\x80"+ // -1, -2^63
			"\x00\x00\xc0\x3f"+"\x01\x00\x00\xc0"+ // 1.5, -2-2^-22
			"\xff\xff\xff\xff"+"\xff\xff\xff\x7f"+ // -1, 2^31-1
			"\x00\x3e"+"\x01\xc0"+ // 1.5, -2-2^-9
			"\xc0\x3f"+"\x01\xc0"+ // 1.5, -2-2^-6
			"\xff\x7f"+"\xff\x80"+ // 255, 127; -1, -128
			"\x00\x01")))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestReadConverts(t *testing.T) {
	f := readable(t)
	for name, want := range map[string][2]float64{
		"f64":  {1.5, -2 - 0x1p-51},
		"f32":  {1.5, -2 - 0x1p-22},
		"f16":  {1.5, -2 - 0x1p-9},
		"bf16": {1.5, -2 - 0x1p-6},
	} {
		var got64 [2]float64
		if err := f.Float64(name, got64[:]); err != nil || got64 != want {
			t.Errorf("Float64(%s) = %v, %v, want %v", name, got64, err, want)
		}
		var got32 [2]float32
		want32 := [2]float32{float32(want[0]), float32(want[1])}
		if err := f.Float32(name, got32[:]); err != nil || got32 != want32 {
			t.Errorf("Float32(%s) = %v, %v, want %v", name, got32, err, want32)
		}
		if err := f.Int64(name, make([]int64, 2)); err == nil || !strings.Contains(err.Error(), "cannot be read as int64") {
			t.Errorf("Int64(%s): error %v", name, err)
		}
	}
	for name, want := range map[string][2]int64{
		"i64": {-1, math.MinInt64},
		"i32": {-1, math.MaxInt32},
		"u8":  {255, 127},
		"i8":  {-1, -128},
	} {
		var got [2]int64
		if err := f.Int64(name, got[:]); err != nil || got != want {
			t.Errorf("Int64(%s) = %v, %v, want %v", name, got, err, want)
		}
		if err := f.Float32(name, make([]float32, 2)); err == nil || !strings.Contains(err.Error(), "cannot be read as float32") {
			t.Errorf("Float32(%s): error %v", name, err)
		}
		if err := f.Float64(name, make([]float64, 2)); err == nil || !strings.Contains(err.Error(), "cannot be read as float64") {
			t.Errorf("Float64(%s): error %v", name, err)
		}
	}
	if b, err := f.Bytes("bool"); err != nil || string(b) != "\x00\x01" {
		t.Errorf("Bytes(bool) = %v, %v", b, err)
	}
}

func TestReadNamesTheTensor(t *testing.T) {
	f := readable(t)
	for want, err := range map[string]error{
		`no tensor "none"`: f.Float32("none", nil),
		`tensor "f32": shape [2 1] has 2 elements, the destination 3`: f.Float32("f32", make([]float32, 3)),
		`tensor "i64": shape [2] has 2 elements, the destination 0`:   f.Int64("i64", nil),
		`tensor "bool": dtype: BOOL cannot be read as int64`:          f.Int64("bool", make([]int64, 2)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := f.Info("none"); err == nil {
		t.Error("Info of a missing tensor succeeds")
	}
	if _, err := f.Bytes("none"); err == nil {
		t.Error("Bytes of a missing tensor succeeds")
	}
}

func TestInfoIsACopy(t *testing.T) {
	f := readable(t)
	info, _ := f.Info("f32")
	info.Shape[0] = 7
	if again, _ := f.Info("f32"); !slices.Equal(again.Shape, []int{2, 1}) || again.Len() != 2 {
		t.Errorf("the shape became %v", again.Shape)
	}
}

// Values that float32 cannot hold, and the option that refuses those that it can.
func TestFinite(t *testing.T) {
	values := make([]float32, pieceBytes/4+10) // two pieces
	last := len(values) - 3
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		values[last] = float32(bad)
		f := parseTensors(t, Tensor{Name: "w", DType: F32, Shape: []int{len(values)}, F32: values})
		dst := make([]float32, len(values))
		if err := f.Float32("w", dst); err != nil {
			t.Errorf("%v without Finite: %v", bad, err)
		}
		if math.Float32bits(dst[last]) != math.Float32bits(values[last]) {
			t.Errorf("%v was read as %v", bad, dst[last])
		}
		f.Finite = true
		want := fmt.Sprintf(`tensor "w": element %d is %v`, last, bad)
		for _, err := range []error{f.Float32("w", dst), f.Float64("w", make([]float64, len(dst)))} {
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		}
	}
	over, err := Parse(rawFile(`{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`,
		[]byte("\x00\x00\x00\x00\x00\x00\xf0\x7e"))) // 2^496
	if err != nil {
		t.Fatal(err)
	}
	if err := over.Float32("w", make([]float32, 1)); err == nil || !strings.Contains(err.Error(), "beyond float32") {
		t.Errorf("2^496 as float32: error %v", err)
	}
}

// Tensors around the size of a piece are read whole.
func TestReadInPieces(t *testing.T) {
	for _, n := range []int{0, 1, pieceBytes/8 - 1, pieceBytes / 8, pieceBytes/8 + 1, pieceBytes/2 + 1} {
		want := make([]float32, n)
		ids := make([]int64, n)
		for i := range want {
			want[i] = float32(i%1000) - 500
			ids[i] = int64(i) << 20
		}
		f := parseTensors(t,
			Tensor{Name: "bf16", DType: BF16, Shape: []int{n}, F32: want},
			Tensor{Name: "f32", DType: F32, Shape: []int{n}, F32: want},
			Tensor{Name: "i64", DType: I64, Shape: []int{n}, I64: ids})
		got, gotIDs := make([]float32, n), make([]int64, n)
		if err := f.Float32("f32", got); err != nil || !slices.Equal(got, want) {
			t.Errorf("F32 of %d elements: %v", n, err)
		}
		if err := f.Int64("i64", gotIDs); err != nil || !slices.Equal(gotIDs, ids) {
			t.Errorf("I64 of %d elements: %v", n, err)
		}
		if err := f.Float32("bf16", got); err != nil {
			t.Errorf("BF16 of %d elements: %v", n, err)
		}
		for i := range got {
			if want := half.FromBFloat16(half.BFloat16(want[i])); got[i] != want {
				t.Fatalf("BF16 of %d elements: element %d is %g, want %g", n, i, got[i], want)
			}
		}
	}
}
