package checkpoint

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// rawFile builds a safetensors file from the text of its header, unpadded.
func rawFile(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// hostileFiles are files that must be refused, with a part of the error.
func hostileFiles() []struct {
	name string
	file []byte
	want string
} {
	one := func(fields string) []byte { return rawFile(`{"w":{`+fields+`}}`, make([]byte, 8)) }
	length := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), "{}"...) }
	dims := strings.Repeat("1,", 16) + "2"
	return []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "0 bytes, too few"},
		{"short", []byte("1234567"), "7 bytes, too few"},
		{"length over limit", length(1 << 40), "exceeds the limit"},
		{"length wraps", length(1<<64 - 1), "exceeds the limit"},
		{"length over file", length(3), "the file is cut"},
		{"no header", rawFile("", nil), "does not begin with '{'"},
		{"leading space", rawFile(" {}", nil), "does not begin with '{'"},
		{"array", rawFile("[]", nil), "does not begin with '{'"},
		{"cut JSON", rawFile(`{"w":`, nil), "cut off"},
		{"text after", rawFile(`{}x`, nil), "1 bytes follow"},
		{"invalid UTF-8", rawFile("{\"\xff\":1}", nil), "UTF-8"},
		{"entry no object", rawFile(`{"w":1}`, nil), `tensor "w": want a JSON object`},
		{"empty name", rawFile(`{"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, nil), "empty name"},
		{"duplicate tensor", rawFile(`{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, nil), `"w" occurs twice`},
		{"duplicate by escape", rawFile(`{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0077":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, nil), `"w" occurs twice`},
		{"duplicate field", one(`"dtype":"F32","dtype":"F64","shape":[2],"data_offsets":[0,8]`), `"dtype" occurs twice`},
		{"unknown field", one(`"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1`), `unknown field "x"`},
		{"field in other case", one(`"DType":"F32","shape":[2],"data_offsets":[0,8]`), "dtype: is missing"},
		{"no shape", one(`"dtype":"F32","data_offsets":[0,8]`), "shape: is missing"},
		{"null shape", one(`"dtype":"F32","shape":null,"data_offsets":[0,8]`), "shape: is missing"},
		{"null dimension", one(`"dtype":"F32","shape":[null],"data_offsets":[0,8]`), "shape: null"},
		{"no offsets", one(`"dtype":"F32","shape":[2]`), "data_offsets: is missing"},
		{"unknown dtype", one(`"dtype":"F4","shape":[2],"data_offsets":[0,8]`), `dtype: "F4" is not known`},
		{"dtype number", one(`"dtype":4,"shape":[2],"data_offsets":[0,8]`), "dtype: want string"},
		{"negative dimension", one(`"dtype":"F32","shape":[-2],"data_offsets":[0,8]`), "dimension 0 is -2"},
		{"two negative dimensions", one(`"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]`), "dimension 0 is -1"},
		{"fraction", one(`"dtype":"F32","shape":[2.0],"data_offsets":[0,8]`), "shape: want"},
		{"exponent", one(`"dtype":"F32","shape":[2e0],"data_offsets":[0,8]`), "shape: want"},
		{"huge dimension", one(`"dtype":"F32","shape":[4294967296],"data_offsets":[0,8]`), "dimension 0 is 4294967296"},
		{"beyond int64", one(`"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]`), "shape: want"},
		{"product overflows", one(`"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,8]`), "too many elements"},
		{"product wraps to 2", one(`"dtype":"F32","shape":[2147483646,1073741824,2147483648],"data_offsets":[0,8]`), "dimension 2"},
		{"rank", one(`"dtype":"F32","shape":[` + dims + `],"data_offsets":[0,8]`), "17 dimensions"},
		{"one offset", one(`"dtype":"F32","shape":[2],"data_offsets":[8]`), "want 2 numbers, got 1"},
		{"three offsets", one(`"dtype":"F32","shape":[2],"data_offsets":[0,8,8]`), "want 2 numbers, got 3"},
		{"negative offset", one(`"dtype":"F32","shape":[2],"data_offsets":[-8,0]`), "outside the data"},
		{"reversed", one(`"dtype":"F32","shape":[2],"data_offsets":[8,0]`), "outside the data"},
		{"out of range", one(`"dtype":"F32","shape":[3],"data_offsets":[0,12]`), "outside the data of 8 bytes"},
		{"offset wraps", one(`"dtype":"F32","shape":[2],"data_offsets":[9223372036854775800,9223372036854775807]`), "outside the data"},
		{"too few bytes", one(`"dtype":"F32","shape":[3],"data_offsets":[0,8]`), "8 bytes, but F32 of shape [3] needs 3 elements"},
		{"odd bytes", one(`"dtype":"F32","shape":[1],"data_offsets":[0,7]`), "7 bytes, but F32"},
		{"size mismatch", one(`"dtype":"F64","shape":[2],"data_offsets":[0,8]`), "8 bytes, but F64"},
		{"misaligned", rawFile(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, make([]byte, 6)), `tensor "b": data_offsets: 2 is not a multiple of the 4 bytes`},
		{"overlap", rawFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, make([]byte, 8)), `tensor "b": data_offsets: [4, 8] overlaps`},
		{"same place", rawFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)), "overlaps"},
		{"hole at start", one(`"dtype":"F32","shape":[1],"data_offsets":[4,8]`), "a hole of 4 bytes"},
		{"hole at end", one(`"dtype":"F32","shape":[1],"data_offsets":[0,4]`), "end at byte 4 of the data, which has 8"},
		{"data without tensors", rawFile(`{}`, make([]byte, 1)), "end at byte 0"},
		{"metadata number", rawFile(`{"__metadata__":{"a":1}}`, nil), `__metadata__: key "a": want string`},
		{"metadata null", rawFile(`{"__metadata__":{"a":null}}`, nil), `__metadata__: key "a": null`},
		{"metadata twice", rawFile(`{"__metadata__":{"a":"1","a":"2"}}`, nil), `__metadata__: key "a" occurs twice`},
		{"metadata list", rawFile(`{"__metadata__":[]}`, nil), "__metadata__: want a JSON object"},
		{"deep", rawFile(`{"w":`+strings.Repeat("[", 65)+strings.Repeat("]", 65)+`}`, nil), "nested deeper than 64"},
		{"too deep for the decoder", rawFile(`{"w":`+strings.Repeat("[", 20000), nil), "depth"},
	}
}

func TestParseRefusesHostileFiles(t *testing.T) {
	for _, c := range hostileFiles() {
		f, err := Parse(c.file)
		if err == nil {
			t.Errorf("%s: accepted, with tensors %v", c.name, f.Names())
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %q, want one with %q", c.name, err, c.want)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct{ name, header string }{
		{"unpadded", `{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`},
		{"padded", `{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}      `},
		{"scalar", `{"w":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}`},
		{"empty tensors", `{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"z":{"dtype":"I64","shape":[4,0,2147483647],"data_offsets":[8,8]}}`},
		{"any order", `{"w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`},
		{"type that is only known", `{"w":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}`},
		{"white space inside", "{ \"w\" :\n{\"shape\":[2],\t\"data_offsets\":[0,8],\"dtype\":\"F32\"} }"},
	} {
		f, err := Parse(rawFile(c.header, make([]byte, 8)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if !f.Has("w") {
			t.Errorf("%s: tensor w is not there", c.name)
		}
	}
}

// A header may claim gigabytes; memory must follow what the file has.
func TestHeaderClaimDoesNotAllocate(t *testing.T) {
	file := append(binary.LittleEndian.AppendUint64(nil, maxHeaderBytes), "{}"...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Parse(file); err == nil {
		t.Error("accepted")
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("refusing a header length of %d allocates %d bytes", maxHeaderBytes, got)
	}
}

func TestQuoteCutsLongNames(t *testing.T) {
	name := strings.Repeat("x", 1<<20)
	_, err := Parse(rawFile(fmt.Sprintf(`{"%s":1}`, name), nil))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("error of %d bytes for a long name", len(fmt.Sprint(err)))
	}
}
