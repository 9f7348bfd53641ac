package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/any-order/a3/core/checkpoint/gguf/gguftest"
)

// hostileFiles are files that must be refused, with a part of the error.
func hostileFiles() []struct {
	name string
	file []byte
	want string
} {
	b := gguftest.New
	array := func(typ uint32, n uint64) []byte { return gguftest.Cat(gguftest.U32(typ), gguftest.U64(n)) }
	one := func(typ uint32, offset uint64, dims ...uint64) *gguftest.Builder {
		return b().Tensor("w", typ, offset, dims...)
	}
	data := make([]byte, 64)
	long := strings.Repeat("x", maxNameBytes+1)
	version := func(n uint32) []byte { v := b(); v.Version = n; return v.File(nil) }
	counts := func(tensors, keys uint64) []byte { v := b(); v.Tensors, v.Keys = tensors, keys; return v.File(nil) }
	return []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "needs 4 bytes at 0, but the file has 0"},
		{"another format", []byte("PK\x03\x04PK\x03\x04"), "not a GGUF file"},
		{"cut in the version", []byte("GGUF\x03\x00"), "needs 4 bytes at 4"},
		{"version 1", version(1), "version 1 is not supported"},
		{"version 4", version(4), "version 4, this program reads 2 and 3"},
		{"big-endian", version(3 << 24), "big-endian"},
		{"cut in the counts", b().File(nil)[:20], "needs 8 bytes at 16"},

		{"many tensors", counts(maxTensors+1, 0), "65537 tensors, at most 65536"},
		{"all tensors", counts(math.MaxUint64, 0), "tensors, at most"},
		{"more tensors than bytes", counts(1000, 0), "1000 tensors: needs 32000 bytes at 16"},
		{"many keys", counts(0, maxKeys+1), "65537 keys, at most 65536"},
		{"more keys than bytes", counts(0, 2), "2 keys: needs 26 bytes"},
		{"a key less", gguftest.Cat(counts(0, 1), make([]byte, 13)), "key 1: the name \"\" is empty"},

		{"key of a gigabyte", gguftest.Cat(counts(0, 1), gguftest.U64(1<<30), make([]byte, 32)), "key 1: a string of 1073741824 bytes, at most 65535"},
		{"key longer than the file", gguftest.Cat(counts(0, 1), gguftest.U64(60), make([]byte, 32)), "key 1: needs 60 bytes"},
		{"long key", b().Key(long, gguftest.Uint8, []byte{1}).File(nil), "at most 65535"},
		{"key no UTF-8", b().Key("\xff", gguftest.Uint8, []byte{1}).File(nil), "UTF-8"},
		{"key twice", b().Key("k", gguftest.Uint8, []byte{1}).Key("k", gguftest.Int8, []byte{1}).File(nil), `key "k" occurs twice`},
		{"unknown type", b().Key("k", 13, make([]byte, 64)).File(nil), `key "k": type 13 is not known`},
		{"unknown type of elements", b().Key("k", gguftest.Array, array(99, 1), data).File(nil), `key "k": type 99 is not known`},
		{"array of arrays", b().Key("k", gguftest.Array, array(gguftest.Array, 1), array(gguftest.Uint8, 1), []byte{1}).File(nil), "arrays of arrays"},
		{"huge array", b().Key("k", gguftest.Array, array(gguftest.Uint8, maxElements+1)).File(nil), "16777217 elements, at most 16777216"},
		{"endless array", b().Key("k", gguftest.Array, array(gguftest.Uint64, math.MaxUint64)).File(nil), "elements, at most"},
		{"array longer than the file", b().Key("k", gguftest.Array, array(gguftest.Int32, 4), make([]byte, 15)).File(nil), `key "k": needs 16 bytes`},
		{"strings longer than the file", b().Key("k", gguftest.Array, array(gguftest.String, 2), gguftest.Str("a"), gguftest.U64(9), data[:8]).File(nil), `key "k": needs 9 bytes`},
		{"huge string", b().Key("k", gguftest.String, gguftest.U64(1<<30), data).File(nil), `key "k": a string of 1073741824 bytes`},
		{"endless string", b().Key("k", gguftest.String, gguftest.U64(math.MaxUint64), data).File(nil), `key "k": a string of 18446744073709551615 bytes`},
		{"string longer than the file", b().Key("k", gguftest.String, gguftest.U64(65), data).File(nil), `key "k": needs 65 bytes`},
		{"cut value", b().Key("k", gguftest.Uint64, data[:7]).File(nil), `key "k": needs 8 bytes`},

		{"alignment no integer", b().Key(alignmentKey, gguftest.String, gguftest.Str("32")).File(nil), "want an integer, the file has a string"},
		{"alignment 0", b().Key(alignmentKey, gguftest.Uint32, gguftest.U32(0)).File(nil), "want a power of two"},
		{"alignment 24", b().Key(alignmentKey, gguftest.Uint32, gguftest.U32(24)).File(nil), "24, want a power of two"},
		{"alignment of a gigabyte", b().Key(alignmentKey, gguftest.Uint32, gguftest.U32(1<<30)).File(nil), "want a power of two"},

		{"name of a gigabyte", gguftest.Cat(counts(1, 0), gguftest.U64(1<<30), data), "tensor 1: a string of 1073741824 bytes"},
		{"tensor twice", one(uint32(F32), 0, 8).Tensor("w", uint32(F32), 32, 8).File(data), `tensor "w" occurs twice`},
		{"no dimension", gguftest.Cat(one(uint32(F32), 0).File(nil), data), `tensor "w": 0 dimensions`},
		{"five dimensions", one(uint32(F32), 0, 1, 1, 1, 1, 1).File(data), `tensor "w": 5 dimensions`},
		{"2^32-1 dimensions", gguftest.Cat(counts(1, 0), gguftest.Str("w"), gguftest.U32(math.MaxUint32), data), `tensor "w": 4294967295 dimensions`},
		{"dimension 0", one(uint32(F32), 0, 0).File(data), "dimension 0 is 0"},
		{"huge dimension", one(uint32(F32), 0, 1<<31).File(data), "dimension 0 is 2147483648: absurd"},
		{"product overflows", one(uint32(F32), 0, 1<<20, 1<<20, 1<<30).File(data), "dimension 2 is 1073741824: absurd"},
		{"product wraps", one(uint32(F32), 0, 1<<16, 1<<16, 1<<16, 1<<16).File(data), "dimension 3 is 65536: absurd"},
		{"type not read", one(16, 0, 256).File(data), `tensor "w": IQ2_XXS is not supported`},
		{"unknown type of tensor", one(77, 0, 256).File(data), `tensor "w": type 77 is not supported`},
		{"half a block", one(uint32(Q4_0), 0, 48).File(data), `tensor "w": rows of 48 elements are no multiple of the blocks of 32 of Q4_0`},
		{"rows of half a block", one(uint32(Q4K), 0, 128, 2).File(data), "rows of 128 elements"},
		{"offset beyond the file", one(uint32(F32), 1<<40, 8).File(data), "begins at byte 1099511627776"},
		{"offset wraps", one(uint32(F32), math.MaxUint64-31, 8).File(data), "begins at byte 18446744073709551584"},
		{"misaligned", one(uint32(F32), 4, 8).File(data), `tensor "w": begins at byte 4 of the data, not at a multiple of 32`},
		{"overlap", one(uint32(F32), 0, 16).Tensor("v", uint32(F32), 32, 8).File(data), `tensor "v": begins at byte 32 of the data, but the tensor before ends at 64: they overlap`},
		{"same place", one(uint32(F32), 0, 8).Tensor("v", uint32(F32), 0, 8).File(data), "they overlap"},
		{"hole", one(uint32(F32), 0, 1).Tensor("v", uint32(F32), 64, 1).File(make([]byte, 96)), `tensor "v": begins at byte 64 of the data, but the tensor before ends at 4: there is a hole`},
		{"hole at the start", one(uint32(F32), 32, 8).File(data), "there is a hole"},
		{"cut", one(uint32(F32), 0, 17).File(data), `tensor "w": needs 68 bytes at byte 0 of the data, which has 64: the file is cut`},
		{"no data", one(uint32(F32), 0, 1).File(nil), "there is no data"},
		{"bytes after", one(uint32(F32), 0, 4).File(data), "48 bytes follow the last tensor"},
	}
}

func TestHostile(t *testing.T) {
	for _, c := range hostileFiles() {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// A file cut anywhere is refused or, behind the header of a file without tensors, read.
func TestCut(t *testing.T) {
	file := gguftest.New().Key("k", gguftest.String, gguftest.Str("value")).Key("a", gguftest.Array, gguftest.U32(gguftest.String), gguftest.U64(2), gguftest.Str("x"), gguftest.Str("y")).
		Tensor("w", uint32(F32), 0, 4, 4).File(make([]byte, 64))
	if _, err := Parse(file); err != nil {
		t.Fatal(err)
	}
	for n := range file {
		if _, err := Parse(file[:n]); err == nil {
			t.Errorf("a file cut to %d of %d bytes is accepted", n, len(file))
		}
	}
}

// Tensors may lie in any order, and the last may be padded.
func TestPlaces(t *testing.T) {
	data := make([]byte, 96)
	for i := range data {
		data[i] = byte(i)
	}
	f, err := Parse(gguftest.New().Tensor("b", uint32(F32), 64, 1).Tensor("a", uint32(F32), 0, 9).File(data))
	if err != nil {
		t.Fatal(err)
	}
	want := math.Float32frombits(binary.LittleEndian.Uint32(data[64:]))
	if got := values(t, f, "b"); got[0] != want {
		t.Errorf("b is %v, want %v", got[0], want)
	}
	if got := fmt.Sprint(f.Names()); got != "[b a]" {
		t.Errorf("names %s, want those of the header in its order", got)
	}
}

// The alignment is the file's own.
func TestAlignment(t *testing.T) {
	head := gguftest.New().Key(alignmentKey, gguftest.Uint32, gguftest.U32(8)).Tensor("b", uint32(F32), 8, 1).Tensor("a", uint32(F32), 0, 1).File(nil)
	head = append(head, make([]byte, roundUp(int64(len(head)), 8)-int64(len(head)))...)
	f, err := Parse(gguftest.Cat(head, gguftest.U32(math.Float32bits(1)), gguftest.U32(0), gguftest.U32(math.Float32bits(2))))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := values(t, f, "a"), values(t, f, "b"); a[0] != 1 || b[0] != 2 {
		t.Errorf("a is %v, b is %v", a, b)
	}
}

// FuzzParse: whatever the bytes, they are refused or everything that the file claims to
// hold can be read.
func FuzzParse(f *testing.F) {
	for _, c := range hostileFiles() {
		f.Add(c.file)
	}
	f.Add(gguftest.New().Key("k", gguftest.Array, gguftest.U32(gguftest.String), gguftest.U64(2), gguftest.Str("x"), gguftest.Str("y")).
		Key("n", gguftest.Array, gguftest.U32(gguftest.Int16), gguftest.U64(2), []byte{1, 2, 3, 4}).Tensor("w", uint32(Q4_0), 0, 32, 2).File(make([]byte, 36)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		var total int64
		for _, name := range file.Names() {
			info, err := file.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			total += info.Bytes
			if err := file.Float32At(name, info.Len()/2, make([]float32, info.Len()-info.Len()/2)); err != nil {
				t.Fatalf("tensor %q: %v", name, err)
			}
		}
		if total > int64(len(data)) {
			t.Fatalf("tensors of %d bytes in a file of %d", total, len(data))
		}
		m := file.Metadata()
		for _, key := range m.Keys() { // a getter may refuse the type; it must not panic
			m.String(key)
			m.Bool(key)
			m.Int(key)
			m.Float(key)
			m.Strings(key)
			m.Float32s(key)
			m.Int32s(key)
			m.Len(key)
		}
	})
}
